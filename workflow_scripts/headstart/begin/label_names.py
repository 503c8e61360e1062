"""Which images beside the scans of a BIDS dataset are their labels, by their names."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from headstart.datasets import bids_labels
from headstart.datasets.bids_names import stem
from headstart.datasets.scan import Scan
from headstart.job import UserError

# Entities of a name that say of which image, or of which part, a label file is, and not what it labels.
_OF_THE_IMAGE = ("sub", "ses", "acq", "ce", "rec", "run", "inv", "part", "echo", "space", "res", "den", "hemi")
# The last part of the names of images that are no labels: scans and maps of BIDS.
_NO_LABELS = {
    "t1w", "t2w", "t1rho", "t1map", "t2map", "t2star", "t2starw", "t2starmap", "flair", "flash", "pd", "pdw", "pdt2",
    "inplanet1", "inplanet2", "angio", "unit1", "mp2rage", "megre", "mese", "vfa", "irt1", "t1", "t2", "swi", "dwi",
    "adc", "fa", "md", "trace", "bold", "sbref", "boldref", "cbv", "asl", "m0scan", "cbf", "phase", "probseg", "xfm",
    "warp", "defacemask", "brainmask", "ct", "pet",
}  # fmt: skip
# Parts of the names of masks of the whole brain or head, which are not what one labels by hand.
_WHOLE = re.compile(r"((desc|label)-)?(brain|head|skull|bet)", re.IGNORECASE)


def suffixes(name: str, folder: Path, scans: Sequence[Scan], place: str | None) -> dict[str, list[Scan]]:
    """The ends of names of possible label files, as ``labels_suffix`` takes them, with the scans that have such a file.

    ``name``: of the dataset, for messages; ``place``: the folder of labels within ``folder``; None: its derivatives. No
    file is opened.
    """
    labels = _labels(name, folder, "*", place)
    found: dict[str, list[Scan]] = defaultdict(list)
    for scan in scans:
        for suffix in sorted({_suffix(path) for path in labels.candidates(scan.first) if path != scan.first}):
            parts = suffix.split("_")
            if parts[-1].casefold() not in _NO_LABELS and not any(map(_WHOLE.fullmatch, parts)):
                found[suffix].append(scan)
    return dict(found)


def united(name: str, folder: Path, scans: Sequence[Scan], place: str | None, ends: Sequence[str]) -> str | None:
    """A ``labels_suffix`` with which the masks with all these ends are united, and no others; None if there is none.

    The other arguments are those of :func:`suffixes`.
    """
    forms = {re.sub(r"(?<![^_])label-[^_]*", "label-*", end) for end in ends}
    if len(forms) > 1:
        return None
    labels = _labels(name, folder, form := forms.pop(), place)
    try:
        taken = {_suffix(path) for scan in scans for path in labels.of(scan.first)}
    except UserError:  # of two derivatives, or differing in more than their label
        return None
    return form if taken == set(ends) else None


def _labels(name: str, folder: Path, suffix: str, place: str | None) -> bids_labels.Labels:
    return bids_labels.Labels(name, folder, {"labels_suffix": suffix} | ({"labels": place} if place else {}))


def _suffix(path: Path) -> str:
    """The end of a name, after what says of which image the file is: ``sub-1_run-2_label-L_mask``: ``label-L_mask``."""
    parts = stem(path).split("_")
    of_image = [number for number, part in enumerate(parts) if part.partition("-")[0].casefold() in _OF_THE_IMAGE]
    return "_".join(parts[max(of_image, default=-1) + 1 :]) or stem(path)
