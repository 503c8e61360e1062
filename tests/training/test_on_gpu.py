"""What a GPU alone can show: states are those of the moment though it works behind, and predictions keep float32."""

import itertools

import numpy as np
import pytest
import small
import torch
from slice_batches import blocks, changes, seeded

from headstart.training import feed
from headstart.training.checkpoint import Checkpoint
from headstart.training.loop import predict, train_together
from headstart.training.tasks import AutoEncoding, Segmentation
from headstart.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
CUDA = torch.device("cuda")
SETTINGS = small.training(2, batch_size=4, norms="reestimated", precision="float32")
TASKS = {
    "segmentation": lambda seed: Segmentation(np.ones(2)),
    "autoencoding": lambda seed: AutoEncoding(small.architecture(), seed),
}


def training(kind, seed, state):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 65536, (41, 64, 64), np.uint16), rng.integers(0, 2, (41, 64, 64), np.uint8)
    slices = feed.load(images, labels if kind == "segmentation" else None, CUDA, resident_gb=None)
    architecture, task = small.architecture(), TASKS[kind](seed)
    model = task.network(architecture.make_encoder(seed), architecture, 64, seed)
    return Trainer(model, slices, task, SETTINGS, seed, checkpoint=Checkpoint(state, "one", 0))


def ended(kind, folder, runs_per_gpu):
    trainings = [lambda seed=seed: training(kind, seed, folder / str(seed)) for seed in range(3)]
    found = train_together(trainings, CUDA, SETTINGS, runs_per_gpu)
    return [{name: tensor.cpu() for name, tensor in trained.model.state_dict().items()} for trained in found]


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("runs_per_gpu", [1, 3])
@pytest.mark.parametrize("stop", [1, 9, 10, 17])
def test_a_training_on_a_gpu_stopped_after_any_step_resumes_to_the_same_bytes(kind, runs_per_gpu, stop, tmp_path):
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole = ended(kind, tmp_path / "whole", runs_per_gpu)
    for seed in range(3):
        list(itertools.islice(training(kind, seed, tmp_path / "stopped" / str(seed)).run(), stop))
    resumed = ended(kind, tmp_path / "stopped", runs_per_gpu)
    for weights, expected in zip(resumed, whole, strict=True):
        assert all(map(torch.equal, weights.values(), expected.values()))


def test_predictions_on_a_gpu_are_not_rounded_to_tf32():
    assert torch.backends.cudnn.allow_tf32  # torch's default
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 64, 1), torch.nn.Conv2d(64, 64, 3))
    images = np.random.default_rng(0).integers(0, 65536, (2, 32, 32), np.uint16)
    found = predict(model, images, lambda output: output, precision="float32", device="cuda")
    exact = model.cpu().double()(torch.tensor(images / 65535.0)[:, None]).detach().numpy()
    assert np.abs(found - exact).max() < 1e-5


@pytest.mark.parametrize("name", changes())
def test_no_change_of_slices_waits_for_a_gpu(name):
    images, labels = (maps.to(CUDA) for maps in blocks())
    torch.cuda.set_sync_debug_mode("error")
    try:
        changes()[name](images, labels, seeded())
    finally:
        torch.cuda.set_sync_debug_mode("default")
