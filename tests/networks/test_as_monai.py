"""The encoders and the U-Net beside MONAI's classes, an independent implementation: equal to the last bit."""

import pytest
import torch
from monai.networks.nets.basic_unet import UpCat
from monai.networks.nets.resnet import ResNet
from torch import nn

from headstart.networks.decoders import LEAK, UNetDecoder
from headstart.networks.trunks import RESNETS, Trunk

CHANNELS = (8, 8, 12, 16, 24)
WIDTHS = (16, 12, 8, 8, 6)


class TheirTrunk(ResNet):
    """MONAI's ResNet, with the maps of a trunk."""

    def __init__(self, name):
        block, counts, _ = RESNETS[name]
        options = {"conv1_t_stride": 2, "feed_forward": False, "bias_downsample": False}
        super().__init__(block, counts, [64, 128, 256, 512], spatial_dims=2, n_input_channels=1, **options)

    def forward(self, images):
        maps = [images, self.act(self.bn1(self.conv1(images)))]
        current = self.maxpool(maps[1])
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            current = layer(current)
            maps.append(current)
        return maps


class TheirDecoder(nn.Module):
    """A U-Net's way up, of MONAI's blocks."""

    def __init__(self, classes, *, skips):
        super().__init__()
        self.skips = skips
        act = ("LeakyReLU", {"negative_slope": LEAK})
        beside = [16, 12, 8, 8, 1] if skips else [0] * 5
        steps = zip([24, *WIDTHS], beside, WIDTHS, strict=False)
        self.ups = nn.ModuleList(UpCat(2, *step, act=act, norm="batch", bias=False, is_pad=False) for step in steps)
        self.scores = nn.Conv2d(WIDTHS[-1], classes, 1)

    def forward(self, maps):
        *beside, current = maps
        for up, skip in zip(self.ups, reversed(beside), strict=True):
            current = up(current, skip if self.skips else None)
        return self.scores(current)


def agree(ours, theirs, inputs, layout):
    """Assert that two networks of one seed are drawn, trained and evaluated alike."""
    networks, states, after = [], [], []
    for make in (ours, theirs):
        torch.manual_seed(1)
        networks.append(make().to(memory_format=layout))
        states.append(torch.get_rng_state())
    assert torch.equal(*states)  # and so is all that is drawn after them
    same_state(*networks)
    for network in networks:
        trained = outputs(network.train(), inputs)
        sum(output.square().mean() for output in trained).backward()
        with torch.inference_mode():
            evaluated = outputs(network.eval(), inputs)
        after.append([*trained, *evaluated, *(parameter.grad for parameter in network.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*after, strict=True))
    same_state(*networks)


def same_state(one, other):
    one, other = one.state_dict(), other.state_dict()
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


def outputs(network, inputs):
    found = network(inputs)
    return [found] if isinstance(found, torch.Tensor) else found[1:]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", RESNETS)
def test_a_trunk_is_monais_resnet(name, layout):
    images = torch.rand(2, 1, 64, 96).to(memory_format=layout)
    agree(lambda: Trunk(name), lambda: TheirTrunk(name), images, layout)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("skips", [True, False])
def test_a_unet_has_monais_blocks(skips, layout):
    maps = [torch.rand(2, 1, 64, 64), *(torch.rand(2, c, 32 >> n, 32 >> n) for n, c in enumerate(CHANNELS))]
    maps = [each.to(memory_format=layout) for each in maps]
    agree(lambda: UNetDecoder(CHANNELS, WIDTHS, 3, skips=skips), lambda: TheirDecoder(3, skips=skips), maps, layout)
