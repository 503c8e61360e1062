"""A ResNet-50 written from the paper (He 2016), with torchvision's names and random weights and statistics."""

import torch
from bad_settings import small_state
from torch.nn import functional

from headstart.networks.trunks import Encoder


def encoder(name="resnet50"):
    return Encoder(name, latent_channels=4)


def random_state():
    """The tensors of a ResNet-50 with an RGB stem and a classifier."""
    generator = torch.Generator().manual_seed(0)
    state = {name: tensor for name, tensor in encoder().state_dict().items() if "compress" not in name}
    drawn = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            drawn[name] = torch.tensor(7)
        elif name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            drawn[name] = torch.rand(tensor.shape, generator=generator) + 0.5
        else:
            drawn[name] = torch.randn(tensor.shape, generator=generator) / max(1, tensor[0].numel()) ** 0.5
    drawn["conv1.weight"] = torch.randn((64, 3, 7, 7), generator=generator) / 12
    drawn["fc.weight"], drawn["fc.bias"] = torch.zeros(1000, 2048), torch.zeros(1000)
    return drawn


def marked_state():
    """The tensors of a ResNet-50 with an RGB stem and a classifier, each of a value of its own that is stored once."""
    shapes = small_state("resnet50") | {"conv1.weight": torch.ones(64, 3, 7, 7), "fc.weight": torch.ones(9, 2048)}
    return {
        name: torch.tensor(number, dtype=tensor.dtype).expand(tensor.shape)
        for number, (name, tensor) in enumerate(shapes.items(), start=1)
    }


def zeros(state):
    return {name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in state.items()}


def stem(state, images, padding=3):
    """The first convolution and its batch norm: (B, C, H, W) -> (B, 64, H/2, W/2), in evaluation mode."""
    return _normalised(state, functional.conv2d(images, state["conv1.weight"], stride=2, padding=padding), "bn1")


def features(state, images, padding=3):
    """The last map of a ResNet-50: (B, C, H, W) -> (B, 2048, H/32, W/32), in evaluation mode.

    ``padding``: pixels of zeros around the images; 0 for images that have a margin of 3 pixels of their own.
    """
    x = functional.max_pool2d(functional.relu(stem(state, images, padding)), 3, stride=2, padding=1)
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            prefix, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = functional.conv2d(x, state[f"{prefix}.conv1.weight"])
            y = functional.relu(_normalised(state, y, f"{prefix}.bn1"))
            y = functional.conv2d(y, state[f"{prefix}.conv2.weight"], stride=stride, padding=1)
            y = functional.relu(_normalised(state, y, f"{prefix}.bn2"))
            y = _normalised(state, functional.conv2d(y, state[f"{prefix}.conv3.weight"]), f"{prefix}.bn3")
            if block == 0:
                bias = state.get(f"{prefix}.downsample.0.bias")
                x = functional.conv2d(x, state[f"{prefix}.downsample.0.weight"], bias, stride=stride)
                x = _normalised(state, x, f"{prefix}.downsample.1")
            x = functional.relu(y + x)
    return x


def same_features(model, state):
    """Whether an encoder gives for a grey image what these weights give for it in three equal channels."""
    grey = torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours, theirs = model.eval().forward_features(grey), features(state, grey.expand(-1, 3, -1, -1))
    return close(ours, theirs)


def close(ours, theirs):
    """Whether two maps are equal but for the order of sums in float32."""
    return torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5 * theirs.abs().max().item())


def _normalised(state, x, name):
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return functional.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"])
