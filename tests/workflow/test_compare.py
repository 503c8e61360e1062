"""Finished studies side by side by one command, which needs their results alone and runs none of them."""

import os
import shutil
import subprocess
import sys

import pytest
from finished_studies import save_study

pytestmark = pytest.mark.workflow


def compare(project, studies):
    """The command as a user types it, without the file of any study."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "compare"]
    asked = ["--config", f"studies={studies}"] if studies else []
    environment = {**os.environ, "NO_ET": "1"}
    return subprocess.run([*command, *asked], cwd=project.folder, env=environment, capture_output=True, text=True)


def test_results_are_compared_without_their_configurations_and_again_when_they_change(bare_project):
    results = bare_project.folder / "results"
    for name, seed in (("unet", 1), ("default", 2)):
        save_study(results, name, seed=seed)
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()}
    done = compare(bare_project, "[unet, default]")
    assert done.returncode == 0, done.stderr[-2000:]
    page = results / "compare/unet_vs_default/index.html"
    assert "are equivalent" in page.read_text()
    # The default study is the one that is configured: its results look out of date, and are left as they are.
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "Nothing to be done" in compare(bare_project, "[unet, default]").stderr
    shutil.rmtree(results / "unet")
    save_study(results, "unet", {"scratch": {1: 0.6, 2: 0.7, 4: 0.8}})
    assert compare(bare_project, "[unet, default]").returncode == 0
    assert "unet is significantly better than default" in page.read_text()


def test_two_targets_of_a_study_are_compared(bare_project):
    results = bare_project.folder / "results"
    save_study(results, "ms", target="t1", others={"t1-flair": {"scratch": {1: 0.6, 2: 0.7, 4: 0.8}}})
    done = compare(bare_project, "{ms: [t1, t1-flair]}")
    assert done.returncode == 0, done.stderr[-2000:]
    page = (results / "compare/ms.t1_vs_ms.t1-flair/index.html").read_text()
    assert "ms.t1-flair is significantly better than ms.t1: +0.2" in page


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        (None, "headstart: compare: studies is not set; name two finished studies or more"),
        ("[unet]", "headstart: compare: studies names unet alone"),
        ("{unet: [anatomy, brain]}", "headstart: compare: studies.unet names brain, but its targets are anatomy; name"),
        ("[unet, unett]", "headstart: compare: studies names unett, but results/unett does not exist; correct it (did"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_sentence(bare_project, studies, message):
    save_study(bare_project.folder / "results", "unet")
    stopped = compare(bare_project, studies)
    assert stopped.returncode != 0
    assert message in stopped.stderr
    assert "Traceback" not in stopped.stderr
