"""Write the weights of two sources whose effect is known: those of benchmarks/planted_truth.yaml.

    python benchmarks/planted_truth.py

``other-start.safetensors`` is an untrained ResNet-18, so that it is no head start: the encoder of ``scratch`` is
untrained, too. ``silent.safetensors`` is the same, but its norms put out -1 whatever they see, so that every ReLU puts
out 0 and passes no gradient back: a network that starts from it sees the slice through its decoder alone, and never
learns to see more. Both are in ``results/planted-truth/weights``.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from headstart.networks.trunks import Trunk  # noqa: E402

SEED = 2022


def silence(trunk: Trunk) -> None:
    """Let every norm put out -1."""
    for module in trunk.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.constant_(module.bias, -1)


def main() -> None:
    weights = ROOT / "results" / "planted-truth" / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    trunk = Trunk("resnet18")
    save_file(trunk.state_dict(), weights / "other-start.safetensors")
    silence(trunk)
    save_file(trunk.state_dict(), weights / "silent.safetensors")


if __name__ == "__main__":
    main()
