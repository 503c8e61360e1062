"""A step in double precision, in one or several processes, whose results test_distributed compares."""

import sys
from pathlib import Path

import numpy as np
import small
import torch
from safetensors.torch import save_file

from headstart.training import distributed, feed
from headstart.training.restoring import MaskedAutoEncoding, Restoring
from headstart.training.tasks import Segmentation
from headstart.training.trainer import Trainer

TASKS = {
    "segmentation": lambda: Segmentation(np.array([0.5, 2.0])),
    "masked-autoencoding": lambda: MaskedAutoEncoding(0.5, 8),
    "restoring": Restoring,
}


def save_step(description, device):
    """Write gradients and norms of a step on seven slices, of which two processes get four and three."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 65536, (7, 64, 64), np.uint16), rng.integers(0, 2, (7, 64, 64), np.uint8)
    task = TASKS[description["kind"]]()
    architecture = small.architecture(**description["network"])
    model = task.network(architecture.make_encoder(1), architecture, 64, 1).double()
    model.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
    slices = feed.load(images, labels, torch.device(device), resident_gb=None)
    augment = small.augmentation() if description["augmented"] else None
    settings = small.training(1, batch_size=7, norms="reestimated", precision="float32")
    list(Trainer(model, slices, task, settings, 1, augment=augment).run())
    if distributed.rank() == 0:
        gradients = {name: parameter.grad.contiguous() for name, parameter in model.named_parameters()}
        save_file(gradients | dict(model.named_buffers()), Path(description["file"]))


if __name__ == "__main__":
    distributed.work(save_step)
    threads = [file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")]
    print(f"threads at the end: {threads}", file=sys.stderr)
