"""Restoring: what is judged of an output, where the randomness of a step is, and that hidden pixels are learned."""

import numpy as np
import pytest
import small
import torch

from headstart.job import UserError
from headstart.training import outputs
from headstart.training.loop import train
from headstart.training.restoring import MaskedAutoEncoding, Restoring
from headstart.training.trainer import Trainer

SMALL = small.architecture(decoder="unet")
TASKS = {"masked-autoencoding": lambda: MaskedAutoEncoding(0.5, 8), "restoring": Restoring}


def discs(number, size=32, seed=0):
    """Discs of several brightnesses, brighter towards the right, in black air: (N, H, W) uint16."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    radii, brightness = rng.uniform(0.3, 0.45, (number, 1, 1)), rng.uniform(0.3, 0.7, (number, 1, 1))
    return ((np.hypot(rows, columns) < radii) * (brightness + 0.5 * columns) * 65535).astype(np.uint16)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def task_and_model(kind):
    task = TASKS[kind]()
    return task, task.network(SMALL.make_encoder(1), SMALL, 32, 1)


def test_the_loss_is_that_of_hidden_pixels_that_were_not_black():
    task = MaskedAutoEncoding(0.5, 1)
    targets = torch.tensor([[[0.0, 0.5, 0.25, 1.0]]])
    images = torch.tensor([[[[0.0, 0.0, 0.25, 0.0]]]])  # the first is air, the third was not hidden
    output = torch.tensor([[[[9.0, 0.75, 9.0, 0.0]]]])
    assert task.loss(output, images, targets).item() == pytest.approx((0.25 + 1) / 2)
    assert task.loss(output, targets[:, None], targets).item() == 0  # nothing was hidden
    prediction = output[:, 0].numpy()
    expected = 1 - (0.25**2 + 1) / (2 * 0.25**2)
    tally = task.tally(prediction, images[:, 0].numpy(), targets.numpy())
    assert task.score([tally]) == pytest.approx(expected)


def test_all_pixels_of_a_distorted_slice_are_judged():
    task = Restoring()
    targets, output = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[[0.25, 0.5]]]])
    assert task.loss(output, targets[:, None], targets).item() == pytest.approx(0.375)
    tally = task.tally(output[:, 0].numpy(), None, targets.numpy())
    assert task.score([tally]) == pytest.approx(1 - (0.25**2 + 0.5**2) / 0.5)


@pytest.mark.parametrize("kind", TASKS)
def test_the_target_is_the_original_and_the_input_something_else(kind):
    task = TASKS[kind]()
    images = 0.2 + 0.5 * torch.rand(4, 1, 32, 32)
    seen, targets = task.corrupt(images, None, seeded())
    assert torch.equal(targets, images[:, 0])
    assert all(not torch.equal(*pair) for pair in zip(seen, images, strict=True))


def test_hidden_pixels_do_not_reach_the_network():
    task, model = task_and_model("masked-autoencoding")
    seen, targets = task.corrupt(0.1 + 0.5 * torch.rand(2, 1, 32, 32), None, seeded())
    other = torch.where(seen[:, 0] != targets, 0.9, targets)[:, None]  # other content in the hidden patches
    again, _ = task.corrupt(other, None, seeded())
    assert torch.equal(model.eval()(seen), model(again))


def test_a_masked_auto_encoder_has_no_skip_connections_and_a_restorer_has():
    skips = {kind: task_and_model(kind)[1].decoder.skips for kind in TASKS}
    assert skips == {"masked-autoencoding": False, "restoring": True}


@pytest.mark.parametrize("kind", TASKS)
def test_what_is_missing_is_learned_and_scored_on_unseen_slices(kind):
    task, model = task_and_model(kind)
    score = outputs.validation(task, outputs.Slices(discs(16, seed=1), None), 3, precision="float32")
    before = score(model)
    settings = small.training(8, batch_size=8, learning_rate=3e-3, norms="reestimated", precision="float32")
    history = train(model, small.resident(discs(48)), task, settings, seed=1)
    assert before < 0
    assert score(model) > 0.3
    assert history[-1]["loss"] < history[0]["loss"] / 1.5


@pytest.mark.parametrize("kind", TASKS)
def test_a_step_gets_new_inputs_each_time_and_draws_nothing_itself(kind, monkeypatch):
    """A recorded step would repeat what it draws: all that is random comes in with its inputs."""
    seen, step = [], Trainer._step

    def recorded(trainer, images, targets, slices):
        seen.append((images, targets))
        before = torch.get_rng_state()
        step(trainer, images, targets, slices)
        assert torch.equal(torch.get_rng_state(), before)

    monkeypatch.setattr(Trainer, "_step", recorded)
    task, model = task_and_model(kind)
    train(model, small.resident(discs(4)), task, small.training(2, batch_size=4), seed=1)
    # The same slices in both epochs, whose order differs.
    (first, originals), (second, again) = (
        (images[order], targets[order]) for images, targets in seen for order in [targets.mean((1, 2)).argsort()]
    )
    assert torch.equal(originals, again)
    assert all(not torch.equal(*pair) for pair in zip(first, second, strict=True))


def test_norms_are_estimated_on_what_the_network_is_given():
    """Of slices of which half is hidden, the first layer sees half of the mean."""
    white = np.full((64, 32, 32), 65535, np.uint16)
    task = MaskedAutoEncoding(0.5, 8)
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.Conv2d(1, 1, 1))
    train(model, small.resident(white), task, small.training(1, batch_size=8, norms="reestimated"), seed=1)
    assert model[0].running_mean.item() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("hidden", "patch", "message"),
    [
        (0.98, 8, r"^hidden 0\.98 with patch 8 hides 16 of the 16 patches of a slice of 32 pixels, .*; lower patch"),
        (0.02, 8, r"^hidden 0\.02 with patch 8 hides 0 of the 16 patches"),
        (0.6, 32, r"^hidden 0\.6 with patch 32 hides 1 of the 1 patches"),
    ],
)
def test_a_fraction_or_a_patch_that_hides_all_or_nothing_is_refused(hidden, patch, message):
    with pytest.raises(UserError, match=message):
        MaskedAutoEncoding(hidden, patch).network(SMALL.make_encoder(1), SMALL, 32, 1)
