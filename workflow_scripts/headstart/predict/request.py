"""Which finished model and which new scans a prediction is for, from file names and ``model.json`` alone.

The folder of the model is all that is needed of its study: ``model.json`` says how its training scans were prepared.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from headstart.datasets import derivatives, layouts
from headstart.datasets.scan import T1W, Scan, alphanumeric
from headstart.job import UserError, logger, read_json, shown
from headstart.template import template

WEIGHTS, METADATA = "model.safetensors", "model.json"
# Matches the files of a scan's only image; the parts that BIDS writes around the subject are dropped.
PATTERN = r"(?i)(?:sub-)?(?P<subject>[^/]+?)(?:_{})?\.nii(?:\.gz)?"
# The same for one of several images of a scan.
PATTERN_OF = r"(?i)(?:sub-)?(?P<subject>[^/]+?)_{}\.nii(?:\.gz)?"
# Keys of model.json that a prediction uses, besides kind and template.
_NEEDED = (
    "classes", "discard_mm", "network", "percentiles", "register", "size", "source", "target", "training", "voxel_mm",
    "sha256",
)  # fmt: skip
# The end of the message for an empty dataset, and the same with the keys of the section predict.
_EMPTY_DATASET = (" (layout flat); check folder and layout", "; check predict.folder and predict.pattern")
# A scan that is left out would be a patient without a mask.
_LEFT_OUT = (
    "against predict.images (image_entities, patterns), add them, or leave such scans out with missing: drop",
    "and predict.patterns, add the images, or add the scans to predict.exclude",
)


@dataclass(frozen=True)
class Request:
    """``weights``: the model's file; ``metadata``: its ``model.json``; ``scans``: the new scans by subject."""

    weights: Path
    metadata: dict
    scans: dict[str, Scan]


def read_request(settings: Mapping) -> Request:
    """The model and the scans that the section ``predict`` of the configuration names.

    Raises :class:`UserError` if a key is not set, the model cannot be used, or a scan has no name or cannot be read.
    """
    for key, what in (("model", "the folder of a fine-tuned model"), ("folder", "the folder of the new scans")):
        if settings[key] is None:
            raise UserError(f"predict.{key} is not set; set it to {what} (docs/predict.md).")
    folder = Path(settings["model"])
    metadata = read_metadata(folder)
    return Request(folder / WEIGHTS, metadata, _find_scans(settings, images_needed(metadata)))


def output_place(settings: Mapping, results: str) -> tuple[str, str]:
    """The study's folder in which predictions are written, and their name within its folder ``predict``.

    The study is the one whose ``finetune`` folder contains the model, or the folder ``results`` if there is none. The
    name is ``predict.name``, or the letters and digits of the name of the scans' folder.
    """
    model = Path(settings["model"] or ".")
    study = next((str(above.parent) for above in model.parents if above.name == "finetune"), results)
    # Snakemake takes braces for wildcards, and they cannot be escaped.
    if set("{}") & set(study):
        study = results
    name = settings["name"] or alphanumeric(Path(settings["folder"] or "").absolute().name) or "scans"
    return study, name


def read_metadata(folder: Path) -> dict:
    """The ``model.json`` in the folder of a fine-tuned model, checked; the weights are not opened.

    Raises :class:`UserError` naming the file if it is missing, damaged or lacks a key, if it does not describe a
    fine-tuned model, or one of another template, or if the grid does not fit in a slice.
    """
    path = folder / METADATA
    for file in (path, folder / WEIGHTS):
        if not file.is_file():
            raise UserError(
                f"{file} does not exist; set predict.model to the folder that contains {METADATA} and {WEIGHTS}."
            )
        if not os.access(file, os.R_OK):
            raise UserError(f"{file} cannot be read; ask its owner for permission (chmod a+r).")
    try:
        metadata = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged ({error}); make or download it again.") from None
    if not isinstance(metadata, dict) or metadata.get("kind") != "segmentation" or "target" not in metadata:
        raise UserError(f"{path} does not describe a fine-tuned model; set predict.model to a folder of finetune/.")
    if metadata.get("template") != template.SPACE:
        raise UserError(f"{path} says template is {metadata.get('template')!r}, not {template.SPACE!r}; retrain it.")
    if missing := [key for key in _NEEDED if key not in metadata]:
        raise UserError(
            f"{path} lacks {', '.join(missing)}, which a prediction needs; fine-tune the model again with this version "
            "of headstart, or add the values of its study's configuration."
        )
    side, width = min(metadata["size"]), max(template.grid(metadata["voxel_mm"]).shape[:2])
    if side < width:
        raise UserError(
            f"{path} says size is {side}, which its grid of {width} voxels does not fit in; download it again."
        )
    return metadata


def bidsignore(first: str) -> str:
    """Content of ``.bidsignore``: what BIDS has no names for yet; ``first``: name of the first image."""
    return f"{derivatives.bidsignore(first)}*_dseg.png\npredictions.tsv\n"


def images_needed(metadata: Mapping) -> list[str]:
    """The images of a scan that a model needs, by its ``model.json``: first the one to which others are registered."""
    return list(dict.fromkeys([metadata.get("first_image", T1W), *metadata.get("images", ())]))


def _find_scans(settings: Mapping, images: Sequence[str]) -> dict[str, Scan]:
    """The scans of a folder, with these images, found as those of a dataset with the layout flat."""
    first, *further = images
    if unknown := sorted(settings["patterns"].keys() - set(further)):
        raise UserError(
            f"predict.patterns names {unknown[0]}, but the model needs {' and '.join(images)}; remove it (the pattern "
            f"of {first} is predict.pattern)."
        )
    entry = {
        "layout": "flat",
        "folder": str(Path(settings["folder"]).absolute()),
        "images": images,
        "pattern": settings["pattern"] or (PATTERN_OF if further else PATTERN).format(first),
        "patterns": {image: PATTERN_OF.format(image) for image in further} | settings["patterns"],
        "exclude": settings["exclude"],
        "masks": False,
    }

    def in_predict(sentence: str) -> str:
        return sentence.replace("datasets.new", "predict").replace(*_EMPTY_DATASET).replace(*_LEFT_OUT)

    try:
        # An image that is passed over is a patient without a mask.
        found = layouts.scans("new", entry, "", None, say=lambda sentence: logger.warning(in_predict(sentence)))
    except UserError as error:
        raise UserError(in_predict(str(error))) from None
    return {scan.subject: scan for scan in found}


def check_predictions(table: pd.DataFrame, path: str) -> None:
    """Raise :class:`UserError` naming the scans without a mask in the table of predictions that ``path`` contains."""
    failed = table[table["status"] == "failed"]
    if failed.empty:
        return
    reasons = shown((f"{row.subject}: {row.failed}" for row in failed.itertuples()), 10, "; ")
    raise UserError(
        f"{len(failed)} of {len(table)} scans got no mask ({reasons}); see {path}, then repair them, add them to "
        "predict.exclude, or change the limits in quality."
    )
