import subprocess
import sys
from pathlib import Path

import pytest
import small
import torch
from torch import nn

import headstart
from headstart.job import UserError
from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Classifier, Segmenter
from headstart.networks.decoders import ClassificationHead, Decoder, Discriminator
from headstart.networks.start import Start
from headstart.networks.trunks import Encoder

# The decoder's channels in config.yaml.
WIDTHS = (256, 128, 64, 64, 32, 32, 16, 16, 16)


def encoder(name="resnet18"):
    return Encoder(name, latent_channels=4)


def decoder(classes, widths=WIDTHS, normalisation="batch"):
    return Decoder(classes, 4, widths, normalisation)


def torchvision_resnet50_names():
    """Parameters and buffers of torchvision's resnet50 without its fc, from table 1 of He 2016."""

    def norm(name):
        return [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]

    names = ["conv1.weight", *norm("bn1")]
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            prefix = f"layer{stage}.{block}"
            for part in (1, 2, 3):
                names += [f"{prefix}.conv{part}.weight", *norm(f"{prefix}.bn{part}")]
            if block == 0:
                names += [f"{prefix}.downsample.0.weight", *norm(f"{prefix}.downsample.1")]
    return names


def shapes_of_convolutions(model, images):
    shapes = []

    def note(module, _, output):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            shapes.append(tuple(output.shape[1:]))

    for module in model.modules():
        module.register_forward_hook(note)
    with torch.inference_mode():
        model.eval()(images)
    return shapes


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def resnet50():
    return encoder("resnet50")


def test_resnet50_reduces_256x256_to_8x8x2048_and_to_a_latent_map_of_16x16x4(resnet50):
    images = torch.zeros(1, 1, 256, 256)
    with torch.inference_mode():
        assert resnet50.eval().forward_features(images).shape == (1, 2048, 8, 8)
        assert resnet50(images).shape == (1, 4, 16, 16)


def test_the_trunk_has_torchvisions_names(resnet50):
    trunk = {name for name in resnet50.state_dict() if not name.startswith("compress.")}
    assert trunk == set(torchvision_resnet50_names())


def test_the_trunk_has_torchvisions_shapes(resnet50):
    # torchvision documents 25,557,032 parameters; its fc has 2048 * 1000 + 1000, its stem two more channels.
    trunk = parameters(resnet50) - parameters(resnet50.compress)
    assert trunk == 25_557_032 - (2048 * 1000 + 1000) - 2 * 64 * 7 * 7
    state = resnet50.state_dict()
    assert state["conv1.weight"].shape == (64, 1, 7, 7)
    assert state["layer1.0.downsample.0.weight"].shape == (256, 64, 1, 1)
    assert state["layer4.2.conv3.weight"].shape == (2048, 512, 1, 1)


def test_strides_are_where_torchvision_has_them(resnet50):
    strided = {name for name, module in resnet50.named_modules() if getattr(module, "stride", 1) == (2, 2)}
    expected = {f"layer{stage}.0.{part}" for stage in (2, 3, 4) for part in ("conv2", "downsample.0")}
    assert strided == expected | {"conv1", "compress.0"}


def test_the_latent_map_is_a_transposed_convolution_with_batch_norm_and_relu(resnet50):
    transposed, norm, activation = resnet50.compress
    assert isinstance(transposed, nn.ConvTranspose2d)
    assert transposed.kernel_size == (3, 3)
    assert parameters(transposed) == 2048 * 4 * 9
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(activation, nn.ReLU)


@pytest.mark.parametrize(("name", "trunk"), [("resnet18", 11_689_512 - 513_000), ("resnet34", 21_797_672 - 513_000)])
def test_smaller_encoders_are_those_of_torchvision_too(name, trunk):
    model = encoder(name)
    assert parameters(model) - parameters(model.compress) == trunk - 2 * 64 * 7 * 7
    assert model.eval()(torch.zeros(1, 1, 64, 96)).shape == (1, 4, 4, 6)


def test_slices_that_are_not_multiples_of_32_are_refused():
    with pytest.raises(ValueError, match=r"\(48, 64\) are not multiples of 32"):
        encoder()(torch.zeros(1, 1, 48, 64))


def test_the_decoders_shape_at_every_level():
    shapes = shapes_of_convolutions(decoder(7), torch.zeros(1, 4, 16, 16))
    assert shapes == [
        (256, 16, 16), (128, 16, 16), (64, 32, 32), (64, 32, 32), (32, 64, 64), (32, 64, 64),
        (16, 128, 128), (16, 128, 128), (16, 256, 256), (7, 256, 256),
    ]  # fmt: skip


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_the_decoder_is_the_one_of_the_paper(normalisation):
    model = decoder(3, normalisation=normalisation)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]
    kinds = [type(module) for module in convolutions]
    assert kinds == [nn.Conv2d, nn.Conv2d] + 4 * [nn.ConvTranspose2d, nn.Conv2d]
    assert all(module.kernel_size == (3, 3) for module in convolutions)
    strides = [module.stride[0] for module in convolutions]
    assert strides == [1, 1, 2, 1, 2, 1, 2, 1, 2, 1]
    slopes = [module.negative_slope for module in model.modules() if isinstance(module, nn.LeakyReLU)]
    assert slopes == [0.2] * 9
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert norms == (9 if normalisation == "batch" else 0)
    assert isinstance(model.layers[-1], nn.Conv2d)


