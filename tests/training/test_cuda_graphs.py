import contextlib
import copy

import numpy as np
import pytest
import small
import torch
from torch import nn

from headstart.training import feed
from headstart.training.cuda_graphs import Graphs
from headstart.training.devices import deterministic_mode
from headstart.training.loop import train_together
from headstart.training.restoring import MaskedAutoEncoding, Restoring
from headstart.training.tasks import AutoEncoding, Segmentation
from headstart.training.trainer import Trainer

CPU = torch.device("cpu")


class Learner:
    """A network and its optimiser, trained by plain steps."""

    def __init__(self):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-2)
        self.total = torch.zeros(())

    def step(self, images, targets, slices):
        loss = (self.model(images) - targets).square().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.total.add_(loss.detach() * slices)

    def tensors(self):
        yield from self.model.state_dict().values()
        for state in self.optimiser.state.values():
            yield from state.values()
        yield self.total


@pytest.fixture
def recorded(monkeypatch):
    """Imitated CUDA graphs: recording a step changes nothing, replaying it reads the recorded input tensors."""
    learner, pools = Learner(), []

    class Graph:
        def replay(self):
            learner.step(*self.arguments)

    @contextlib.contextmanager
    def recording(graph, pool, stream, capture_error_mode):
        pools.append(pool)
        kept = [tensor.clone() for tensor in learner.tensors()]
        step = learner.step

        def once(*arguments):
            graph.arguments = arguments
            step(*arguments)

        calls._step = once
        yield
        calls._step = step
        for tensor, before in zip(learner.tensors(), kept, strict=True):
            tensor.copy_(before)

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", object)
    calls = Graphs(learner.step, learner.tensors)
    yield learner, calls
    assert len(set(pools)) == 1  # all recordings share their memory


def test_replayed_steps_equal_plain_steps(recorded):
    """Batches of two sizes, in any order: what warming up and recording changed is undone."""
    learner, replayed = recorded
    plain = Learner()
    generator = torch.Generator().manual_seed(0)
    for slices in (4, 4, 3, 4, 3):
        images, targets = (torch.rand(slices, 1, 8, 8, generator=generator) for _ in range(2))
        targets = targets[:, :, 1:-1, 1:-1]
        plain.step(images, targets, slices)
        replayed(images, targets, slices)
    assert len(replayed._recorded) == 2
    assert plain.total > 0
    assert all(map(torch.equal, plain.tensors(), learner.tensors()))


def test_the_learning_rate_and_the_batch_may_change_between_replays(recorded):
    learner, replayed = recorded
    images, targets = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 6, 6)
    replayed(images, targets, 2)
    before = learner.model[0].weight.clone()
    learner.optimiser.param_groups[0]["lr"] = 0.0
    images.zero_()
    replayed(images, targets, 2)
    assert torch.equal(learner.model[0].weight, before)
    assert not replayed._recorded[2][1][0].any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("kind", ["segmentation", "autoencoding", "masked-autoencoding", "restoring"])
@pytest.mark.parametrize("runs_per_gpu", [1, 3])
def test_on_a_gpu_graphs_and_sharing_change_nothing(kind, runs_per_gpu, monkeypatch):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 65536, (11, 64, 64), np.uint16), rng.integers(0, 2, (11, 64, 64), np.uint8)
    architecture, settings = small.architecture(), small.training(3, batch_size=4, precision="float32")
    cuda = torch.device("cuda")

    def trainings():
        slices = feed.load(images, labels if kind == "segmentation" else None, cuda, resident_gb=None)

        def start(seed):
            tasks = {
                "segmentation": lambda: Segmentation(np.ones(2)),
                "autoencoding": lambda: AutoEncoding(architecture, seed),
                "masked-autoencoding": lambda: MaskedAutoEncoding(0.5, 16),
                "restoring": Restoring,
            }
            task = tasks[kind]()
            model = task.network(architecture.make_encoder(seed), architecture, 64, seed)
            return Trainer(model, slices, task, settings, seed)

        return [lambda seed=seed: start(seed) for seed in range(3)]

    def results(at_once):
        found = train_together(trainings(), cuda, settings, at_once)
        return [(copy.deepcopy(trained.model.state_dict()), trained.history) for trained in found]

    graphed = results(runs_per_gpu)
    again = results(runs_per_gpu)
    monkeypatch.setattr("headstart.training.trainer.Graphs", lambda step, tensors: step)
    with deterministic_mode(cuda, "float32", deterministic=True):
        plain = results(1)
    for (weights, rows), (same, _), (expected, expected_rows) in zip(graphed, again, plain, strict=True):
        assert all(map(torch.equal, weights.values(), same.values()))
        assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in expected_rows], rel=1e-4)
        for name, tensor in expected.items():
            assert torch.allclose(weights[name].float(), tensor.float(), atol=1e-3), name
