import importlib.util

import pytest
import torch

# Torch forgets the operators of a library that nothing holds.
_HELD = []


@pytest.fixture
def torchvision():
    """Torchvision; the test is skipped where it is not installed.

    A build for another kind of device than torch's cannot load its own operators, and then not be imported. A ResNet
    uses none of them, so that they may stand there by name alone.
    """
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed: make test-publish")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    _HELD.append(torch.library.Library("torchvision", "FRAGMENT"))
    for name in ("nms", "qnms"):
        _HELD[-1].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision")