def test_the_decoders_parameter_count():
    channels = (4, 256, 128, 64, 64, 32, 32, 16, 16, 16, 2)
    kernels = sum(9 * inputs * outputs for inputs, outputs in zip(channels, channels[1:], strict=False))
    hidden = sum(channels[1:-1])
    assert parameters(decoder(2)) == kernels + 2 * hidden + 2
    assert parameters(decoder(2, normalisation="none")) == kernels + hidden + 2


def test_the_discriminators_shape_at_every_level_and_its_patch():
    discriminator = Discriminator()
    both = [torch.zeros(1, 1, 256, 256)] * 2
    shapes, convolutions = [], [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]
    for module in convolutions:
        module.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    discriminator(*both)
    assert shapes == [(64, 256, 256), (64, 64, 64), (128, 16, 16), (256, 17, 17), (1, 18, 18)]
    assert [(module.kernel_size[0], module.stride[0]) for module in convolutions] == [
        (5, 1), (5, 4), (5, 4), (4, 1), (4, 1),
    ]  # fmt: skip
    slopes = [module.negative_slope for module in discriminator.modules() if isinstance(module, nn.LeakyReLU)]
    assert slopes == [0.2] * 4
    image = torch.rand(1, 1, 256, 256, requires_grad=True)
    discriminator(image, image)[0, 0, 9, 9].backward()
    seen = image.grad[0, 0].abs().sum(dim=0).nonzero()
    assert seen.max() - seen.min() + 1 == 121
    kernels = sum(a * b * k * k for a, b, k in ((2, 64, 5), (64, 64, 5), (64, 128, 5), (128, 256, 4), (256, 1, 4)))
    assert parameters(discriminator) == kernels + 64 + 64 + 128 + 256 + 1


def test_the_discriminator_uses_both_images_and_accepts_the_smallest_slices():
    torch.manual_seed(0)
    discriminator, (image, other) = Discriminator(), torch.rand(2, 1, 1, 32, 32)
    answers = discriminator(image, other)
    assert answers.shape == (1, 1, 4, 4)
    assert not torch.equal(answers, discriminator(other, image))


def test_the_classification_head_is_the_one_of_the_paper():
    head = ClassificationHead(16, latent_channels=4, size=256)
    flatten, first, norm, activation, second = head.layers
    assert isinstance(flatten, nn.Flatten)
    assert isinstance(norm, nn.BatchNorm1d)
    assert isinstance(activation, nn.ReLU)
    assert (first.in_features, first.out_features) == (16 * 16 * 4, 2048)
    assert (second.in_features, second.out_features) == (2048, 16)
    assert parameters(head) == 1024 * 2048 + 2 * 2048 + 2048 * 16 + 16
    assert head(torch.rand(2, 4, 16, 16)).shape == (2, 16)


def test_every_parameter_of_a_classifier_gets_a_gradient():
    torch.manual_seed(0)
    model = Classifier(encoder(), ClassificationHead(5, latent_channels=4, size=64))
    scores = model(torch.rand(3, 1, 64, 64))
    assert scores.shape == (3, 5)
    scores.square().mean().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_invalid_settings_of_a_decoder_are_refused():
    with pytest.raises(ValueError, match="9 widths, not 2"):
        decoder(2, widths=(8, 8))
    with pytest.raises(ValueError, match="'group'"):
        decoder(2, normalisation="group")


@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_every_parameter_gets_a_gradient(normalisation):
    torch.manual_seed(0)
    model = Segmenter(encoder(), decoder(3, widths=small.WIDTHS, normalisation=normalisation))
    scores = model(torch.rand(2, 1, 64, 64))
    assert scores.shape == (2, 3, 64, 64)
    scores.square().mean().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


