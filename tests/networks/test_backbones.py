"""Backbones of MONAI and timm as trunks: maps, weights from files, and what is refused. timm where it is installed."""

import sys

import pytest
import torch
from torch import nn

from headstart.job import UserError
from headstart.networks import model_card, model_files
from headstart.networks.architectures import Architecture
from headstart.networks.backbones import REDUCTIONS, Backbone, channels_of
from headstart.networks.expected_input import ExpectedInput
from headstart.networks.external_weights import WeightFile, load_trunk

with_timm = pytest.mark.publish
NAMES = [
    "monai/efficientnet-b0",
    "monai/resnet10",
    *(pytest.param(f"timm/{model}", marks=with_timm) for model in ("convnext_atto", "regnety_002")),
]
RGB = ExpectedInput(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.fixture(autouse=True)
def operators(request):
    """What timm imports; its tests are skipped without."""
    if request.node.get_closest_marker("publish"):
        request.getfixturevalue("torchvision")


def architecture(name):
    return Architecture(
        encoder=name, decoder="unet", latent_channels=4, decoder_widths=(), normalisation="batch",
        unet_widths=(16, 16, 8, 8, 8),
    )  # fmt: skip


def original(name):
    """The library's own network for three channels, with random weights and statistics."""
    torch.manual_seed(1)
    library, _, model = name.partition("/")
    if library == "timm":
        import timm

        net = timm.create_model(model, features_only=True, feature_cls="getter")
    else:
        from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE

        row = FLEXUNET_BACKBONE.register_dict[model]
        net = row["type"](**row["parameter"] | {"pretrained": False, "spatial_dims": 2, "in_channels": 3})
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return net.eval()


def saved(state, path, prefix="module.encoder."):
    torch.save({"state_dict": {prefix + name: each for name, each in state.items()}}, path)
    return path


def given(network, images):
    """What each module of a network gives, by name."""
    outputs, names = {}, {module: name for name, module in network.named_modules()}

    def note(module, _, output):
        outputs.setdefault(names[module], output)

    for module in names:
        module.register_forward_hook(note)
    with torch.inference_mode():
        network(images)
    return outputs


@pytest.mark.parametrize("name", NAMES)
def test_a_backbone_gives_the_maps_that_a_unet_takes_and_all_of_it_is_trained(name):
    network = architecture(name).make_segmenter(3, seed=5)
    images = torch.rand(2, 1, 64, 96)
    assert [tuple(each.shape[1:]) for each in network.encoder.maps(images)] == [
        (c, 64 // r, 96 // r) for c, r in zip(channels_of(name), REDUCTIONS, strict=True)
    ]
    scores = network(images)
    assert scores.shape == (2, 3, 64, 96)
    scores.square().sum().backward()
    assert [key for key, each in network.named_parameters() if each.grad is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_weights_and_a_step_draws_nothing(name):
    one, other = (architecture(name).make_encoder(seed=3).train() for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    images = torch.rand(4, 1, 64, 64)
    before = torch.get_rng_state()
    first = one.maps(images)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first, other.maps(images), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_weights_for_three_channels_give_what_the_library_gives(name, tmp_path):
    net, trunk = original(name), Backbone(name).eval()
    held = {key.removeprefix("model."): each for key, each in net.state_dict().items()}
    file = WeightFile(saved(held, tmp_path / "w.pth"), None, prefix=None, expects=None)
    loaded = load_trunk(trunk, file)
    assert loaded.adapted == (trunk.stem.kernel,)
    assert loaded.missing == ()
    grey = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        pairs = zip(trunk.maps(grey)[::-1], net(grey.expand(-1, 3, -1, -1))[::-1], strict=False)
        for own, theirs in pairs:
            assert own.shape[1] == 1 or torch.allclose(own, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_input_that_weights_expect_is_folded_into_the_layer_that_follows(name, tmp_path):
    """Within the image: beyond its border, the trunk pads with black (:mod:`headstart.networks.expected_input`)."""
    net, trunk = original(name), Backbone(name).eval()
    held = {key.removeprefix("model."): each for key, each in net.state_dict().items()}
    stem = trunk.stem
    shifted = stem.bias or stem.running_mean
    file = WeightFile(saved(held, tmp_path / "w.pth"), None, prefix=None, expects=RGB)
    assert set(load_trunk(trunk, file).adapted) == {stem.kernel, shifted}
    grey = torch.rand(2, 1, 96, 96)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (RGB.mean, RGB.std))
    layer = shifted.rpartition(".")[0]
    own, theirs = given(trunk, grey)[layer], given(net, (grey - mean) / std)[layer.removeprefix("net.")]
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(own[inner], theirs[inner], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_of_a_card_load_it_into_its_library(name, tmp_path, monkeypatch):
    trunk = architecture(name).make_encoder(seed=1).eval()
    model_files.save_weights(trunk, tmp_path / "encoder.safetensors")
    monkeypatch.chdir(tmp_path)
    made = {}
    exec("\n".join(model_card.in_library(name)[1:-1]), made)
    images = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        own, theirs = trunk.maps(images), made["network"].eval()(images)
    assert all(torch.equal(a, b) for a, b in zip(own[::-1], theirs[::-1], strict=False) if a.shape[1] > 1)


def refused(name, state, path, **options):
    torch.save(state, path)
    file = WeightFile(path, None, **{"prefix": None, "expects": None} | options)
    with pytest.raises(UserError) as caught:
        load_trunk(Backbone(name), file)
    return str(caught.value).removeprefix(f"{path} ")


def test_files_that_hold_something_else_are_refused(tmp_path):
    name, path, first = "monai/resnet10", tmp_path / "w.pth", "layer1.0.conv1.weight"
    state = {key.removeprefix("net."): each for key, each in Backbone(name).state_dict().items()}
    assert refused(name, {"stem.weight": torch.ones(1)}, path) == (
        "contains no conv1.weight, with which network.encoder begins, but stem.weight; take weights of that network "
        "with its library's names of tensors."
    )
    lacking = {key: each for key, each in state.items() if key != "layer4.0.conv2.weight"}
    assert "1 tensors missing (net.layer4.0.conv2.weight)" in refused(name, lacking, path)
    assert "that are NaN or infinite" in refused(name, state | {first: state[first] * torch.nan}, path)
    assert "expects has 3" in refused(name, state, path, expects=RGB)


def test_one_of_two_networks_in_a_file_is_named_and_the_rest_is_unused(tmp_path):
    trunk = Backbone("monai/resnet10")
    state = {key.removeprefix("net."): each.clone() for key, each in trunk.state_dict().items()}
    two = {f"{who}.{key}": each * factor for who, factor in (("a", 1), ("b", 2)) for key, each in state.items()}
    wrong = refused("monai/resnet10", two, tmp_path / "w.pth")
    assert wrong.startswith("contains 2 trunks, with the prefixes 'a' and 'b'")
    loaded = load_trunk(trunk, WeightFile(tmp_path / "w.pth", None, prefix="b", expects=None))
    assert torch.equal(trunk.net.layer1[0].conv1.weight, 2 * state["layer1.0.conv1.weight"])
    assert {f"a.{key}" for key in state} <= set(loaded.unused)


def test_names_that_a_library_lacks_and_a_library_that_is_not_there_are_refused(monkeypatch):
    with pytest.raises(UserError, match="encoder is monai/resnet11, which MONAI lacks; name one of efficientnet-b0, "):
        channels_of("monai/resnet11")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match="encoder is timm/resnet18, and timm is not installed; run pip install --req"):
        channels_of("timm/resnet18")


@with_timm
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("vit_tiny_patch16_224", "gives maps at 1/16, 1/16, 1/16 of a slice"),
        ("swin_tiny_patch4_window7_224", "takes no slices of 64 x 64 pixels"),
        ("no_such_model", "which timm does not make as a backbone"),
    ],
)
def test_networks_of_timm_that_a_unet_cannot_take_are_refused(model, said):
    with pytest.raises(UserError, match=said):
        channels_of(f"timm/{model}")


@with_timm
def test_what_is_expected_is_refused_where_nothing_follows_the_first_convolution(tmp_path):
    state = {key.removeprefix("model."): each for key, each in original("timm/resnetv2_50").state_dict().items()}
    assert refused("timm/resnetv2_50", state, tmp_path / "w.pth", expects=RGB).count("expects cannot be folded") == 1
