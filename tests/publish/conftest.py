import importlib
import sys

import pytest
import torch

# Torch forgets the operators of a library that nothing holds.
_HELD = []


@pytest.fixture
def torchvision():
    """Torchvision; the test is skipped where it is not installed.

    A build for another kind of device than torch's cannot load its own operators, which it declares nevertheless. A
    ResNet uses none of them, so that they may stand there by name alone.
    """
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed: make test-publish")
    if "torchvision" not in sys.modules and torch.version.cuda is None:
        declared = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _HELD.append(declared)
    return importlib.import_module("torchvision")
