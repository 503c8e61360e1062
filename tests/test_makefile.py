"""What make says before it installs anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What the ``make test`` around these tests hands on: with it, make takes itself for a part of that one and says more.
WITHIN_MAKE = ("MAKEFLAGS", "MAKELEVEL")


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_another_python_ends_in_one_sentence(tmp_path, version):
    (tmp_path / "envs").mkdir()
    for name in ("Makefile", "envs/requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = {(*version, 0)}; $2"\n')
    other.chmod(0o755)
    done = subprocess.run(["make", "setup", f"PYTHON={other}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    said = done.stderr.splitlines()[0]
    assert said.startswith("headstart runs on Python 3.11 to 3.13")
    assert f"is {version[0]}.{version[1]}; call make PYTHON=" in said
    assert not (tmp_path / ".venv").exists()


def commands(tmp_path, **environment):
    """The commands of ``make report``, with an nvidia-smi that lists three GPUs."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nfor number in 0 1 2; do echo GPU $number: NVIDIA; done\n")
    tool.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if key not in ("CUDA_VISIBLE_DEVICES", *WITHIN_MAKE)}
    environment = kept | {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | environment
    done = subprocess.run(["make", "-n", "report"], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("visible", "resources"),
    [
        ({}, "--resources gpu=3"),
        ({"CUDA_VISIBLE_DEVICES": "1"}, "--resources gpu=1"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8f2c,MIG-77aa"}, "--resources gpu=2"),
    ],
)
def test_as_many_gpus_are_used_as_are_visible(tmp_path, visible, resources):
    assert resources in commands(tmp_path, **visible)


def test_no_gpu_is_used_if_none_is_visible(tmp_path):
    assert "--resources" not in commands(tmp_path, CUDA_VISIBLE_DEVICES="")


def test_a_home_folder_that_cannot_be_written_to_is_not_snakemakes_cache(tmp_path):
    assert "XDG_CACHE_HOME" not in commands(tmp_path, HOME=str(tmp_path))
    assert f'XDG_CACHE_HOME="{ROOT}/.snakemake/cache"' in commands(tmp_path, HOME="/dev/null")


@pytest.mark.parametrize("folder", ['~/it\'s "mine" & more', "a $HOME $(shell false) `b`", "#x"])
def test_a_folder_reaches_the_command_as_it_was_typed(tmp_path, folder):
    (tmp_path / "envs").mkdir()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "envs/requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("python", "snakemake"):
        program = tmp_path / ".venv/bin" / name
        program.write_text(f'#!/bin/sh\nfor given; do printf "{name} %s\\n" "$given"; done\n')
        program.chmod(0o755)
    (tmp_path / ".venv/.installed").touch()
    environment = {key: value for key, value in os.environ.items() if key not in WITHIN_MAKE}
    command = ["make", "study", "NAME=mine", f"FOLDER={folder}", "ENTRY=exclude: ['1']"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert f"python --folder={folder}" in said
    assert "python --entry=exclude: ['1']" in said
    assert "python --force" not in said
    assert said[-3:] == ["snakemake studies/mine.yaml", "snakemake --", "snakemake plan"]
