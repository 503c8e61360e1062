"""The methods text of the project's studies, for its tests, without their scans."""

import pandas as pd
from settings_of import over

from headstart.report import methods

VERSIONS = {
    "headstart": "1.2", "python": "3.11", "snakemake": "9", "torch": "2.13.0+cpu", "monai": "1.6", "scipy": "1.15",
    "nipype": "1.11", "picsl_greedy": "1.4",
}  # fmt: skip
# Scans and people of the datasets that are not phantoms.
KNOWN = {
    "studies/paper.yaml": {"bahc": (2001, 2001), "stroke": (304, 304), "ms": (30, 30), "anatomy": (35, 30)},
    "studies/oasis.yaml": {"cohort": (8, 8), "anatomy": (15, 15)},
}


def configured(study="studies/tour.yaml", **changes):
    """The configuration of a study, with other sections laid over it."""
    return over(study, changes)


def of_sources(config, *names, **changed):
    """A configuration with these of its sources alone; ``changed``: keys of sources, with underscores for hyphens."""
    own = config["pretrain"]["sources"]
    kept = {name: {**own[name], **changed.get(name.replace("-", "_"), {})} for name in names}
    return {**config, "pretrain": {**config["pretrain"], "sources": kept}}


def people_of(config, study="studies/tour.yaml", **known):
    """The table of participants of a study whose scans are not there."""
    rows = []
    for name, entry in config["datasets"].items():
        if "pictures" in entry or entry["layout"] == "synthetic":
            continue
        scans, people = KNOWN.get(study, {}).get(name) or (entry["people"], entry["people"])
        ages = {"age_known": people, "age_mean": 41.53, "age_sd": 7.25, "age_min": 20.0, "age_max": 71.0}
        sexes = {"female": people - 1, "male": 1, "other": 0, "sex_unknown": 0}
        rows.append({"dataset": name, "scans": scans, "people": people, **ages, **sexes, "sites": None, **known})
    return pd.DataFrame(rows)


def written(config, backend="ants", study="studies/tour.yaml", versions=VERSIONS, left_out=None, overlaps=(), **known):
    """The methods as they are written, with one back end for all datasets."""
    backends = {
        entry["dataset"]: backend
        for entry in config["pretrain"]["sources"].values()
        if entry.get("task") in ("segmentation", "classification")
        and "pictures" not in config["datasets"][entry["dataset"]]
        and config["datasets"][entry["dataset"]]["layout"] != "synthetic"
        and entry.get("labels") != "target"
    }
    return methods.text(config, backends, people_of(config, study, **known), versions, left_out or {}, overlaps)


def text_of(*arguments, **options):
    """The methods, in one line."""
    return " ".join(written(*arguments, **options).split())
