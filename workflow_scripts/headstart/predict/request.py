"""What a prediction is asked for: a finished model's folder and new scans, looked at by names and ``model.json`` alone.

Nothing of a study is needed but the model's folder: what its scans went through is in ``model.json``.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from headstart.datasets import derivatives, layouts
from headstart.datasets.scan import Scan, alphanumeric
from headstart.job import UserError, read_json
from headstart.template import template

WEIGHTS, FACTS = "model.safetensors", "model.json"
# Files of the folder itself; what BIDS writes around the subject is left off.
PATTERN = r"(?:sub-)?(?P<subject>[^/]+?)(?:_T1w)?\.nii(?:\.gz)?"
# Every key that a prediction takes from model.json, beside kind and template.
_NEEDED = (
    "classes", "discard_mm", "network", "percentiles", "register", "size", "source", "target", "training", "voxel_mm",
    "weights_sha256",
)  # fmt: skip
# What is said of an empty dataset, in words of predict's own keys.
_SHORTER = (" (layout flat); check folder and layout", "; check predict.folder and predict.pattern")
# What BIDS has no name for yet, in the words of .bidsignore.
BEYOND_BIDS = f"{derivatives.BEYOND_BIDS}*_dseg.png\npredictions.tsv\n"


@dataclass(frozen=True)
class Request:
    """``weights``: the model's file; ``metadata``: its ``model.json``; ``scans``: the new scans by subject."""

    weights: Path
    metadata: dict
    scans: dict[str, Scan]


def requested(settings: Mapping) -> Request:
    """The model and the scans that ``predict`` of the configuration names.

    Raises :class:`UserError` where a key is not set, the model cannot be used, or a scan has no name or cannot be read.
    """
    for key, what in (("model", "the folder of a fine-tuned model"), ("folder", "the folder of the new scans")):
        if settings[key] is None:
            raise UserError(f"predict.{key} is not set; name {what} with it (docs/predict.md).")
    folder = Path(settings["model"])
    return Request(folder / WEIGHTS, metadata(folder), _scans(settings))


def place(settings: Mapping, results: str) -> tuple[str, str]:
    """Where predictions go: a study's folder, and their name within its ``predict`` folder.

    The study is the one in whose ``finetune`` folder the model lies; of a model that was moved out of its study, the
    folder ``results``. The name is ``predict.name``, or the letters and digits of the scans' folder.
    """
    model = Path(settings["model"] or ".")
    home = next((str(above.parent) for above in model.parents if above.name == "finetune"), results)
    # To Snakemake braces are wildcards, and no writing of them escapes that.
    if set("{}") & set(home):
        home = results
    name = settings["name"] or alphanumeric(Path(settings["folder"] or "").absolute().name) or "scans"
    return home, name


def metadata(folder: Path) -> dict:
    """The ``model.json`` of a fine-tuned model's folder, found fit to predict with.

    Raises :class:`UserError` naming the file and what is wrong: it is missing, damaged, lacks a key, describes no
    fine-tuned model, or one of another template; or a slice does not hold the grid. The weights are not opened.
    """
    described = folder / FACTS
    for file in (described, folder / WEIGHTS):
        if not file.is_file():
            raise UserError(f"{file} does not exist; set predict.model to the folder that holds {FACTS} and {WEIGHTS}.")
        if not os.access(file, os.R_OK):
            raise UserError(f"{file} may not be read; have its owner give you permission (chmod a+r).")
    try:
        known = read_json(described)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{described} is damaged ({error}); make or fetch it again.") from None
    if not isinstance(known, dict) or known.get("kind") != "segmentation" or "target" not in known:
        raise UserError(f"{described} describes no fine-tuned model; set predict.model to a folder of finetune/.")
    if known.get("template") != template.SPACE:
        raise UserError(f"{described} says template is {known.get('template')!r}, not {template.SPACE!r}; retrain it.")
    if missing := [key for key in _NEEDED if key not in known]:
        raise UserError(
            f"{described} lacks {', '.join(missing)}, which a prediction needs; fine-tune the model again with this "
            "version of headstart, or add what its training was given."
        )
    side, width = min(known["size"]), max(template.grid(known["voxel_mm"]).shape[:2])
    if side < width:
        raise UserError(
            f"{described} says size is {side}, which its grid of {width} voxels does not fit; fetch it again."
        )
    return known


def _scans(settings: Mapping) -> dict[str, Scan]:
    """The scans of a folder, read as a dataset of the layout flat."""
    entry = {
        "layout": "flat",
        "folder": str(Path(settings["folder"]).absolute()),
        "pattern": settings["pattern"] or PATTERN,
        "exclude": settings["exclude"],
    }
    try:
        found = layouts.scans("new", entry, "", None)
    except UserError as error:
        raise UserError(str(error).replace("datasets.new", "predict").replace(*_SHORTER)) from None
    return {scan.subject: scan for scan in found}


def check_predicted(table: pd.DataFrame, path: str) -> None:
    """Raise :class:`UserError` with the scans that got no mask, of the table of predictions read from ``path``."""
    refused = table[table["status"] == "failed"]
    if refused.empty:
        return
    shown = "; ".join(f"{row.subject}: {row.failed}" for row in refused.head(10).itertuples())
    more = f"; and {len(refused) - 10} more" if len(refused) > 10 else ""
    raise UserError(
        f"{len(refused)} of {len(table)} scans got no mask ({shown}{more}); see {path}, then mend them, add them to "
        "predict.exclude, or change quality.stop."
    )
