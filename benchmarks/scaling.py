"""The cost of Snakemake's bookkeeping for studies of 1,000 to 50,000 jobs: the paper's with fewer or more scans.

    python benchmarks/scaling.py [--scans 2001 ...] [--only-plan]

Each study is studies/paper.yaml on empty files with the names of its datasets, and the given number of scans to
pre-train on (2001 in the paper). It is planned (``snakemake --dry-run``) before anything is made, then run with jobs
that only create their outputs, then planned again. Rules, inputs, parameters and resources are those of the project.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from record import keep

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "config.yaml", "envs", "rules", "profiles", "studies", "workflow_scripts")
# Studies of about 1,200, 5,000, 14,000 and 50,000 jobs.
SCANS = (100, 2001, 6180, 23550)
STROKES = 304
# The subjects of MICCAI 2012, as numbered by the challenge.
_ANATOMY = (
    *range(1000, 1016), *range(1017, 1020), *range(1023, 1026), 1036, 1038, 1039, *range(1101, 1129, 3),
)  # fmt: skip


def files(scans: int) -> Iterator[str]:
    """Names of the scans and labels, of one natural image of each kind, and of the weights."""
    for number in range(scans):
        yield f"BAHC/sub-{number:05d}/anat/sub-{number:05d}_T1w.nii.gz"
    for case in (f"c{number // 40 + 1:04d}s{number:04d}t01" for number in range(STROKES)):
        yield from (
            f"ATLAS_R1.2/standard/{case[:5]}/{case}/{case}_{kind}_stx.nii.gz" for kind in ("t1w", "LesionSmooth")
        )
    for number in range(1, 31):
        folder = f"open_ms_data/cross_sectional/coregistered/patient{number:02d}"
        yield from (f"{folder}/patient{number:02d}_{kind}.nii.gz" for kind in ("T1W", "consensus_gt"))
    for subject in _ANATOMY:
        yield from (f"oasis-miccai2012/{subject}_{kind}.nii.gz" for kind in ("SS", "glm"))
    yield "taskonomy/rgb/room/point_0_view_0_domain_rgb.png"
    yield "ILSVRC2012/n04070727/n04070727_1.JPEG"
    yield "resnet50-imagenet.pth"


def idle_project(folder: Path) -> None:
    """Copy the project into a folder, with jobs that only create their outputs."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    for rules in folder.glob("rules/*.smk"):
        idle = re.sub(r'^( *)script:\n *".*"$', r'\1shell:\n\1    "touch {output}"', rules.read_text(), flags=re.M)
        rules.write_text(idle)


def run(folder: Path, *arguments: str) -> tuple[str, float, float]:
    """Run Snakemake; returns its output, its seconds, and the peak memory of its own process in MiB."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "studies/paper.yaml", *arguments]
    environment = {**os.environ, "HEADSTART_DATA": str(folder / "data"), "NO_ET": "1"}
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        running = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, used = os.wait4(running.pid, 0)
        seconds = time.perf_counter() - started
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(text[-4000:])
    return text, seconds, used.ru_maxrss / 1024


def measure(scans: int, only_plan: bool) -> dict[str, float]:
    """Jobs, seconds and memory of a study with this number of scans to pre-train on."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        idle_project(folder)
        for name in files(scans):
            path = folder / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"-")  # an empty file of weights is refused
        text, seconds, mib = run(folder, "--dry-run", "--quiet", "rules")
        row = {"scans": scans + STROKES + 30 + len(_ANATOMY), "jobs": int(re.search(r"^total +(\d+)$", text, re.M)[1])}
        row |= {"plan_s": seconds, "plan_mib": mib}
        if not only_plan:
            _, row["run_s"], row["run_mib"] = run(folder, "--quiet", "all")
            text, row["again_s"], row["again_mib"] = run(folder, "--dry-run", "--quiet", "rules")
            assert "Nothing to be done" in text, text[-4000:]
        return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--scans", type=int, nargs="+", default=SCANS)
    parser.add_argument("--only-plan", action="store_true")
    options = parser.parse_args()
    keep(pd.DataFrame([measure(scans, options.only_plan) for scans in options.scans]), __file__)
