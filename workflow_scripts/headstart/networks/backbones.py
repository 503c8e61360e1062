"""Trunks from other libraries: backbones of MONAI's and timm's that give maps at 1/2, or 1/4, to 1/32 of a slice.

``network.encoder`` names them as library and model: ``monai/efficientnet-b0``, ``timm/convnext_tiny``. timm is no
package of the lock (docs/extending.md).
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import nn
from torch.nn import functional

from headstart.job import UserError
from headstart.networks.expected_input import Stem

# What a U-Net takes its maps at, of the side of a slice: 1/2, 1/4, 1/8, 1/16 and 1/32.
REDUCTIONS = (2, 4, 8, 16, 32)
# Side of the slice with which a backbone is tried.
_TRIED = 64


class Backbone(nn.Module):
    """A backbone of another library for I = ``inputs`` channels, with what a decoder asks of a trunk.

    ``net``: the library's network, whose tensors keep its names. It has neither dropout nor stochastic depth, which
    would draw random numbers that a training does not resume. ``channels``: those of its maps, largest map first. If
    its first map is at 1/4, the map at 1/2 is the slice itself, averaged over 2 x 2 pixels: I channels.

    Raises :class:`UserError` for a name that the library does not know, for a library that is not installed, and for a
    network without these maps, or for images of one size.
    """

    def __init__(self, name: str, inputs: int = 1) -> None:
        super().__init__()
        library, _, model = name.partition("/")
        self.net, channels = {"monai": _of_monai, "timm": _of_timm}[library](model, inputs)
        self._inputs, self._averaged = inputs, len(channels) < len(REDUCTIONS)
        self.channels = (inputs, *channels) if self._averaged else tuple(channels)
        for module in self.net.modules():
            if isinstance(module, nn.Dropout | nn.Dropout2d):
                module.p = 0.0
            for rate in ("drop_connect_rate", "drop_prob"):  # MONAI's and timm's stochastic depth
                if hasattr(module, rate):
                    setattr(module, rate, 0.0)

    @property
    def prefix(self) -> str:
        """What stands before the library's names of its tensors."""
        return "net.model." if hasattr(self.net, "feature_info") else "net."

    @property
    def stem(self) -> Stem:
        """The tensors into which an expected input is folded; a batch norm only if it takes what the convolution gives.

        The network is tried on an image.
        """
        convolutions = ((name, each) for name, each in self.named_modules() if isinstance(each, nn.Conv2d))
        kernel, first = next(convolutions)
        norms = {each: name for name, each in self.named_modules() if isinstance(each, nn.BatchNorm2d)}
        given, taking = [], []

        def note(norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
            if given and inputs[0] is given[0]:
                taking.append(norms[norm])

        hooks = [first.register_forward_hook(lambda _, inputs, output: given.append(output))]
        hooks += [norm.register_forward_pre_hook(note) for norm in norms]
        training = self.training
        with torch.inference_mode():
            self.eval().maps(torch.zeros(1, self._inputs, _TRIED, _TRIED))
        self.train(training)
        for hook in hooks:
            hook.remove()
        return Stem(
            kernel=f"{kernel}.weight",
            bias=None if first.bias is None else f"{kernel}.bias",
            running_mean=f"{taking[0]}.running_mean" if taking else None,
        )

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The maps of its stages: (B, I, H, W) -> five, from (B, C, H/2, W/2) to (B, C, H/32, W/32)."""
        averaged = [functional.avg_pool2d(images, 2)] if self._averaged else []
        return [*averaged, *self.net(images)[-len(self.channels) + len(averaged) :]]

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The images and their :meth:`maps`: what a decoder with skip connections takes, largest first."""
        return [images, *self.maps(images)]


@cache
def channels_of(name: str, inputs: int = 1) -> tuple[int, ...]:
    """Channels of a backbone's maps, largest map first, without its weights; raises :class:`UserError` as it does."""
    with torch.device("meta"):
        trunk = Backbone(name, inputs)
        try:
            found = [tuple(each.shape) for each in trunk.eval().maps(torch.zeros(1, inputs, _TRIED, _TRIED))]
        except (AssertionError, RuntimeError, ValueError) as error:
            raise UserError(
                f"network.encoder {name} takes no slices of {_TRIED} x {_TRIED} pixels ({error}); take a network for "
                "images of any size."
            ) from None
    wanted = [(1, c, _TRIED // r, _TRIED // r) for c, r in zip(trunk.channels, REDUCTIONS, strict=True)]
    if found != wanted:
        shapes = ", ".join(f"{shape[1]} x {shape[2]} x {shape[3]}" for shape in found)
        raise UserError(f"network.encoder {name} gives maps that a U-Net cannot take ({shapes}); take another network.")
    return trunk.channels


def _of_monai(model: str, inputs: int) -> tuple[nn.Module, Sequence[int]]:
    """A backbone of MONAI's FlexibleUNet, and the channels of its maps."""
    from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE

    known = FLEXUNET_BACKBONE.register_dict
    if model not in known:
        raise UserError(f"network.encoder is monai/{model}, which MONAI lacks; name one of {', '.join(known)}.")
    row = known[model]
    net = row["type"](**{**row["parameter"], "pretrained": False, "spatial_dims": 2, "in_channels": inputs})
    for unused in ("_conv_head", "_bn1", "_fc"):  # of EfficientNet's classifier
        if hasattr(net, unused):
            setattr(net, unused, nn.Identity())
    return net, row["feature_channel"]


def _of_timm(model: str, inputs: int) -> tuple[nn.Module, Sequence[int]]:
    """A backbone of timm's, and the channels of its maps at 1/2 or 1/4 to 1/32."""
    try:
        import timm
    except ImportError:
        raise UserError(
            f"network.encoder is timm/{model}, and timm is not installed; run pip install --requirement "
            "envs/publish.txt in the environment of headstart."
        ) from None
    except RuntimeError as error:
        raise UserError(
            f"network.encoder is timm/{model}, and timm cannot be imported ({error}); install a build of torchvision "
            "for the same devices as that of torch."
        ) from None
    try:
        # The getter keeps the names of the network's tensors, and channels first.
        net = timm.create_model(model, pretrained=False, in_chans=inputs, features_only=True, feature_cls="getter")
    except (RuntimeError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise UserError(
            f"network.encoder is timm/{model}, which timm does not make as a backbone ({error}); name one of "
            "timm.list_models()."
        ) from None
    at = dict(zip(net.feature_info.reduction(), net.feature_info.channels(), strict=True))
    kept = [reduction for reduction in REDUCTIONS if reduction in at]
    if tuple(kept) not in (REDUCTIONS, REDUCTIONS[1:]) or max(at) > REDUCTIONS[-1]:
        parts = ", ".join(f"1/{reduction}" for reduction in net.feature_info.reduction())
        raise UserError(
            f"network.encoder timm/{model} gives maps at {parts} of a slice, and a U-Net needs 1/4, 1/8, 1/16 and "
            "1/32; take another network."
        )
    return net, [at[reduction] for reduction in kept]
