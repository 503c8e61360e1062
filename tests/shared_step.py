"""The gradients of a step in double precision, in one or several processes; test_distributed compares them."""

from pathlib import Path

import numpy as np
import small
import torch
from safetensors.torch import save_file

from headstart.training import distributed, feed
from headstart.training.tasks import Segmentation
from headstart.training.trainer import Trainer


def save_gradients(description, device):
    """Write the gradients of the first step on seven slices; two processes get four and three of them."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 65536, (7, 64, 64), np.uint16), rng.integers(0, 2, (7, 64, 64), np.uint8)
    task = Segmentation(np.array([0.5, 2.0]))
    architecture = small.architecture()
    model = task.network(architecture.make_encoder(1), architecture, 64, 1).double()
    model.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
    slices = feed.load(images, labels, torch.device(device), resident_gb=None)
    augment = small.augmentation() if description["augmented"] else None
    trainer = Trainer(model, slices, task, small.training(1, batch_size=7, precision="float32"), 1, augment=augment)
    next(trainer.run())
    if distributed.rank() == 0:
        gradients = {name: parameter.grad.contiguous() for name, parameter in model.named_parameters()}
        save_file(gradients, Path(description["file"]))


if __name__ == "__main__":
    distributed.work(save_gradients)
