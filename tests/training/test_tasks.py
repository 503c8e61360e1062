import numpy as np
import pytest
import small
import torch

from headstart.training import losses
from headstart.training.loop import predict, train
from headstart.training.tasks import AutoEncoding, Classification, Segmentation

SMALL = small.architecture(decoder_widths=(16, 16, 16, 16, 8, 8, 8, 8, 8))


def squares(number, size=32, seed=0):
    """Dark or bright squares on a dim background: images, labels (1 background, 2 dark, 3 bright), and presence."""
    rng = np.random.default_rng(seed)
    labels = np.ones((number, size, size), np.uint8)
    present = np.zeros((number, 2), np.uint8)
    for k in range(number):
        kind = rng.integers(2)
        row, column = rng.integers(0, size // 2, 2)
        labels[k, row : row + size // 2, column : column + size // 2] = 2 + kind
        present[k, kind] = 1
    images = np.array([0, 0.1, 0.4, 0.9])[labels] + 0.05 * rng.random(labels.shape)
    return (images * 65535).astype(np.uint16), labels, present


@pytest.mark.parametrize("kind", ["segmentation", "autoencoding", "softmax", "sigmoid"])
def test_each_task_is_learned_and_scored_on_unseen_images(kind):
    images, labels, present = squares(32)
    unseen, unseen_labels, unseen_present = squares(16, seed=1)
    if kind == "segmentation":
        task = Segmentation(losses.median_frequency_weights(losses.class_counts(labels, 3, first=1)), first=1)
        targets, truth, least = labels, unseen_labels, 0.5
    elif kind == "autoencoding":
        task, targets, truth, least = AutoEncoding(SMALL, 3), None, None, 0.1
    else:
        task, targets, truth, least = Classification(("dark", "bright"), kind), present, unseen_present, 0.95
    rate = 5e-4 if kind == "autoencoding" else 2e-3  # with these, the outcome depends little on the order of slices
    model = task.network(SMALL.make_encoder(1), SMALL, 32, 1)
    settings = small.training(24, batch_size=8, learning_rate=rate, precision="float32")

    def score():
        predictions = predict(model, unseen, task.postprocess, precision="float32")
        return task.score([task.tally(predictions, unseen / 65535, truth)])

    before = score()
    history = train(model, small.resident(images, targets), task, settings, seed=1)
    assert score() >= least
    assert min(row["loss"] for row in history) < history[0]["loss"] / 1.5  # the last epoch may be a noisy one
    if kind in ("segmentation", "autoencoding"):  # a random network may separate two brightnesses by chance
        assert before < 0.1


def test_pixels_of_no_class_are_neither_trained_on_nor_scored():
    task = Segmentation(np.ones(2), first=1)
    output = torch.zeros(1, 2, 1, 3)
    output[0, 0] = 5.0
    targets = torch.tensor([[[1, 0, 1]]], dtype=torch.uint8)
    alone = task.loss(output[..., [0, 2]], None, targets[..., [0, 2]])
    assert task.loss(output, None, targets).item() == pytest.approx(alone.item())
    predictions = task.postprocess(output).numpy()
    assert predictions.tolist() == [[[1, 1, 1]]]
    assert task.score([task.tally(predictions, None, targets.numpy())]) == 1.0


def test_a_batch_without_any_class_has_loss_0():
    task = Segmentation(np.ones(2), first=1)
    output = torch.zeros(1, 2, 1, 3, requires_grad=True)
    loss = task.loss(output, None, torch.zeros(1, 1, 3, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0
    assert not output.grad.any()


def test_the_generators_loss_worked_by_hand():
    task = AutoEncoding(SMALL, 1)
    task.prepare(torch.device("cpu"), "float32", torch.optim.Adam)
    for parameter in task.discriminator.parameters():
        parameter.data.zero_()  # every answer is 0: even odds, with a loss of log 2
    images, output = torch.zeros(2, 1, 32, 32), torch.full((2, 1, 32, 32), 0.25)
    assert task.loss(output, images, None).item() == pytest.approx(0.996 * 0.25 + 0.004 * np.log(2))


def test_the_steps_of_generator_and_discriminator_do_not_change_each_other():
    task = AutoEncoding(SMALL, 1)
    task.prepare(torch.device("cpu"), "float32", torch.optim.SGD)
    images = torch.rand(2, 1, 32, 32)
    output = torch.rand(2, 1, 32, 32, requires_grad=True)
    before = [parameter.clone() for parameter in task.discriminator.parameters()]
    task.loss(output, images, None).backward()
    assert output.grad.abs().sum() > 0
    assert all(p.grad is None for p in task.discriminator.parameters())
    output.grad = None
    task.after_step(output, images)
    assert output.grad is None
    assert any(not torch.equal(old, new) for old, new in zip(before, task.discriminator.parameters(), strict=True))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_discriminator_computes_in_the_precision_of_the_study(precision):
    task, seen = AutoEncoding(SMALL, 1), []
    task.prepare(torch.device("cpu"), precision, torch.optim.SGD)
    task.discriminator.layers[0].register_forward_hook(lambda *call: seen.append(call[2].dtype))
    images, output = torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32, requires_grad=True)
    assert task.loss(output, images, None).dtype == torch.float32
    task.after_step(output, images)
    assert seen == [getattr(torch, precision)] * 2


def test_the_discriminators_learning_rate_follows_the_schedule():
    made = []

    class Spied(AutoEncoding):
        def prepare(self, *arguments):
            made.extend(super().prepare(*arguments))
            return made

    task = Spied(SMALL, 1)
    model = task.network(SMALL.make_encoder(1), SMALL, 32, 1)
    settings = small.training(2, batch_size=2, learning_rate=1e-3)
    train(model, small.resident(squares(4)[0]), task, settings, seed=1)
    assert made[0].rates == pytest.approx([1e-4])


def test_classes_that_all_slices_show_are_not_scored():
    task = Classification(("always", "sometimes"), "sigmoid")
    targets = np.array([[1, 0], [1, 1]], np.uint8)
    assert task.score([task.tally(np.array([[0.2, 0.1], [0.1, 0.9]]), None, targets)]) == 1
