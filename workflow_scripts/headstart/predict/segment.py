"""Beside the road, predict: a fine-tuned model segments a scan that no study has seen, on the scan's own grid.

The scan goes through what the model's training scans went through, as ``model.json`` says; what comes back is a mask
with the scan's shape and affine. A scan whose registration failed gets none.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from headstart import images, job
from headstart.datasets import intake
from headstart.images import Volume
from headstart.job import UserError
from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Segmenter
from headstart.register import quality, quality_table
from headstart.register.affine import Registered, register
from headstart.report import scan_pictures
from headstart.slices import cut, store
from headstart.template import template
from headstart.training import loop
from headstart.version import __version__

PathLike = str | os.PathLike


@dataclass(frozen=True)
class Prediction:
    """What became of a scan.

    ``record``: for the quality table: ``status`` (``failed``: no mask; ``passed``), ``failed`` (why), what
    :func:`headstart.datasets.intake.check_scan` found, registration's numbers, ``volumes_ml`` by class and ``seconds`` by step.
    ``registered``: None where the scan could not be read. ``in_space`` and ``mask``: uint8, class k of the model is k,
    on the grid of ``model.json`` and on the scan's own; None where the status is ``failed``.
    """

    record: dict
    registered: Registered | None = None
    in_space: Volume | None = None
    mask: Volume | None = None


@dataclass
class _Clock:
    """Seconds of each step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - started, 2)


def load(weights: PathLike, metadata: Mapping) -> Segmenter:
    """The fine-tuned network in ``weights``, whose ``model.json`` must say ``metadata``.

    ``metadata``: see :func:`headstart.predict.request.metadata`. Raises :class:`UserError` for what
    :func:`headstart.networks.model_files.load_state` refuses.
    """
    architecture = Architecture.of(metadata["network"])
    model = Segmenter(architecture.make_encoder(seed=0), architecture.make_decoder(len(metadata["classes"]), seed=0))
    model_files.load_state(model, weights, metadata)
    return model


def segment(
    path: PathLike,
    model: Segmenter,
    metadata: Mapping,
    maps: Mapping[str, Volume],
    stop: Mapping[str, Sequence[float]],
    *,
    threads: int = 1,
) -> Prediction:
    """Segment the T1 scan in ``path``, on the CPU.

    ``maps``: :func:`headstart.template.atlases.tissue_maps`; ``stop``: least and most of registration's numbers, beyond which a
    scan gets no mask. Slices that training left out (``discard_mm``) hold no class. A scan that cannot be read or
    registered does not raise: the record says why.
    """
    clock, grid = _Clock(), template.grid(metadata["voxel_mm"])
    record = {"status": "failed", "file": str(path), "repairs": [], "warnings": [], "seconds": clock.seconds}
    try:
        with clock("check"):
            record |= intake.check_scan(path)
        with clock("register"):
            how = {"percentiles": tuple(metadata["percentiles"]), "threads": threads, **metadata["register"]}
            found = register(path, maps["t1"], maps["brain"], grid, **how)
    except UserError as error:
        return Prediction(record | {"failed": str(error)})
    tissues = {name: maps[name] for name in ("csf", "gm", "wm")}
    record |= found.quality | quality.contrast(found.t1, tissues)
    if reasons := quality_table.failures(record, stop):
        return Prediction(record | {"failed": "; ".join(reasons)}, found)
    with clock("predict"):
        in_space = predicted(found.t1, model, metadata)
    with clock("restore"):
        own = images.read(path).grid
        mask = images.resample_labels(in_space, own, np.linalg.inv(found.transform))
    counts = np.bincount(mask.data.ravel(), minlength=len(metadata["classes"]))
    volumes = {name: float(counts[k] * own.voxel_ml) for k, name in enumerate(metadata["classes"]) if k}
    return Prediction(record | {"status": "passed", "failed": "", "volumes_ml": volumes}, found, in_space, mask)


def predicted(t1: Volume, model: Segmenter, metadata: Mapping) -> Volume:
    """A registered scan's classes, uint8 on its grid; 0 in slices that training left out."""
    shown = cut.cut(t1, metadata["size"][0], metadata["discard_mm"])
    precision = metadata["training"]["precision"]
    said = loop.predict(model, store.to_uint16(shown), precision=precision, device="cpu")
    return cut.restore(said, t1.grid, metadata["discard_mm"])


def write(
    made: Prediction, folder: PathLike, subject: str, weights: PathLike, metadata: Mapping, brain: Volume
) -> None:
    """Write what became of a scan to ``folder``/anat: its record, and what there is of mask, sidecar and pictures.

    ``brain``: the template's brain mask, outlined in the picture of the registration.
    """
    target = "".join(filter(str.isalnum, metadata["target"]))
    stem = f"{folder}/anat/sub-{subject}"
    job.write_json(f"{stem}_desc-qc_T1w.json", made.record)
    if made.registered is None:
        return
    t1 = made.registered.t1
    job.write_bytes(f"{stem}_from-T1w_to-{template.SPACE}_mode-image_xfm.mat", made.registered.itk)
    scan_pictures.registration(f"{stem}_desc-qc_T1w.png", t1, images.resample_labels(brain, t1.grid))
    if made.mask is None:
        return
    images.write(f"{stem}_desc-{target}_dseg.nii.gz", made.mask, np.uint8)
    job.write_json(f"{stem}_desc-{target}_dseg.json", _sidecar(made.record, weights, metadata))
    scan_pictures.labels(f"{stem}_desc-{target}_dseg.png", t1, [made.in_space], through=made.in_space)


def _sidecar(record: Mapping, weights: PathLike, metadata: Mapping) -> dict:
    """What a mask is and what made it (BIDS)."""
    return {
        "Manual": False,
        "Classes": {str(k): name for k, name in enumerate(metadata["classes"])},
        "VolumesML": record["volumes_ml"],
        "Scan": record["file"],
        "ScanSHA256": record["sha256"],
        "Repairs": record["repairs"],
        "Warnings": record["warnings"],
        "Model": str(Path(weights).parent),
        "ModelSHA256": metadata["weights_sha256"],
        "Target": metadata["target"],
        "Source": metadata["source"],
        "VoxelMM": metadata["voxel_mm"],
        "DiscardMM": metadata["discard_mm"],
        "Seconds": record["seconds"],
        "GeneratedBy": f"headstart {__version__}",
    }


def tabulate(records: Mapping[str, Mapping], stop: Mapping[str, Sequence[float]], outlier: float) -> pd.DataFrame:
    """A row a scan: ``subject``, ``status``, the reasons for it, volumes in mL by class, and quality's numbers.

    ``records``: of :class:`Prediction`, by subject. ``status``: ``failed`` (no mask), ``look`` (an outlier among these
    scans, or a warning) or ``passed``; see :func:`headstart.register.quality_table.tabulate`.
    """
    read, unread = [], []
    for subject, record in records.items():
        volumes = {f"{name} ml": ml for name, ml in record.get("volumes_ml", {}).items()}
        row = {**record, **volumes, "dataset": "new", "subject": subject}
        (read if "brain_dice" in record else unread).append(row)
    parts = [quality_table.tabulate(read, stop, outlier)] if read else []
    parts += [pd.DataFrame(unread)[["subject", "status", "failed"]]] if unread else []
    table = pd.concat(parts, ignore_index=True).sort_values("subject")
    return table.drop(columns=["dataset", "volumes_ml", "seconds", "shape", "voxel_mm", "sha256"], errors="ignore")
