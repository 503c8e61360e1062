"""Processes that are killed or started twice, and that the study ends as if nothing had happened."""

import contextlib
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.workflow


def test_a_study_that_is_disturbed_ends_in_the_same_bytes(project, untrained):
    """Slices dated three hours ahead by another machine's clock, a second Snakemake in the same folder, and all killed
    (SIGKILL) at four random moments of training: the slices are dated as of now, the second Snakemake is refused in a
    sentence, and what is left is run to the same bytes.
    """
    study = yaml.safe_load((untrained.folder / "tiny.yaml").read_text())
    study["training"] = {"checkpoint_minutes": 0}
    (untrained.folder / "often.yaml").write_text(yaml.safe_dump(study))
    for path in (untrained.results / "slices").rglob("*.*"):
        written = path.stat().st_mtime + 3 * 3600
        os.utime(path, (written, written))
    rng = random.Random(1)
    for number in range(4):
        running = untrained.begin(study="often.yaml")
        try:
            seen = _steps(untrained)
            waited = time.monotonic()
            while _steps(untrained) == seen and running.poll() is None and time.monotonic() - waited < 60:
                time.sleep(0.05)
            if number == 0:
                assert_refused(untrained.snakemake())
            time.sleep(rng.uniform(0, 2))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        assert untrained.snakemake("--unlock").returncode == 0
    done = untrained.snakemake(study="often.yaml")
    assert done.returncode == 0, done.stderr[-3000:]
    assert untrained.outcome() == project.outcome()
    assert _steps(untrained) == {}
    assert untrained.to_run(study="often.yaml") == {}


def assert_refused(second):
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr


def _steps(project):
    """Something that changes with each state that a training keeps."""
    return {path: path.stat().st_mtime_ns for path in project.results.rglob("[!.]*.state")}


def test_a_worker_killed_in_any_stage_is_started_again(project, untrained):
    """A job killed (SIGKILL) in each stage, the first of each script below: tried again by itself, the same bytes.

    Of the stages before training, the files of one person and some of the others are made again.
    """
    scripts = {
        *("make_subject", "register_scan", "resample_target", "label_scan", "slice_scans", "pretrain_source"),
        *("finetune_target", "segment_target", "evaluate_target", "tabulate_scores"),
    }
    for part in ("datasets", "derivatives"):
        shutil.rmtree(untrained.results / part / "cohort/sub-01")
    for path in (untrained.results / "derivatives/stroke").rglob("*_desc-target_dseg.*"):
        path.unlink()
    running = untrained.begin("--retries", "2")
    left = set(scripts)
    while running.poll() is None:
        for script, process in workers(untrained):
            if script in left:
                left.remove(script)
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)
    assert running.returncode == 0
    assert left == set()
    assert untrained.outcome() == project.outcome()
    assert untrained.to_run() == {}


def workers(project):
    """The scripts that a project's jobs run now, each with its process, from a third of a second of its age on."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (place / "cmdline").read_text()
            script = re.search(re.escape(str(project.folder)) + r"/\.snakemake/scripts/tmp\w+\.(\w+)\.py", command)
            if script and "snakemake\0" not in command and time.time() - place.stat().st_mtime > 0.3:
                yield script[1], int(place.name)
