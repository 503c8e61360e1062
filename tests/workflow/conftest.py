"""A copy of the project with a tiny study, run once for all tests of the workflow."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "config.yaml", "envs", "rules", "profiles", "workflow_scripts")
# What a study answers with.
ANSWERS = ("pretrain", "tuning", "finetune", "evaluate", "tables", "figures")

PHANTOM = {"layout": "phantom", "voxel_mm": [2.0, 2.4], "discard_mm": {"top": 40, "bottom": 40}}
TINY = {
    "study": "tiny",
    "template": {"voxel_mm": 4},
    "datasets": {
        "cohort": {**PHANTOM, "people": 3},
        "stroke": {**PHANTOM, "people": 4, "lesions": "stroke", "target": "lesion"},
    },
    "register": {"voxel_mm": 4, "shrink": [2, 1], "iterations": [200, 100]},
    "label": {"warp_mm": 4, "warp_iterations": [10, 0, 0], "steps": [4, 2]},
    "slice": {"size": 64, "scans_per_file": 2},
    "network": {"decoder_widths": [16, 16, 8, 8, 8, 8, 8, 8, 8]},
    "pretrain": {
        "epochs": 1,
        "sources": {"scratch": {}, "t1-segmentation": {"dataset": "cohort", "task": "segmentation"}},
    },
    "finetune": {"learning_rates": [1.0e-3, 1.0e-4], "draws": 1},
    "targets": {
        "stroke": {
            "dataset": "stroke",
            "classes": {"lesion": [1]},
            "metric": "dice",
            "test": 2,
            "sizes": [1, 2],
            "resamples": 1,
            "epochs": 1,
        }
    },
    "evaluate": {"bootstrap": 4000},
}


@dataclass
class Project:
    """A copy of the project; ``results`` is where its tiny study goes."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results/tiny"

    def snakemake(self, *arguments: str, study: str = "tiny.yaml") -> subprocess.CompletedProcess:
        """Run Snakemake as a user would, in the project's folder."""
        return subprocess.run(**self._call(study, arguments), capture_output=True, text=True)

    def to_run(self, *arguments: str, study: str = "tiny.yaml") -> dict[str, int]:
        """How many jobs of each rule a run would do now."""
        shown = self.snakemake("--dry-run", *arguments, study=study)
        assert shown.returncode == 0, shown.stderr
        return self.count(shown)

    def begin(self, *arguments: str, study: str = "tiny.yaml", said=subprocess.DEVNULL) -> subprocess.Popen:
        """Start Snakemake in a session of its own, so that it can be killed with all that it starts."""
        return subprocess.Popen(**self._call(study, arguments), start_new_session=True, stdout=said, stderr=said)

    def _call(self, study: str, arguments: Iterable[str]) -> dict:
        # Each run waits for one timespan at its end (profiles/default).
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--max-jobs-per-timespan", "10000/1s"]
        command += ["--configfile", study, *arguments]
        return {"args": command, "cwd": self.folder, "env": {**os.environ, "NO_ET": "1"}}

    def written(self, *parts: str) -> dict[Path, int]:
        """When each file in these folders of the results was written, in ns."""
        files = chain(*(sorted((self.results / part).rglob("*")) for part in parts))
        return {path: path.stat().st_mtime_ns for path in files if path.is_file()}

    def outcome(self) -> dict[str, bytes]:
        """All that the study answers with, by name; something of each part, weights among it."""
        kept = {part: [path for path in (self.results / part).rglob("*") if path.is_file()] for part in ANSWERS}
        assert all(kept.values())
        assert any(path.name == "model.safetensors" for path in kept["finetune"])
        return {str(path.relative_to(self.results)): path.read_bytes() for path in chain(*kept.values())}

    def copy(self, folder: Path) -> "Project":
        """The same in another folder, its results with it."""
        return Project(shutil.copytree(self.folder, folder, symlinks=True))

    def take_template(self, other: "Project", study: str = "tiny") -> None:
        """Begin a study with the template of another project, which takes half a minute to make."""
        shutil.copytree(other.results / "template", self.folder / "results" / study / "template")

    @staticmethod
    def count(shown: subprocess.CompletedProcess) -> dict[str, int]:
        """How many jobs of each rule a dry run shows."""
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", shown.stdout + shown.stderr, re.S)
        rows = [line.split() for line in table[1].splitlines()] if table else []
        return {rule: int(count) for rule, count in rows if rule != "all"}


def copy_project(folder: Path) -> Project:
    """Copy what the workflow runs on into a folder, and write the tiny study beside it."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.pyc.*"))  # half-written ones
        else:
            shutil.copy(source, folder / part)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return Project(folder)


@pytest.fixture
def bare_project(tmp_path) -> Project:
    """A copy that has run nothing."""
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="session")
def new_project():
    """Make a copy that has run nothing: ``new_project(folder)``."""
    return copy_project


def _imitate(patched: pytest.MonkeyPatch, folder: Path, tools: dict[str, str]) -> None:
    (folder / "bin").mkdir()
    for name, body in tools.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / "bin" / name).chmod(0o755)
    patched.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)


@pytest.fixture(scope="session")
def imitate():
    """Have a scheduler's tools answered for by shell scripts in a folder's bin: ``imitate(patched, folder, tools)``."""
    return _imitate


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Project:
    """The copy, its tiny study run to the end: once, and copied for each process that runs tests."""
    own = tmp_path_factory.mktemp("study")
    shared = own.parents[1] if "PYTEST_XDIST_WORKER" in os.environ else own.parent
    finished = shared / "finished"
    with FileLock(shared / "finished.lock"):
        if not finished.exists():
            copied = copy_project(own / "run")
            done = copied.snakemake()
            assert done.returncode == 0, done.stderr[-4000:]
            copied.folder.rename(finished)
    return Project(finished).copy(own / "project")


@pytest.fixture
def finished(project, tmp_path) -> Project:
    """A copy of the project whose study has been run to its end."""
    return project.copy(tmp_path / "project")


@pytest.fixture
def untrained(finished) -> Project:
    """A copy of the project whose study has its slices and nothing after them."""
    for part in (*ANSWERS, "benchmarks", "logs"):
        shutil.rmtree(finished.results / part)
    (finished.results / "provenance.json").unlink()
    return finished
