"""Plan the paper's study (studies/paper.yaml), from empty files under the names of its datasets: 2,370 scans.

    python benchmarks/planning.py

Times ``snakemake --dry-run`` with nothing made yet.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from record import keep

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "studies/paper.yaml"
# The people of MICCAI 2012, as the challenge numbers them.
_ANATOMY = (
    *range(1000, 1016), *range(1017, 1020), *range(1023, 1026), 1036, 1038, 1039, *range(1101, 1129, 3),
)  # fmt: skip


def names() -> list[str]:
    """The files of 2001 + 304 + 30 + 35 scans and of their labels, a room, a thing, and the weights."""
    cohort = [f"BAHC/sub-{n:04d}/anat/sub-{n:04d}_T1w.nii.gz" for n in range(2001)]
    cases = [f"c{n // 40 + 1:04d}s{n:04d}t01" for n in range(304)]
    atlas = [
        f"ATLAS_R1.2/standard/{case[:5]}/{case}/{case}_{kind}_stx.nii.gz"
        for case in cases
        for kind in ("t1w", "LesionSmooth")
    ]
    lesjak = [
        f"open_ms_data/cross_sectional/coregistered/patient{n:02d}/patient{n:02d}_{kind}.nii.gz"
        for n in range(1, 31)
        for kind in ("T1W", "consensus_gt")
    ]
    miccai = [f"oasis-miccai2012/{n}_{kind}.nii.gz" for n in _ANATOMY for kind in ("SS", "glm")]
    natural = ["taskonomy/rgb/room/point_0_view_0_domain_rgb.png", "ILSVRC2012/n04070727/n04070727_1.JPEG"]
    return [*cohort, *atlas, *lesjak, *miccai, *natural, "resnet50-imagenet.pth"]


def plan(folder: Path) -> pd.DataFrame:
    """Seconds, memory and jobs of a dry run on these files."""
    for name in names():
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--dry-run",
        "--quiet",
        "rules",
        "--cores",
        "2",
        "--configfile",
        STUDY,
    ]
    command += ["--config", f"results={folder}/results"]
    environment = {**os.environ, "HEADSTART_DATA": str(folder / "data")}
    started = time.perf_counter()
    shown = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    jobs = int(re.search(r"^total +(\d+)$", shown.stdout + shown.stderr, re.M)[1])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return pd.DataFrame([{"scans": 2370, "jobs": jobs, "seconds": seconds, "peak_mib": peak}])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        keep(plan(Path(scratch)), __file__)
