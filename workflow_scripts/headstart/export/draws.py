"""Each draw, a training set with its test set, as a raw data set of nnU-Net and as a data list of MONAI.

Each draw is a data set of its own: nnU-Net takes voxel sizes, patch sizes and batch sizes from all training scans of a
data set (its plans), which scans outside the draw must not decide.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart import job
from headstart.export.scan import LABELS, SUFFIX
from headstart.job import UserError

# Trains nnU-Net on all draws; it belongs beside their folder.
RUN_NNUNET = Path(__file__).with_name("run_nnunet.sh")
# Within the folder of a target: those of its scans and of its draws.
SCANS, DRAWS = "scans", "draws"
# nnU-Net's name for a class that it leaves out of the loss, and the class that every target has.
_RESERVED = ("ignore", "background")


@dataclass(frozen=True)
class Draw:
    """One draw: ``train``, ``test``: subjects of its sets."""

    size: int
    resample: int
    train: Sequence[str]
    test: Sequence[str]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"size-{self.size}_resample-{self.resample}"


@dataclass(frozen=True)
class Target:
    """What all draws of a target share: ``images`` in the order of channels, ``classes`` with the background first."""

    name: str
    images: Sequence[str]
    classes: Sequence[str]


def check_classes(target: str, classes: Sequence[str]) -> None:
    """Raise :class:`UserError` if a class, the background not among ``classes``, has a name that nnU-Net reserves."""
    if taken := [name for name in classes if name in _RESERVED]:
        raise UserError(
            f"targets.{target}.classes has {taken[0]!r}, a name with a meaning of its own in nnU-Net; rename the class."
        )


def write(folder: Path, target: Target, draw: Draw) -> None:
    """Write a draw to ``folder``/draws, beside ``folder``/scans with the scans (:mod:`headstart.export.scan`)."""
    place = folder / DRAWS / draw.name
    _write_raw_dataset(place / f"nnUNet_raw/Dataset001_{target.name}", folder / SCANS, target, draw)
    job.write_json(place / "datalist.json", _datalist(os.path.relpath(folder / SCANS, place), target, draw))


def _write_raw_dataset(dataset: Path, scans: Path, target: Target, draw: Draw) -> None:
    """Write the raw data set of a draw, whose images and labels are links to those of the scans."""
    for part, subjects in (("Tr", draw.train), ("Ts", draw.test)):
        for subject in subjects:
            for channel, image in enumerate(target.images):
                _link(dataset / f"images{part}/{subject}_{channel:04d}{SUFFIX}", scans / subject / (image + SUFFIX))
    for subject in draw.train:
        _link(dataset / f"labelsTr/{subject}{SUFFIX}", scans / subject / (LABELS + SUFFIX))
    content = {
        "name": target.name,
        "description": f"{draw.name}, exported by headstart",
        "channel_names": {str(channel): image for channel, image in enumerate(target.images)},
        "labels": {name: value for value, name in enumerate(target.classes)},
        "numTraining": len(draw.train),
        "file_ending": SUFFIX,
        # By which run_nnunet.sh knows a model that was trained on other files.
        "sha256_of_files": _sha256_of_files(dataset),
    }
    job.write_json(dataset / "dataset.json", content)


def _link(link: Path, to: Path) -> None:
    """Make a link that stays valid when the export is moved as a whole."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(to, link.parent))


def _sha256_of_files(folder: Path) -> str:
    """A hash of the names and contents of all files in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = (f"{path.relative_to(folder)} {job.sha256(path)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _datalist(scans: str, target: Target, draw: Draw) -> Mapping:
    """A data list in the form of the Medical Segmentation Decathlon, with paths relative to its own folder."""

    def images(subject: str) -> str | list[str]:
        paths = [f"{scans}/{subject}/{image}{SUFFIX}" for image in target.images]
        return paths if len(paths) > 1 else paths[0]

    return {
        "name": target.name,
        "description": f"{draw.name}, exported by headstart",
        "tensorImageSize": "3D",
        "modality": {str(channel): image for channel, image in enumerate(target.images)},
        "labels": {str(value): name for value, name in enumerate(target.classes)},
        "numTraining": len(draw.train),
        "numTest": len(draw.test),
        "training": [{"image": images(s), "label": f"{scans}/{s}/{LABELS}{SUFFIX}"} for s in draw.train],
        "test": [{"image": images(subject)} for subject in draw.test],
    }
