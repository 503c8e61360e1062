"""The input that a file of weights expects, folded into the first layer, against the original on what it expects."""

import pytest
import torch
from bad_settings import small_state
from resnet50_by_hand import close, encoder, features, random_state, stem
from torch.nn import functional

from headstart.job import UserError
from headstart.networks.expected_input import ExpectedInput, fold
from headstart.networks.external_weights import WeightFile, load_trunk
from headstart.networks.trunks import STEM

IMAGENET = ExpectedInput((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
GREY = ExpectedInput((0.2,), (0.3,))
ENTRY = {"channels": 3, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.3]}
# What a file expects, and the image that it is then given for one of [0, 1], as each project writes it.
GIVEN = {
    "torchvision": (
        IMAGENET,
        lambda x: (x - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225]),
    ),
    "Caffe": (
        ExpectedInput((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3),
        lambda x: 255 * x - torch.tensor([103.939, 116.779, 123.68]),
    ),
    "-1 to 1": (ExpectedInput((0.5,) * 3, (0.5,) * 3), lambda x: 2 * x.expand(*x.shape[:-1], 3) - 1),
    "grey": (GREY, lambda x: (x - 0.2) / 0.3),
}


@pytest.fixture(scope="module")
def rgb_state():
    return random_state()


def state_for(expected, rgb_state):
    """Weights with as many channels as expected."""
    return rgb_state | {"conv1.weight": rgb_state["conv1.weight"][:, : len(expected.mean)]}


def as_given(grey, given):
    """A grey image of [0, 1] as the original is given it: (B, 1, H, W) -> (B, C, H, W)."""
    return given(grey.movedim(1, -1)).movedim(-1, 1)


def slices():
    return torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("expected", "given"), GIVEN.values(), ids=GIVEN)
def test_a_grey_slice_gives_what_the_original_gives_for_its_normalised_channels(rgb_state, tmp_path, expected, given):
    """All values of the last map, on random slices that go on in black beyond their border, as slices of heads do."""
    state, grey = state_for(expected, rgb_state), slices()
    torch.save(state, tmp_path / "weights.pth")
    model = encoder()
    loaded = load_trunk(model, WeightFile(tmp_path / "weights.pth", None, None, expected))
    with torch.inference_mode():
        theirs = features(state, as_given(functional.pad(grey, [3] * 4), given), padding=0)
        assert close(model.eval().forward_features(grey), theirs)
    assert set(loaded.adapted) == {"conv1.weight", "bn1.running_mean"}


def test_only_where_the_kernel_reaches_beyond_the_image_does_the_originals_padding_differ(rgb_state):
    """The original pads with the grey of the mean: the first two and the last places of the first map, and no other."""
    folded, grey = dict(rgb_state), slices()
    fold(folded, IMAGENET, STEM)
    ours, theirs = stem(folded, grey), stem(rgb_state, as_given(grey, GIVEN["torchvision"][1]))
    assert close(ours[..., 2:-1, 2:-1], theirs[..., 2:-1, 2:-1])
    for edge in (
        (ours - theirs)[..., :2, :],
        (ours - theirs)[..., -1, :],
        (ours - theirs)[..., :2],
        (ours - theirs)[..., -1],
    ):
        assert edge.abs().amax() > 0.1


def test_with_black_as_mean_the_borders_agree_too(rgb_state):
    black, grey = ExpectedInput((0.0, 0.0, 0.0), (0.5, 0.25, 2.0)), slices()
    folded = dict(rgb_state)
    assert fold(folded, black, STEM) == ["conv1.weight"]
    assert close(stem(folded, grey), stem(rgb_state, as_given(grey, lambda x: x / torch.tensor([0.5, 0.25, 2.0]))))


def test_a_fold_worked_by_hand():
    """Two outputs, with kernels of ones and of twos: (x - 0.5) / 0.25 is 4 x - 2."""
    state = {"conv1.weight": torch.ones(2, 1, 7, 7), "bn1.running_mean": torch.tensor([5.0, 6.0])}
    state["conv1.weight"][1] = 2
    assert fold(state, ExpectedInput((0.5,), (0.25,)), STEM) == ["conv1.weight", "bn1.running_mean"]
    assert state["conv1.weight"][:, 0, 0, 0].tolist() == [4, 8]
    assert state["bn1.running_mean"].tolist() == [5 + 49 * 2, 6 + 98 * 2]


def test_an_encoder_that_expects_a_studys_own_slices_is_not_changed(rgb_state):
    plain = ExpectedInput((0.0,), (1.0,))
    state = state_for(plain, rgb_state)
    assert fold(dict(state), plain, STEM) == []


def test_other_channels_than_those_of_the_file_are_refused(tmp_path):
    torch.save(small_state("resnet18"), tmp_path / "weights.pth")
    with pytest.raises(UserError, match="takes images of 1 channel .conv1.weight., and expects has 3; correct"):
        load_trunk(encoder("resnet18"), WeightFile(tmp_path / "weights.pth", None, None, IMAGENET))
