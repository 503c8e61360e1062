"""Segments a new scan with a fine-tuned model, on the scan's own grid.

The scan is prepared as ``model.json`` says the model's training scans were. The result is a mask with the scan's shape
and affine. A scan whose registration failed gets no mask.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from headstart import images, job
from headstart.datasets import intake
from headstart.datasets.scan import T1W
from headstart.images import Volume
from headstart.job import UserError
from headstart.networks.architectures import Segmenter
from headstart.register import image_table, quality, quality_table
from headstart.register.affine import RegisteredScan, RegistrationSettings, register
from headstart.register.rigid import align
from headstart.report import scan_pictures
from headstart.slices import cut, store
from headstart.slices.channels import Channels
from headstart.template import template
from headstart.training import loop
from headstart.version import __version__

PathLike = str | os.PathLike


@dataclass(frozen=True)
class Prediction:
    """The result for one scan.

    ``record``: for the table of predictions: ``status`` ("failed": no mask; "passed"), ``failed`` (why), the record of
    :func:`headstart.datasets.intake.check_scan`, the measures of the registration, ``volumes_ml`` by class and
    ``seconds`` by step. ``registered``: None if the scan could not be read. ``seen``: the images in template space, by
    name, as far as they could be registered. ``in_space`` and ``mask``: uint8, with the
    value k for the model's class k, on the grid of ``model.json`` and on the scan's own; None if the status is
    "failed".
    """

    record: dict
    registered: RegisteredScan | None = None
    seen: Mapping[str, Volume] = field(default_factory=dict)
    in_space: Volume | None = None
    mask: Volume | None = None


@dataclass
class _Timer:
    """Measures the seconds of each step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - started, 2)


def segment(
    paths: Mapping[str, PathLike],
    model: Segmenter,
    metadata: Mapping,
    maps: Mapping[str, Volume],
    limits: Mapping[str, Mapping[str, Sequence[float]]],
    threads: int,
) -> Prediction:
    """Segment a scan, on the CPU.

    Parameters
    ----------
    paths
        Files of its images by name; the mask is on the grid of the first.
    model, metadata
        The network and its ``model.json``. Slices that training discarded (``discard_mm``) are background.
    maps
        See :func:`headstart.template.atlases.tissue_maps`.
    limits
        Lower and upper limit of measures of the registration: ``stop`` of the first image's, ``stop_images`` of
        those of others. A scan outside them gets no mask.
    threads
        Number of threads of the registration.

    Returns
    -------
    Prediction
        If the scan cannot be read or registered, its record says why; no error is raised.
    """
    timer, (first, *further) = _Timer(), paths
    path = paths[first]
    record = {"status": "failed", "file": str(path), "repairs": [], "warnings": [], "seconds": timer.seconds}
    settings = RegistrationSettings(**{**metadata["register"], "percentiles": metadata["percentiles"]})
    registered, seen = None, {}
    try:
        with timer("check"):
            record |= intake.check_scan(path)
        with timer("register"):
            grid = template.grid(metadata["voxel_mm"])
            registered = register(path, maps["t1"], maps["brain"], grid, settings, threads=threads)
            tissues = {name: maps[name] for name in ("csf", "gm", "wm")}
            record |= registered.quality | quality.contrast(registered.image, tissues)
            seen[first] = registered.image
            for name in further:
                checked = intake.check_image(paths[name], record)
                aligned = align(paths[name], path, registered.brain, registered.transform, settings, threads=threads)
                seen[name] = aligned.image
                _add_image(record, name, checked | aligned.quality | quality.contrast(aligned.image, tissues))
    except UserError as error:
        return Prediction(record | {"failed": str(error)}, registered, seen)
    if reasons := _failures(record, limits):
        return Prediction(record | {"failed": "; ".join(reasons)}, registered, seen)
    with timer("predict"):
        in_space = segment_registered([seen[name] for name in metadata.get("images", [T1W])], model, metadata)
    with timer("restore"):
        own = images.read(path).grid
        mask = images.resample_labels(in_space, own, np.linalg.inv(registered.transform))
    counts = np.bincount(mask.data.ravel(), minlength=len(metadata["classes"]))
    volumes = {name: float(counts[k] * own.voxel_ml) for k, name in enumerate(metadata["classes"]) if k}
    record |= {"status": "passed", "failed": "", "volumes_ml": volumes}
    return Prediction(record, registered, seen, in_space, mask)


def _add_image(record: dict, name: str, image: Mapping) -> None:
    """Add the record of a further image to that of its scan, with its repairs and warnings."""
    record.setdefault("images", {})[name] = image
    warnings = [*image["warnings"], *image_table.registration_warnings({**image, "image": name})]
    record["repairs"] = [*record["repairs"], *(f"{name}: {repair}" for repair in image["repairs"])]
    record["warnings"] = [*record["warnings"], *(f"{name}: {warning}" for warning in warnings)]


