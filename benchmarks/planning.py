"""Plan a study of the paper's size, from empty files under the names of its datasets: 2,370 scans.

    python benchmarks/planning.py

Times ``snakemake --dry-run`` with nothing made yet.
"""

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml
from record import keep

ROOT = Path(__file__).parents[1]
RUN = {"resamples": 10, "epochs": 30}
STUDY = {
    "study": "planned",
    "datasets": {
        "cohort": {"layout": "bids", "folder": "cohort"},
        "stroke": {"layout": "atlas-r1", "folder": "atlas"},
        "ms": {"layout": "lesjak", "folder": "lesjak"},
        "anatomy": {"layout": "miccai2012", "folder": "miccai2012"},
    },
    "pretrain": {"dataset": "cohort", "sources": ["scratch", "t1-segmentation"]},
    "targets": {
        "stroke": {"dataset": "stroke", "test": 104, "sizes": list(range(10, 101, 10)), **RUN},
        "ms": {"dataset": "ms", "test": 10, "sizes": [20], **RUN},
        "anatomy": {"dataset": "anatomy", "test": 20, "sizes": [15], **RUN},
    },
}


def names() -> list[str]:
    """The files of 2001 + 304 + 30 + 35 scans and of their labels."""
    cohort = [f"cohort/sub-{n:04d}/anat/sub-{n:04d}_T1w.nii.gz" for n in range(2001)]
    cases = [f"c{n // 40 + 1:04d}s{n:04d}t01" for n in range(304)]
    atlas = [f"atlas/{case[:5]}/{case}/{case}_{kind}_stx.nii.gz" for case in cases for kind in ("t1w", "LesionSmooth")]
    lesjak = [
        f"lesjak/patient{n:02d}/patient{n:02d}_{kind}.nii.gz" for n in range(1, 31) for kind in ("T1W", "consensus_gt")
    ]
    miccai = [f"miccai2012/{1000 + n}_{kind}.nii.gz" for n in range(35) for kind in ("SS", "glm")]
    return cohort + atlas + lesjak + miccai


def plan(folder: Path) -> pd.DataFrame:
    """Seconds, memory and jobs of a dry run on these files."""
    for name in names():
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    study = {**STUDY, "data": str(folder / "data"), "results": str(folder / "results")}
    for name, target in study["targets"].items():
        metric = "miou" if name == "anatomy" else "dice"
        target |= {"classes": {"grey": ["100-207"]} if name == "anatomy" else {"lesion": [1]}, "metric": metric}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--cores", "2"]
    started = time.perf_counter()
    shown = subprocess.run(
        [*command, "--configfile", str(folder / "study.yaml")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - started
    jobs = int(re.search(r"^total +(\d+)$", shown.stdout + shown.stderr, re.M)[1])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return pd.DataFrame([{"scans": 2370, "jobs": jobs, "seconds": seconds, "peak_mib": peak}])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        keep(plan(Path(scratch)), __file__)