def test_weights_depend_on_the_seed_alone():
    architecture = small.architecture()
    before = torch.get_rng_state()
    first, again, other = (architecture.make_encoder(seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert torch.equal(
        architecture.make_decoder(2, 5).layers[0][0].weight, architecture.make_decoder(3, 5).layers[0][0].weight
    )


def test_training_and_evaluation_need_no_imaging_library():
    absent = "import sys; sys.modules.update(dict.fromkeys(['nibabel', 'ants', 'nilearn', 'skimage', 'cc3d']))"
    code = f"{absent}; from headstart import pretrain, finetune; from headstart.evaluate import model"
    subprocess.run([sys.executable, "-c", code], cwd=Path(headstart.__file__).parents[1], check=True)


def test_training_starts_without_the_libraries_that_it_does_not_use():
    absent = "import sys; sys.modules.update(dict.fromkeys(['monai', 'pandas', 'scipy', 'matplotlib', 'sklearn']))"
    code = f"{absent}; from headstart import finetune, pretrain, tune"
    subprocess.run([sys.executable, "-c", code], cwd=Path(headstart.__file__).parents[1], check=True)


def test_an_architecture_is_read_from_the_settings_of_a_study():
    network = {"encoder": "resnet18", "latent_channels": 2, "decoder_widths": [8] * 9, "normalisation": "none"}
    unet = Architecture.of({**network, "decoder": "unet", "unet_widths": [4] * 5})
    assert unet == Architecture("resnet18", "unet", 2, (8,) * 9, "none", (4,) * 5)


def test_models_without_a_decoder_in_their_metadata_have_that_of_the_paper():
    network = {"encoder": "resnet18", "latent_channels": 2, "decoder_widths": [8] * 9, "normalisation": "none"}
    assert Architecture.of(network).decoder == "paper"


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_unet_takes_all_maps_of_its_trunk(name):
    model = small.architecture(encoder=name, decoder="unet").make_segmenter(3, 1)
    scores = model(torch.rand(2, 1, 64, 96))
    assert scores.shape == (2, 3, 64, 96)
    scores.square().mean().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_unet_of_four_steps_leaves_out_the_last_layer_of_its_trunk(name):
    widths = (32, 16, 8, 8)
    shape, whole = (small.architecture(encoder=name, decoder="unet", unet_widths=each) for each in (widths, (8,) * 5))
    model = shape.make_segmenter(3, 1)
    assert [each.shape[2:] for each in model.encoder.maps(torch.rand(2, 1, 48, 80))] == [
        (24, 40), (12, 20), (6, 10), (3, 5)
    ]  # fmt: skip
    named = whole.make_encoder(1).state_dict()
    assert {key: each.shape for key, each in model.encoder.state_dict().items()} == {
        key: each.shape for key, each in named.items() if not key.startswith("layer4.")
    }
    scores = model(torch.rand(2, 1, 48, 80))
    assert scores.shape == (2, 3, 48, 80)
    scores.square().mean().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert shape.make_head(5, 48, 1)(model.encoder(torch.rand(2, 1, 48, 80))).shape == (2, 5)
    assert shape.make_labeller(3, 1).state_dict().keys() == whole.make_labeller(3, 1).state_dict().keys()


@pytest.mark.parametrize(
    ("given", "wanted", "said"),
    [(5, 4, "layers is 4 but this study needs 3"), (4, 5, "tensors missing .layer4")],
)
def test_an_encoder_of_other_layers_is_refused(tmp_path, given, wanted, said):
    held, other = (small.architecture(decoder="unet", unet_widths=(8,) * steps) for steps in (given, wanted))
    path = tmp_path / "encoder.safetensors"
    model_files.save(held.make_encoder(1), path, {**held.encoder_metadata, "untrained": []})
    assert Start(path, None, {}).make_encoder(held, 2).channels == held.make_encoder(1).channels
    with pytest.raises(UserError, match=said):
        Start(path, None, {}).make_encoder(other, 2)


def test_a_unet_without_skips_sees_nothing_but_the_last_map():
    architecture = small.architecture(decoder="unet")
    decoder = architecture.make_decoder(1, 1, skips=False).eval()
    maps = architecture.make_encoder(1).eval()(torch.rand(1, 1, 64, 64))
    others = [torch.rand_like(each) for each in maps[:-1]]
    assert torch.equal(decoder(maps), decoder([*others, maps[-1]]))
    assert not torch.equal(decoder(maps), decoder([*maps[:-1], torch.rand_like(maps[-1])]))


def test_a_unet_with_skips_sees_the_image_itself():
    architecture = small.architecture(decoder="unet")
    decoder = architecture.make_decoder(1, 1).eval()
    maps = architecture.make_encoder(1).eval()(torch.rand(1, 1, 64, 64))
    assert not torch.equal(decoder(maps), decoder([torch.rand_like(maps[0]), *maps[1:]]))


def test_a_unet_without_skips_shares_the_layers_between_them_with_one_that_has_some():
    architecture = small.architecture(decoder="unet")
    with_skips, without = (architecture.make_decoder(2, 1, skips=skips).state_dict() for skips in (True, False))
    assert with_skips.keys() == without.keys()
    fitting = [name for name in without if without[name].shape == with_skips[name].shape]
    assert "ups.0.upsample.deconv.weight" in fitting
    assert "ups.0.convs.conv_0.conv.weight" not in fitting
