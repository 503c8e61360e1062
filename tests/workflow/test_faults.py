"""What goes wrong on machines, and that the study ends as if nothing had."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import yaml

pytestmark = pytest.mark.workflow

TRAINED = ("pretrain", "finetune", "evaluate", "tables", "figures", "benchmarks", "logs")


@pytest.fixture
def untrained(project, tmp_path):
    """A copy of the project whose study has its slices and nothing after them."""
    copied = replace(project, folder=tmp_path / "project")
    shutil.copytree(project.folder, copied.folder, symlinks=True)
    for part in TRAINED:
        shutil.rmtree(copied.results / part)
    return copied


def begin(project, study="tiny.yaml"):
    """Snakemake in a session of its own, so that it can be killed with all that it started."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", study]
    environment = {**os.environ, "NO_ET": "1"}
    return subprocess.Popen(
        command, cwd=project.folder, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def outcome(project):
    """The bytes of all that a study answers with."""
    kept = [path for part in ("tables", "pretrain", "finetune") for path in (project.results / part).rglob("*")]
    return {str(path.relative_to(project.results)): path.read_bytes() for path in kept if path.is_file()}


def test_all_killed_at_random_moments_ends_in_the_same_bytes(project, untrained):
    """Snakemake and its jobs, by SIGKILL, four times; then it is run again, and nothing else is done."""
    study = yaml.safe_load((untrained.folder / "tiny.yaml").read_text())
    study["training"] = {"checkpoint_minutes": 0}
    (untrained.folder / "often.yaml").write_text(yaml.safe_dump(study))
    rng = random.Random(1)
    for _ in range(4):
        running = begin(untrained, "often.yaml")
        seen = _steps(untrained)
        waited = time.monotonic()
        while _steps(untrained) == seen and running.poll() is None and time.monotonic() - waited < 60:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 2))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert untrained.snakemake("--unlock").returncode == 0
    done = untrained.snakemake(study="often.yaml")
    assert done.returncode == 0, done.stderr[-3000:]
    assert outcome(untrained) == outcome(project)
    assert _steps(untrained) == {}


def _steps(project):
    """Something that changes with each state that a training keeps."""
    return {path: path.stat().st_mtime_ns for path in project.results.rglob("[!.]*.state")}


def test_a_second_snakemake_on_a_folder_is_refused(untrained):
    first = begin(untrained)
    try:
        locks = untrained.folder / ".snakemake/locks"
        while not any(locks.glob("*")):
            time.sleep(0.05)
        second = untrained.snakemake()
        assert second.returncode != 0 and re.search(r"Directory cannot be locked", second.stdout + second.stderr)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small disk takes root")
def test_a_full_disk_is_said_and_a_larger_one_goes_on(project, untrained):
    models = untrained.results / "finetune"
    models.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", models], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        full = untrained.snakemake()
        assert full.returncode != 0
        assert re.search(r"headstart: finetune_stroke: the disk is full: \S+ could not be written", full.stderr)
        written = [path.stat().st_size for path in models.rglob("*.safetensors")]
        whole = [path.stat().st_size for path in (project.results / "finetune").rglob("*.safetensors")]
        assert set(written) <= set(whole)
        subprocess.run(["mount", "-o", "remount,size=2g", models], check=True)
        done = untrained.snakemake()
        assert done.returncode == 0, done.stderr[-3000:]
        assert outcome(untrained) == outcome(project)
    finally:
        subprocess.run(["umount", models], check=True)
