"""Disks, files and clocks that go wrong, and that the study ends as if nothing had."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.workflow


@pytest.fixture
def mounted():
    """Mount what the arguments of ``mount`` say: ``mounted(folder, *arguments)``; unmounted at the end."""
    done = []

    def mount(folder, *arguments):
        if subprocess.run(["mount", *arguments, folder], capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
        done.append(folder)

    yield mount
    for folder in reversed(done):
        subprocess.run(["umount", folder], check=True)


def contents(folder):
    """The bytes of all files in a folder, by their names in it."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def outline(done):
    """The names of the jobs that a run began."""
    return re.findall(r"^(?:local)?rule (\w+):", done.stderr, re.M)


root_only = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting takes root")


@root_only
def test_a_full_disk_is_said_and_a_larger_one_goes_on(project, untrained, mounted):
    """A full disk: the job that cannot write says so in a sentence; run again with more space, the same models."""
    models = untrained.results / "finetune"
    models.mkdir()
    mounted(models, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
    full = untrained.snakemake("--", "finetune")
    assert full.returncode != 0
    assert re.search(r"headstart: finetune_stroke: the disk is full: \S+ could not be written", full.stderr)
    whole = {path.stat().st_size for path in (project.results / "finetune").rglob("*.safetensors")}
    assert {path.stat().st_size for path in models.rglob("*.safetensors")} <= whole
    subprocess.run(["mount", "-o", "remount,size=2g", models], check=True)
    done = untrained.snakemake("--", "finetune")
    assert done.returncode == 0, done.stderr[-3000:]
    made, undisturbed = (contents(each.results / "finetune") for each in (untrained, project))
    assert made == undisturbed
    assert untrained.to_run("--", "finetune") == {}


@root_only
def test_results_that_cannot_be_written_are_said_before_any_job(untrained, mounted):
    """Results that are read-only: refused in a sentence before any job, nothing changed."""
    folder = untrained.results.parent
    mounted(folder, "--bind", folder)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    for study, said in (("tiny", "Write-protected output files"), ("new", "headstart: results/new cannot be written")):
        refused = untrained.snakemake("--config", f"study={study}")
        assert refused.returncode != 0, refused.stderr
        assert said in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr
        assert outline(refused) == []


def make(project, *arguments):
    """Run ``make`` on a project's tiny study, with what is installed for these tests."""
    shutil.copy(Path(__file__).parents[2] / "Makefile", project.folder)
    (project.folder / ".venv").symlink_to(sys.prefix)
    command = ["make", "--old-file=.venv/.installed", "STUDY=tiny.yaml", "CORES=2", *arguments]
    # These tests may themselves be run by make, which tells what it starts of its own call.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    try:
        return subprocess.run(command, cwd=project.folder, capture_output=True, text=True, env=environment)
    finally:
        (project.folder / ".venv").unlink()


def test_what_was_damaged_behind_snakemakes_back_is_found_and_made_again(project, finished):
    """Files cut short, a bit of weights or of a mask flipped, times kept, a table gone that nothing asks for:
    `make run REPAIR=1` finds them by size or SHA-256 and makes them again, to the same bytes.
    """
    told = (finished.results / "provenance.json").read_bytes()
    whole = make(finished, "verify")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert str(finished.folder) not in told.decode()
    cut = {"tables/summary.tsv": 100, "slices/stroke/part-0000_T1w.npy": 5000}
    (mask,) = (finished.results / "derivatives/cohort/sub-01/anat").glob("*_desc-brain_mask.nii.gz")
    flipped = ("finetune/stroke/scratch/size-1_resample-1/model.safetensors", mask.relative_to(finished.results))
    for path in (finished.results / name for name in (*cut, *flipped)):
        was, content = path.stat(), bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content[: cut.get(str(path.relative_to(finished.results)))])
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    gone = "evaluate/stroke/scratch/size-1_resample-1/metrics.parquet"
    (finished.results / gone).unlink()
    assert finished.to_run() == {}
    found = make(finished, "verify")
    assert found.returncode != 0
    for name, size in cut.items():
        assert f"<study>/{name}: {size} bytes, was " in found.stdout
    for name, how in (*((name, "changed") for name in flipped), (gone, "missing")):
        assert f"<study>/{name}: {how}" in found.stdout
    assert make(finished, "missing").stdout.split() == [f"results/tiny/{gone}"]
    repaired = make(finished, "run", "REPAIR=1")
    assert repaired.returncode == 0, repaired.stdout[-3000:] + repaired.stderr[-3000:]
    assert finished.outcome() == project.outcome()
    assert finished.to_run() == {}
    assert (finished.results / "provenance.json").read_bytes() == told
    assert make(finished, "verify").returncode == 0
    assert make(finished, "missing").stdout == ""


def test_a_scan_of_the_future_is_named_before_any_job(project, finished):
    """A scan dated in the future: named in a sentence before any job."""
    scans = finished.folder / "scans"
    scans.mkdir()
    for path in (finished.results / "datasets/cohort").rglob("*_T1w.nii.gz"):
        shutil.copy(path, scans / path.name)
    os.utime(scans / path.name, (time.time() + 86400,) * 2)
    study = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    study |= {"study": "real", "data": str(scans)}
    study["datasets"]["cohort"] = {"layout": "flat", "folder": ".", "pattern": r"sub-(?P<subject>\d+)_T1w.nii.gz"}
    (finished.folder / "real.yaml").write_text(yaml.safe_dump(study))
    refused = finished.snakemake(study="real.yaml")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert outline(refused) == []
    assert f"headstart: scans/{path.name} is dated in the future" in refused.stderr
