"""What a folder of derivatives says of itself (BIDS)."""

from headstart.version import __version__

# What BIDS has no name for yet, in the words of .bidsignore: transforms, and what quality control looks at.
BEYOND_BIDS = """\
*_mode-image_xfm.mat
*_desc-qc_T1w.*
*_desc-labeller_T1w.json
"""


def derivative_description(name: str) -> dict:
    """``dataset_description.json`` of a dataset's derivatives (BIDS 1.10)."""
    return {
        "Name": f"{name}: registered, labelled and segmented by headstart",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "headstart", "Version": __version__}],
    }