def _failures(record: Mapping, limits: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """The measures of all images that are outside their limits, as text."""
    of_others = [
        f"{name}: {reason}"
        for name, measures in record.get("images", {}).items()
        for reason in quality_table.failures(measures, limits["stop_images"])
    ]
    return [*quality_table.failures(record, limits["stop"]), *of_others]


def segment_registered(registered: Sequence[Volume], model: Segmenter, metadata: Mapping) -> Volume:
    """The classes of the registered images of a scan, uint8 on their grid; 0 in slices that training discarded."""
    slices = [store.to_uint16(cut.cut(image, metadata["size"][0], metadata["discard_mm"])) for image in registered]
    model.to(memory_format=torch.channels_last)  # the quicker one for many slices at once
    seen, precision = Channels.of(metadata).rows([len(slices[0])]), metadata["training"]["precision"]
    predictions = loop.predict(model, np.concatenate(slices), seen=seen, precision=precision, device="cpu")
    return cut.restore(predictions, registered[0].grid, metadata["discard_mm"])


def write(
    made: Prediction, folder: PathLike, subject: str, weights: PathLike, metadata: Mapping, brain: Volume
) -> None:
    """Write the result for a scan to ``folder``/anat: its record and, as far as they exist, mask, sidecar and pictures.

    Parameters
    ----------
    made
        The result.
    folder, subject
        Folder of the scan's results, and label of the subject in their names.
    weights, metadata
        The model's file and its ``model.json``, for the sidecar.
    brain
        The template's brain mask, outlined in the picture of the registration.
    """
    target = "".join(filter(str.isalnum, metadata["target"]))
    stem, first = f"{folder}/anat/sub-{subject}", metadata.get("first_image", T1W)
    job.write_json(f"{stem}_desc-qc_{first}.json", made.record)
    if made.registered is None:
        return
    image = made.registered.image
    job.write_bytes(f"{stem}_from-{first}_to-{template.SPACE}_mode-image_xfm.mat", made.registered.itk)
    further = [(other, made.registered.brain) for name, other in made.seen.items() if name != first]
    outline = images.resample_labels(brain, image.grid)
    scan_pictures.registration(f"{stem}_desc-qc_{first}.png", image, outline, further)
    if made.mask is None:
        return
    images.write(f"{stem}_desc-{target}_dseg.nii.gz", made.mask, np.uint8)
    job.write_json(f"{stem}_desc-{target}_dseg.json", _sidecar(made.record, weights, metadata))
    scan_pictures.labels(f"{stem}_desc-{target}_dseg.png", image, [made.in_space], through=made.in_space)


def _sidecar(record: Mapping, weights: PathLike, metadata: Mapping) -> dict:
    """The BIDS sidecar of a mask: its classes, and what it was made from."""
    return {
        "Manual": False,
        "Classes": {str(k): name for k, name in enumerate(metadata["classes"])},
        "VolumesML": record["volumes_ml"],
        "Scan": record["file"],
        "ScanSHA256": record["sha256"],
        **_other_images(record),
        "Repairs": record["repairs"],
        "Warnings": record["warnings"],
        "Model": str(Path(weights).parent),
        "ModelSHA256": metadata["sha256"][Path(weights).name],
        "Target": metadata["target"],
        "Source": metadata["source"],
        "VoxelMM": metadata["voxel_mm"],
        "DiscardMM": metadata["discard_mm"],
        "Seconds": record["seconds"],
        "GeneratedBy": f"headstart {__version__}",
    }


def _other_images(record: Mapping) -> dict:
    """The entry of a sidecar about further images, if there are any."""
    images = record.get("images", {})
    found = {name: {"Scan": each["file"], "ScanSHA256": each["sha256"]} for name, each in images.items()}
    return {"Images": found} if found else {}


def _judged(rows: Sequence[Mapping], stop: Mapping[str, Sequence[float]], outlier: float, first: str) -> pd.DataFrame:
    """The table of quality of scans that were registered; one whose other images are refused has failed, too."""
    table = quality_table.tabulate(rows, stop, outlier, first_images={"new": first})
    failed = pd.Series([row["failed"] for row in rows])
    return table.assign(failed=failed, status=table["status"].mask(failed != "", "failed"))


def tabulate(
    records: Mapping[str, Mapping], stop: Mapping[str, Sequence[float]], outlier: float, first: str = T1W
) -> pd.DataFrame:
    """The table of predictions, one row per scan: ``subject``, ``status``, reasons, volumes in mL, quality measures.

    ``records``: those of :class:`Prediction`, by subject. ``status``: "failed" (no mask), "review" (an outlier among
    these scans, or a warning) or "passed"; see :func:`headstart.register.quality_table.tabulate`. ``first``: name
    of the first image.
    """
    read, unread = [], []
    for subject, record in records.items():
        volumes = {f"{name} ml": ml for name, ml in record.get("volumes_ml", {}).items()}
        row = {**record, **volumes, "dataset": "new", "subject": subject}
        (read if "brain_dice" in record else unread).append(row)
    parts = [_judged(read, stop, outlier, first)] if read else []
    parts += [pd.DataFrame(unread)[["subject", "status", "failed"]]] if unread else []
    table = pd.concat(parts, ignore_index=True).sort_values("subject")
    return table.drop(
        columns=["dataset", "images", "volumes_ml", "seconds", "shape", "voxel_mm", "sha256"], errors="ignore"
    )
