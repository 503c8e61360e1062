"""Small networks and short trainings with explicit settings; the workflow takes its settings from config.yaml."""

from headstart.networks.architectures import Architecture
from headstart.training import feed
from headstart.training.devices import choose_device
from headstart.training.trainer import TrainingSettings

WIDTHS = (8, 8, 8, 8, 4, 4, 4, 4, 4)


def architecture(**changes):
    """A ResNet-18 with a thin decoder, but for ``changes``."""
    network = {"encoder": "resnet18", "latent_channels": 4, "decoder_widths": WIDTHS, "normalisation": "batch"}
    return Architecture(**network | changes)


def training(epochs, batch_size, **changes):
    """The paper's settings of a training, but for ``changes``."""
    settings = {
        "learning_rate": 1e-4,
        "weight_decay": 2e-4,
        "decay_after": 0.5,
        "decay_factor": 0.1,
        "precision": "auto",
        "deterministic": True,
    }
    return TrainingSettings(epochs=epochs, batch_size=batch_size, **settings | changes)


def resident(images, targets=None):
    """Slices on the device on which trainings run by themselves."""
    return feed.load(images, targets, choose_device(), resident_gb=None)
