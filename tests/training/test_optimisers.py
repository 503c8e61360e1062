import copy
import subprocess
import sys
from pathlib import Path

import pytest
import small
import torch
from torch import nn

from headstart.training import optimisers

PACKAGE = Path(optimisers.__file__).parents[2]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3))
        self.decoder = nn.Linear(8, 2)
        self.unused = nn.Linear(3, 3)

    def forward(self, images):
        return self.decoder(self.encoder(images).mean(dim=(2, 3)))


def gradients(network, step):
    generator = torch.Generator().manual_seed(step)
    network(torch.rand((5, 1, 9, 9), generator=generator)).square().sum().backward()


def alike(one, other):
    return all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("factor", [1, 0.1])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_steps_are_those_of_torchs_fused_adam(factor, layout):
    network = Network().to(memory_format=layout)
    reference = copy.deepcopy(network)
    made = optimisers.Adam(optimisers.parameter_groups(network, factor), 1e-2, in_graph=False)
    parts = [[*reference.encoder.parameters()], [*reference.decoder.parameters(), *reference.unused.parameters()]]
    expected = torch.optim.Adam([{"params": part} for part in parts], weight_decay=1e-2, fused=True)
    for step in range(20):
        rate = 1e-2 if step < 10 else 1e-3
        made.set_rate(rate)
        expected.param_groups[0]["lr"], expected.param_groups[1]["lr"] = rate * factor, rate
        for optimiser, trained in ((made, network), (expected, reference)):
            optimiser.zero_grad()
            gradients(trained, step)
            optimiser.step()
        assert alike(network, reference)
    assert torch.equal(network.unused.weight, Network().unused.weight)


def test_a_copied_state_continues_with_the_same_steps():
    network = Network()
    made = optimisers.Adam(optimisers.parameter_groups(network, 1), 0, in_graph=False)

    def steps(optimiser, trained, numbers):
        for step in numbers:
            optimiser.set_rate(1e-2)
            optimiser.zero_grad()
            gradients(trained, step)
            optimiser.step()

    steps(made, network, range(3))
    resumed = copy.deepcopy(network)
    again = optimisers.Adam(optimisers.parameter_groups(resumed, 1), 0, in_graph=False)
    assert list(again.state()) == list(made.state())
    for name, tensor in again.state().items():
        tensor.copy_(made.state()[name])
    for optimiser, trained in ((made, network), (again, resumed)):
        steps(optimiser, trained, range(3, 6))
    assert alike(network, resumed)


def test_a_training_does_not_import_torchs_compiler():
    """It takes a second, in each job."""
    code = """
import sys
import numpy as np, torch
torch.set_num_threads(1)
from headstart import finetune
from headstart.training import feed
from headstart.training.loop import train
from headstart.training.tasks import Segmentation
import small

slices = feed.Resident(np.zeros((4, 32, 32), np.uint16), np.zeros((4, 32, 32), np.uint8), torch.device("cpu"))
task, architecture = Segmentation(np.ones(2)), small.architecture()
model = task.network(architecture.make_encoder(0), architecture, 32, 0)
train(model, slices, task, small.training(1, batch_size=2, precision="float32"), 0)
print("torch._dynamo" in sys.modules, "torch._inductor" in sys.modules)
"""
    places = {"PYTHONPATH": f"{PACKAGE}:{Path(small.__file__).parent}"}
    found = subprocess.run([sys.executable, "-c", code], env=places, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
