"""What a step copies to a GPU is sent without waiting for the GPU, and nothing is read back from it.

Tensors on torch's device "meta" have a shape and no values: they stand for those on a GPU, on any machine.
"""

import pytest
import torch
from slice_batches import blocks, changes, seeded
from torch.utils._python_dispatch import TorchDispatchMode

from headstart.training import devices


class Moves(TorchDispatchMode):
    """Counts the tensors that are copied from the CPU to another device; refuses to read one back."""

    def __init__(self):
        super().__init__()
        self.copied = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        if function is torch.ops.aten._to_copy.default and arguments[0].device != result.device:
            assert arguments[0].device.type == "cpu", "read back from the device"
            self.copied += 1
        return result


@pytest.fixture
def sent(monkeypatch):
    """The tensors that were sent to a device; "meta", which has no random numbers, takes the CPU's generator."""
    tensors, send = [], devices.send

    class Generator(torch.Generator):
        def __new__(cls, device="cpu"):
            return super().__new__(cls)

    def kept(values, device):
        tensors.append(values)
        return send(values, device)

    monkeypatch.setattr(devices, "send", kept)
    monkeypatch.setattr(torch, "Generator", Generator)
    return tensors


@pytest.mark.parametrize("name", changes())
def test_all_that_a_change_of_slices_copies_is_sent(name, sent):
    images, labels = (maps.to("meta") for maps in blocks())
    with Moves() as moves:
        changes()[name](images, labels, seeded())
    assert moves.copied == len(sent) > 0


def test_what_is_sent_to_a_gpu_is_pinned_and_not_waited_for():
    calls = []

    class Values:
        def pin_memory(self):
            calls.append("pin_memory")
            return self

        def to(self, device, non_blocking=False):
            calls.append((device.type, non_blocking))
            return self

    devices.send(Values(), torch.device("cuda"))
    assert calls == ["pin_memory", ("cuda", True)]


def test_on_the_processor_nothing_is_copied():
    values = torch.arange(3)
    assert devices.send(values, torch.device("cpu")) is values
