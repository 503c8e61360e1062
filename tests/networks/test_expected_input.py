"""The input that a file of weights expects, folded into the first layer, against the original on what it expects."""

import pytest
import torch
from resnet50_by_hand import close, encoder, features, random_state, stem
from torch.nn import functional

from headstart.job import UserError
from headstart.networks.expected_input import ExpectedInput, fold
from headstart.networks.external_weights import WeightFile, load_trunk

IMAGENET = ExpectedInput((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (0.0, 1.0), 224)
CAFFE = ExpectedInput((103.939, 116.779, 123.68), (1.0, 1.0, 1.0), (0.0, 255.0), 224)
SYMMETRIC = ExpectedInput((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (-1.0, 1.0), None)
GREY = ExpectedInput((0.2,), (0.3,), (0.0, 1.0), None)
ENTRY = {"channels": 3, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.3], "range": [0, 255], "size": 224}


@pytest.fixture(scope="module")
def rgb_state():
    return random_state()


def state_for(expected, rgb_state):
    """Weights with as many channels as expected."""
    return rgb_state | {"conv1.weight": rgb_state["conv1.weight"][:, : len(expected.mean)]}


def normalised(grey, expected):
    """A grey image of [0, 1] as the original wants it: (B, 1, H, W) -> (B, C, H, W)."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (expected.mean, expected.std))
    black, white = expected.range
    return (black + (white - black) * grey - mean) / std


def slices():
    return torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("expected", [IMAGENET, CAFFE, SYMMETRIC, GREY], ids=["imagenet", "caffe", "-1 to 1", "grey"])
def test_a_grey_slice_gives_what_the_original_gives_for_its_normalised_channels(rgb_state, tmp_path, expected):
    """All values of the last map, on random slices that go on in black beyond their border, as slices of heads do."""
    state, grey = state_for(expected, rgb_state), slices()
    torch.save(state, tmp_path / "weights.pth")
    model = encoder()
    loaded = load_trunk(model, WeightFile(tmp_path / "weights.pth", None, None, expected))
    with torch.inference_mode():
        theirs = features(state, normalised(functional.pad(grey, [3] * 4), expected), padding=0)
        assert close(model.eval().forward_features(grey), theirs)
    assert set(loaded.adapted) == {"conv1.weight", "bn1.running_mean"}


def test_only_where_the_kernel_reaches_beyond_the_image_does_the_originals_padding_differ(rgb_state):
    """The original pads with the grey of the mean: the first two and the last places of the first map, and no other."""
    folded, grey = dict(rgb_state), slices()
    fold(folded, IMAGENET)
    ours, theirs = stem(folded, grey), stem(rgb_state, normalised(grey, IMAGENET))
    assert close(ours[..., 2:-1, 2:-1], theirs[..., 2:-1, 2:-1])
    for edge in (
        (ours - theirs)[..., :2, :],
        (ours - theirs)[..., -1, :],
        (ours - theirs)[..., :2],
        (ours - theirs)[..., -1],
    ):
        assert edge.abs().amax() > 0.1


def test_with_black_as_mean_the_borders_agree_too(rgb_state):
    black, grey = ExpectedInput((0.0, 0.0, 0.0), (0.5, 0.25, 2.0), (0.0, 1.0), None), slices()
    folded = dict(rgb_state)
    assert fold(folded, black) == ["conv1.weight"]
    assert close(stem(folded, grey), stem(rgb_state, normalised(grey, black)))


def test_a_fold_worked_by_hand():
    """Two outputs with kernels of ones and twos: x -> 255 x, less 100, by 50."""
    state = {"conv1.weight": torch.ones(2, 1, 7, 7), "bn1.running_mean": torch.tensor([5.0, 6.0])}
    state["conv1.weight"][1] = 2
    assert fold(state, ExpectedInput((100.0,), (50.0,), (0.0, 255.0), None)) == ["conv1.weight", "bn1.running_mean"]
    assert state["conv1.weight"][:, 0, 0, 0].tolist() == pytest.approx([5.1, 10.2])
    assert state["bn1.running_mean"].tolist() == [5 + 49 * 2, 6 + 98 * 2]


def test_an_encoder_that_expects_a_studys_own_slices_is_not_changed(rgb_state):
    plain = ExpectedInput((0.0,), (1.0,), (0.0, 1.0), None)
    state = state_for(plain, rgb_state)
    assert fold(dict(state), plain) == []


def test_an_entry_is_read():
    expected = ExpectedInput.of(ENTRY, "weights")
    assert expected == ExpectedInput((0.4, 0.5, 0.6), (0.2, 0.2, 0.3), (0.0, 255.0), 224)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 2}, "weights.channels is 2; give 1 .grey. or 3 .RGB."),
        ({"mean": [0.4]}, r"weights.mean is \[0.4\]; give 3 finite numbers"),
        ({"mean": [0.4, 0.5, float("nan")]}, "weights.mean is .*; give 3 finite numbers"),
        ({"std": [0.2, 0.2, 0]}, r"weights.std is \[0.2, 0.2, 0.0\]; give values above 0"),
        ({"range": [255, 0]}, "weights.range is .*; give the value of black, and then that of white"),
        ({"range": [0, 1, 2]}, "weights.range is .*; give 2 finite numbers"),
        ({"size": 0}, "weights.size is 0; give the pixels of a side, or null"),
    ],
)
def test_an_entry_with_which_no_image_can_be_normalised_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        ExpectedInput.of(ENTRY | change, "weights")


def test_other_channels_than_those_of_the_file_are_refused(rgb_state, tmp_path):
    torch.save(rgb_state, tmp_path / "weights.pth")
    with pytest.raises(
        UserError, match="takes images of 3 channels .conv1.weight., and channels, beside the file, is 1"
    ):
        load_trunk(encoder(), WeightFile(tmp_path / "weights.pth", None, None, GREY))
