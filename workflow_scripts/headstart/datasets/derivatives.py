"""The description of a folder of derivatives, as BIDS prescribes it, and the subjects that can be written there."""

import os
import re

from headstart import job
from headstart.bids_version import BIDS_VERSION
from headstart.datasets.scan import Scan
from headstart.job import UserError
from headstart.version import __version__

# What the longest name of a derivative adds to the subject.
_ADDED = "sub-_space-MNI152NLin2009aSym_desc-subcortical_dseg.nii.gz"
# An end, written backwards, that Snakemake takes for a sign of endless recursion.
_REPEATED = re.compile(r"(.+?)\1{19,}")


def check_subject(scan: Scan, results: str | os.PathLike) -> None:
    """Raise :class:`UserError` for a subject whose files cannot be written in ``results``, or planned by Snakemake."""
    longest = job.longest_name(results) - len(_ADDED)
    if len(scan.subject) > longest:
        raise UserError(
            f"{scan.first}: its subject {scan.subject!r} has {len(scan.subject)} characters, and names of files in the "
            f"results leave {longest} for it; rename it, or exclude it."
        )
    if end := _REPEATED.match(scan.subject[::-1]):
        raise UserError(
            f"{scan.first}: its subject {scan.subject!r} ends in {end[1][::-1]!r} 20 times or more, which Snakemake "
            "refuses; rename it, or exclude it."
        )


def bidsignore(first: str) -> str:
    """Content of ``.bidsignore``: files that BIDS has no rules for yet, namely transforms and those of quality control.

    ``first``: name of the first image.
    """
    return f"*_mode-image_xfm.mat\n*_desc-qc_{first}.*\n*_desc-labeller_{first}.json\n"


def derivative_description(name: str) -> dict:
    """Content of ``dataset_description.json`` for a dataset's derivatives."""
    return {
        "Name": f"{name}: registered, labelled and segmented by headstart",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "headstart", "Version": __version__}],
    }
