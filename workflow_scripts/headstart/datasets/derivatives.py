"""The description of a folder of derivatives, as BIDS prescribes it."""

from headstart.bids_version import BIDS_VERSION
from headstart.version import __version__

# Content of .bidsignore: files that BIDS has no rules for yet, namely transforms and those of quality control.
BIDSIGNORE = """\
*_mode-image_xfm.mat
*_desc-qc_T1w.*
*_desc-labeller_T1w.json
"""


def derivative_description(name: str) -> dict:
    """Content of ``dataset_description.json`` for a dataset's derivatives."""
    return {
        "Name": f"{name}: registered, labelled and segmented by headstart",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "headstart", "Version": __version__}],
    }
