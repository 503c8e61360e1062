"""Augment batches of noise with headstart, MONAI and kornia, and compare the time with that of a training step.

    python benchmarks/augmentation.py

All three draw the same kinds of change with the same probabilities, as far as they have them: kornia has neither low
resolution nor a bias field with control points (a linear illumination stands for it), and MONAI changes one slice after
another. Rows "every" do each change to every slice. ``seconds``: processor time of a single thread, which other
processes on the machine hardly change. ``of_step``: relative to a training step of the U-Net in float32 at the same
size. ``same_bytes``: a seed gives the same bytes with one thread and with two. kornia is not in the environment; its
rows need ``pip install --no-deps --target DIR kornia==0.9.0 kornia_rs==0.2.0`` and DIR in PYTHONPATH.
The rows "synthesis" make the images of label maps instead, with the strengths in config.yaml, from maps
as fine as images and twice as fine. Overwrites benchmarks/augmentation.tsv.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from record import keep

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))
from headstart.label_table import class_numbers, dense_classes  # noqa: E402
from headstart.networks.architectures import Architecture  # noqa: E402
from headstart.phantom.label_maps import LABELS  # noqa: E402
from headstart.training import feed  # noqa: E402
from headstart.training.augment import augmentation  # noqa: E402
from headstart.training.settings import TrainingSettings  # noqa: E402
from headstart.training.synthesis import synthesis  # noqa: E402
from headstart.training.tasks import Segmentation  # noqa: E402
from headstart.training.trainer import Trainer  # noqa: E402

ROOT = Path(__file__).parents[1]
SIZES = (96,)
CLASSES = 7
BATCH = 32
# Probability and limits of each kind, as in config.yaml.
KINDS = {
    "rotation": (0.2, -30, 30),
    "scale": (0.2, 0.7, 1.4),
    "shear": (0.2, -10, 10),
    "elastic": (0.2, 0, 0.02),
    "inverted_gamma": (0.1, 0.7, 1.5),
    "gamma": (0.3, 0.7, 1.5),
    "brightness": (0.15, 0.75, 1.1),
    "contrast": (0.15, 0.75, 1.25),
    "bias": (0.2, 0, 0.4),
    "blur": (0.1, 0.5, 1),
    "low_resolution": (0.125, 0.5, 1),
    "noise": (0.1, 0, 0.06),
}
Change = Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]


def ours(kinds: dict, size: int) -> Change:
    settings = {name: dict(zip(("probability", "low", "high"), limits, strict=True)) for name, limits in kinds.items()}
    change = augmentation(settings | {"mirror": True})
    return lambda images, labels, seed: change(images, labels, torch.Generator().manual_seed(seed))


def synthetic(fineness: int, size: int) -> Change:
    """Synthetic images of heads, from label maps of noise."""
    classes = class_numbers(LABELS, dense_classes(LABELS))
    strengths = yaml.safe_load((ROOT / "config.yaml").read_text())["pretrain"]["synthesis"]
    labels = [asdict(label) for label in LABELS]
    made = synthesis({**strengths, "fineness": fineness, "labels": labels, "classes": classes})
    values, shape = [label.value for label in LABELS], (BATCH, fineness * size, fineness * size)
    maps = torch.tensor(np.random.default_rng(0).choice(values, shape), dtype=torch.uint8)
    return lambda images, _, seed: made(images, maps, torch.Generator().manual_seed(seed))


def by_monai(kinds: dict, size: int) -> Change:
    """MONAI's random transforms of one slice, in a loop."""
    from monai import transforms

    p = {name: limits[0] for name, limits in kinds.items()}
    both, image, modes = ("image", "label"), ("image",), ("bilinear", "nearest")
    turn, slant = np.deg2rad(30), np.tan(np.deg2rad(10))
    lowest, highest = 0.7, 1.4
    affine = {"mode": modes, "padding_mode": "zeros"}
    steps = transforms.Compose([
        transforms.RandAffined(both, prob=p["rotation"], rotate_range=turn, **affine),
        transforms.RandAffined(both, prob=p["scale"], scale_range=(lowest - 1, highest - 1), **affine),
        transforms.RandAffined(both, prob=p["shear"], shear_range=(slant, 0), **affine),
        transforms.Rand2DElasticd(both, (size / 8, size / 8), (0, 0.02 * size), prob=p["elastic"], **affine),
        transforms.RandFlipd(both, prob=0.5, spatial_axis=1),
        transforms.RandAdjustContrastd(image, prob=p["inverted_gamma"], gamma=(0.7, 1.5), invert_image=True),
        transforms.RandAdjustContrastd(image, prob=p["gamma"], gamma=(0.7, 1.5)),
        transforms.RandScaleIntensityd(image, factors=(-0.25, 0.1), prob=p["brightness"]),
        transforms.RandScaleIntensityFixedMeand(image, factors=0.25, preserve_range=True, prob=p["contrast"]),
        transforms.RandBiasFieldd(image, coeff_range=(0, 0.1), prob=p["bias"]),
        transforms.RandGaussianSmoothd(image, (0.5, 1), (0.5, 1), prob=p["blur"]),
        transforms.RandSimulateLowResolutiond(
            image, prob=p["low_resolution"], zoom_range=(0.5, 1), upsample_mode="bilinear"
        ),
        transforms.RandGaussianNoised(image, std=0.06, prob=p["noise"]),
    ])  # fmt: skip

    def change(images: torch.Tensor, labels: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        steps.set_random_state(seed)
        done = [steps({"image": one, "label": label[None].float()}) for one, label in zip(images, labels, strict=True)]
        seen, moved = (torch.stack([one[key].as_tensor() for one in done]) for key in both)
        return seen, moved[:, 0].to(labels.dtype)

    return change


def by_kornia(kinds: dict, size: int) -> Change:
    """Kornia's random augmentations of a batch, which draw from torch's global generator."""
    from kornia import augmentation as ka
    from kornia.constants import DataKey

    p = {name: limits[0] for name, limits in kinds.items()}
    steps = ka.AugmentationSequential(
        ka.RandomAffine(30, p=p["rotation"]),
        ka.RandomAffine(0, scale=(0.7, 1.4), p=p["scale"]),
        ka.RandomAffine(0, shear=10, p=p["shear"]),
        ka.RandomElasticTransform((63, 63), (size / 12,) * 2, (0.3, 0.3), p=p["elastic"]),
        ka.RandomHorizontalFlip(p=0.5),
        ka.RandomInvert(p=1),
        ka.RandomGamma((0.7, 1.5), p=p["inverted_gamma"]),
        ka.RandomInvert(p=1),
        ka.RandomGamma((0.7, 1.5), p=p["gamma"]),
        ka.RandomBrightness((0.75, 1.1), p=p["brightness"]),
        ka.RandomContrast((0.75, 1.25), p=p["contrast"]),
        ka.RandomLinearIllumination(p=p["bias"]),
        ka.RandomGaussianBlur((7, 7), (0.5, 1.0), p=p["blur"]),
        ka.RandomGaussianNoise(std=0.06, p=p["noise"]),
        data_keys=["input", "mask"],
        extra_args={DataKey.MASK: {"resample": "nearest", "align_corners": False}},
    )

    def change(images: torch.Tensor, labels: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(seed)
        seen, moved = steps(images, labels[:, None].float())
        return seen, moved[:, 0].to(labels.dtype)

    return change


def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise with the shapes of images and labels."""
    rng = np.random.default_rng(0)
    return torch.tensor(rng.random((BATCH, 1, size, size), np.float32)), torch.tensor(
        rng.integers(0, CLASSES, (BATCH, size, size), np.uint8)
    )


def seconds_per_call(call: Callable[[], object], calls: int) -> float:
    """Median of the processor time of several calls, after one that warms up."""
    call()
    taken = []
    for _ in range(calls):
        started = time.process_time()
        call()
        taken.append(time.process_time() - started)
    return float(np.median(taken))


def timed(change: Change, size: int, calls: int) -> float:
    """Seconds per batch of an augmentation, with another seed each time."""
    seeds, given = itertools.count(), batch(size)
    return seconds_per_call(lambda: change(*given, next(seeds)), calls)


def repeats(change: Change, size: int) -> bool:
    """Whether a few seeds give the same bytes with two threads and with one."""
    found = []
    for count in (2, 1):
        torch.set_num_threads(count)
        found.append([change(*batch(size), seed) for seed in range(3)])
    pairs = [(a, b) for one, other in zip(*found, strict=True) for a, b in zip(one, other, strict=True)]
    return all(torch.equal(a, b) for a, b in pairs)


def training(network: str, size: int, precision: str) -> Iterator[None]:
    """The training of a network on a ResNet-18 without augmentation, which pauses after each step."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    kind = {"encoder": "resnet18", "decoder": network, "unet_widths": [192, 96, 48, 24, 16]}
    architecture = Architecture.of(config["network"] | kind)
    rng = np.random.default_rng(0)
    shape = (16 * BATCH, size, size)
    slices = feed.Resident(
        rng.integers(0, 65536, shape, np.uint16), rng.integers(0, CLASSES, shape, np.uint8), torch.device("cpu")
    )
    settings = TrainingSettings(
        epochs=1_000_000, steps=None, batch_size=BATCH, learning_rate=1e-4, warm_up=0, encoder_factor=1,
        weight_decay=0, decay_after=1, decay_factor=1, norms="running", precision=precision, deterministic=True,
    )  # fmt: skip
    model = architecture.make_segmenter(CLASSES, 0)
    return Trainer(model, slices, Segmentation(np.ones(CLASSES)), settings, 0).run()


def measure(size: int, steps: int, batches: int) -> Iterator[dict]:
    """The rows of one size: ``steps`` of each training, ``batches`` of each augmentation."""
    torch.set_num_threads(1)
    for network in ("unet", "paper"):
        for precision in ("float32", "bfloat16"):
            took = seconds_per_call(training(network, size, precision).__next__, steps)
            yield {"what": f"step, {network}, {precision}", "seconds": took}
    everything = {kind: (1, *limits) for kind, (_, *limits) in KINDS.items()}
    for name, make in (("headstart", ours), ("MONAI", by_monai), ("kornia", by_kornia)):
        for often, kinds in (("preset", KINDS), ("every", everything)):
            try:
                change = make(kinds, size)
            except ModuleNotFoundError as missing:
                print(f"{name} is left out: {missing}")
                continue
            took = timed(change, size, batches)
            yield {"what": f"{name}, {often}", "seconds": took, "same_bytes": repeats(change, size)}
    for fineness in (1, 2):
        change = synthetic(fineness, size)
        took = timed(change, size, batches)
        yield {"what": f"synthesis, fineness {fineness}", "seconds": took, "same_bytes": repeats(change, size)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    rows = []
    for size in options.sizes:
        first = len(rows)
        for row in measure(size, options.steps, options.batches):
            rows.append({"size": size, **row})
            rows[-1]["of_step"] = row["seconds"] / rows[first]["seconds"]
            print(rows[-1], flush=True)
    keep(pd.DataFrame(rows).assign(batch=BATCH), __file__)
