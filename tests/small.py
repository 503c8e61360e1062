"""Small networks and short trainings with explicit settings; the workflow takes its settings from config.yaml."""

from dataclasses import asdict

from headstart.networks.architectures import Architecture
from headstart.template import template
from headstart.training import feed
from headstart.training.augment import Augment, Chance
from headstart.training.devices import choose_device
from headstart.training.settings import TrainingSettings

# How the slices of small models are made, as their model.json says it.
PREPARATION = {
    "template": template.SPACE,
    "voxel_mm": 4,
    "size": [64, 64],
    "percentiles": [1, 99],
    "register": {"voxel_mm": 4, "shrink": [2, 1], "iterations": [5, 5], "sampling_rate": 0.1},
}
WIDTHS = (8, 8, 8, 8, 4, 4, 4, 4, 4)


def architecture(**changes):
    """A ResNet-18 with a thin decoder, but for ``changes``."""
    paper = {"decoder": "paper", "latent_channels": 4, "decoder_widths": WIDTHS, "normalisation": "batch"}
    unet = {"unet_widths": (16, 8, 8, 8, 4)}
    return Architecture(**{"encoder": "resnet18", **paper, **unet, **changes})


def training(epochs, batch_size, **changes):
    """The paper's settings of a training, but for ``changes``."""
    settings = {
        "steps": None,
        "learning_rate": 1e-4,
        "warm_up": 0,
        "encoder_factor": 1,
        "weight_decay": 2e-4,
        "decay_after": 0.5,
        "decay_factor": 0.1,
        "norms": "running",
        "precision": "auto",
        "deterministic": True,
    }
    return TrainingSettings(epochs=epochs, batch_size=batch_size, **settings | changes)


def pretraining(folder, spec, images, targets, settings, source):
    """A description of a pre-training, as :func:`headstart.pretrain.run` takes it, that writes into a folder."""
    return {
        "start": None,
        "images": images,
        "targets": targets,
        "spec": spec,
        "network": asdict(architecture()),
        "training": asdict(settings),
        "seed": 1,
        "held_out": 1,
        "augment": None,
        "synthesis": None,
        "origin": "lower",
        "resident_gb": None,
        "state": str(folder / "state"),
        "minutes": 0,
        "identity": "one",
        "encoder": str(folder / "encoder.safetensors"),
        "source": source,
        "expects": {"size": [32, 32]},
        "about": {"dataset": "cohort", "left_out": []},
    }


def augmentation():
    """Every kind of change of scans, half of the time."""
    limits = {
        "rotation": (-30, 30), "scale": (0.7, 1.4), "shear": (-10, 10), "elastic": (0, 0.02), "bias": (0, 0.4),
        "inverted_gamma": (0.7, 1.5), "gamma": (0.7, 1.5), "brightness": (0.75, 1.1), "contrast": (0.75, 1.25),
        "blur": (0.5, 1), "low_resolution": (0.5, 1), "noise": (0, 0.06),
    }  # fmt: skip
    return Augment(**{kind: Chance(0.5, *each) for kind, each in limits.items()}, mirror=True)


def resident(images, targets=None):
    """Slices on the device on which trainings run by themselves."""
    return feed.load(images, targets, choose_device(), resident_gb=None)
