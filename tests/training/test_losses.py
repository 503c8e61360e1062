import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from monai.losses import DiceLoss
from torch.nn import functional

from headstart.job import UserError
from headstart.training import losses


def weights(labels, classes, first=0):
    return losses.median_frequency_weights(losses.class_counts(labels, classes, first))


def test_median_frequency_weights_worked_by_hand():
    labels = np.zeros((2, 2, 4), np.uint8)
    labels[0, 0, :2] = 1
    labels[0, 0, 2] = 2
    labels[1, 0, 0] = 2
    # class 0: 5 + 7 pixels of the 16 in two slices = 3/4; class 1: 2 of the 8 in its one slice = 1/4;
    # class 2: 2 of 16 = 1/8; the median is 1/4
    assert weights(labels, 3).tolist() == pytest.approx([1 / 3, 1, 2])


def test_a_class_that_never_occurs_has_weight_0_and_does_not_change_the_median():
    labels = np.zeros((1, 2, 4), np.uint8)
    labels[0, 0, :2] = 2
    # frequencies 6/8 and 2/8: the median of two is their mean, 1/2
    assert weights(labels, 4).tolist() == pytest.approx([2 / 3, 0, 2, 0])


def test_weights_do_not_depend_on_chunks_or_on_memory_mapping(tmp_path, monkeypatch):
    labels = np.random.default_rng(0).integers(0, 5, (70, 4, 4)).astype(np.uint8)
    np.save(tmp_path / "labels.npy", labels)
    whole = weights(labels, 5)
    monkeypatch.setattr(losses, "CHUNK", 7)
    assert np.array_equal(weights(np.load(tmp_path / "labels.npy", mmap_mode="r"), 5), whole)


@given(st.data(), st.integers(1, 20), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_counts_of_scans_add_up_to_the_weights_of_all_their_slices(data, classes, first, seed):
    rng = np.random.default_rng(seed)
    scans = [
        # Some slices of each scan lack some of the classes.
        rng.integers(0, rng.integers(1, first + classes + 1, (count, 1, 1)), (count, 3, 5)).astype(np.uint8)
        for count in data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    ]
    chosen = data.draw(st.lists(st.sampled_from(range(len(scans))), min_size=1))
    labels = np.concatenate([scans[position] for position in chosen])
    shown = labels.reshape(len(labels), -1, 1) == np.arange(first, first + classes)
    pixels, slices = shown.sum((0, 1)), shown.any(1).sum(0)
    present = pixels > 0
    assume(present.any())
    frequency = pixels[present] / (slices[present] * 15)
    expected = np.zeros(classes)
    expected[present] = np.median(frequency) / frequency
    counts = [losses.class_counts(scan, classes, first) for scan in scans]
    found = losses.median_frequency_weights(sum(counts[position] for position in chosen))
    assert found.tobytes() == expected.tobytes()


def test_a_label_beyond_the_classes_is_refused():
    with pytest.raises(UserError, match=r"contain the value 3 but the target has 3 classes \(0 to 2\)"):
        losses.class_counts(np.full((1, 2, 2), 3, np.uint8), 3)


def test_cross_entropy_worked_by_hand():
    # Two pixels with even odds cost log 2 each, whatever their weights, since the sum of the weights divides.
    scores = torch.zeros(1, 2, 1, 2)
    labels = torch.tensor([[[0, 1]]])
    assert losses.cross_entropy(scores, labels, torch.tensor([1.0, 9.0])).item() == pytest.approx(np.log(2))
    # The first pixel certain of its class (cost 0), the second undecided: 9 log 2 / (1 + 9).
    scores[0, 0, 0, 0] = 100
    assert losses.cross_entropy(scores, labels, torch.tensor([1.0, 9.0])).item() == pytest.approx(0.9 * np.log(2))


def test_cross_entropy_is_torchs_weighted_mean():
    torch.manual_seed(0)
    scores = torch.randn(3, 4, 5, 6, requires_grad=True)
    labels = torch.randint(0, 4, (3, 5, 6))
    weights = torch.tensor([0.1, 1.0, 3.0, 0.0])
    ours = losses.cross_entropy(scores, labels, weights)
    torchs = functional.cross_entropy(scores, labels, weights)
    assert ours.item() == pytest.approx(torchs.item(), rel=1e-5)
    gradients = [torch.autograd.grad(loss, scores, retain_graph=True)[0] for loss in (ours, torchs)]
    assert torch.allclose(*gradients, atol=1e-7)
    assert losses.cross_entropy(scores, labels, 100 * weights).item() == pytest.approx(ours.item(), rel=1e-5)


def test_weights_of_classes_counted_from_one_ignore_zeros():
    labels = np.zeros((1, 2, 4), np.uint8)
    labels[0, 0] = 1
    labels[0, 1, :2] = 2
    # of 8 pixels 4 and 2 are of a class: frequencies 1/2 and 1/4, their median 3/8
    assert weights(labels, 2, first=1).tolist() == pytest.approx([3 / 4, 3 / 2])


def test_dice_worked_by_hand():
    # Of four pixels, two of class 1, which is certain of one of them and of a third: 1 - 2 * 1 / (2 + 2).
    scores = torch.tensor([[50.0, 0, 50, 0], [0, 50, 0, 50]]).reshape(1, 2, 2, 2)
    labels = torch.tensor([0, 1, 1, 0], dtype=torch.uint8).reshape(1, 1, 2, 2)
    assert losses.dice(scores, labels).item() == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dice_is_monais_to_the_last_bit(layout):
    theirs = DiceLoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    torch.manual_seed(0)
    labels = torch.randint(0, 4, (3, 1, 32, 32), dtype=torch.uint8)  # none of the last class
    found = []
    for loss in (losses.dice, theirs):
        torch.manual_seed(1)
        scores = torch.randn(3, 5, 32, 32).to(memory_format=layout).requires_grad_()
        value = loss(scores, labels)
        value.backward()
        found.append((value, scores.grad))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_class_wise_cross_entropy_worked_by_hand():
    scores, present = torch.tensor([[0.0, np.log(3)]]), torch.tensor([[1, 1]])
    # Sigmoid: 1/2 and 3/4; softmax: 1/4 and 3/4.
    sigmoid = -(np.log(1 / 2) + np.log(3 / 4)) / 2
    softmax = -(np.log(1 / 4) + np.log(3 / 4)) / 2
    assert losses.class_wise(scores, present, "sigmoid").item() == pytest.approx(sigmoid, rel=1e-6)
    assert losses.class_wise(scores, present, "softmax").item() == pytest.approx(softmax, rel=1e-6)
    # Classes that a slice does not show count too: 1 - 1/4 and 1 - 3/4.
    absent = -(np.log(3 / 4) + np.log(1 / 4)) / 2
    assert losses.class_wise(scores, 0 * present, "softmax").item() == pytest.approx(absent, rel=1e-6)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_class_wise_cross_entropy_stays_finite_when_certain_and_wrong(activation):
    scores = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = losses.class_wise(scores, torch.tensor([[0, 1]]), activation)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(scores.grad).all()


def test_adversarial_loss_worked_by_hand():
    answers = torch.tensor([0.0, np.log(3)]).reshape(1, 1, 1, 2)
    assert losses.adversarial(answers, real=True).item() == pytest.approx(-(np.log(1 / 2) + np.log(3 / 4)) / 2)
    assert losses.adversarial(answers, real=False).item() == pytest.approx(-(np.log(1 / 2) + np.log(1 / 4)) / 2)
