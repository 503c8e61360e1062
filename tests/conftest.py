import gc
import importlib.util
import os
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from headstart import debug

SCRIPTS = Path(__file__).parents[1] / "workflow_scripts"

# Before anything imports torch. Tests run in parallel: with more threads than cores each waits busily for the others,
# and all of them take about ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")


# Torch forgets the operators of a library that nothing holds.
_HELD = []


@pytest.fixture(scope="session")
def real_scans() -> Path:
    """The folder of real scans; tests that ask for it are skipped where there is none."""
    for folder in (os.environ.get("HEADSTART_DATA"), Path(__file__).parents[2] / "shared/data"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("no real scans: set HEADSTART_DATA to run this")


@pytest.fixture
def run_script(tmp_path):
    """Run a rule's script as Snakemake does: ``run_script(rule, input, params, output, threads=1)``."""

    def run(rule: str, input: object, params: dict, output: object, threads: int = 1) -> None:
        job = {"rule": rule, "log": [tmp_path / f"{rule}.log"], "input": input, "output": output, "threads": threads}
        debug.run_script(SCRIPTS / f"{rule}.py", SimpleNamespace(**job, params=SimpleNamespace(**params)))

    return run


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The configuration of the tiny study, in an empty folder."""
    thresholds = gc.get_threshold()
    monkeypatch.chdir(tmp_path)
    study = runpy.run_path(str(Path(__file__).parent / "workflow/conftest.py"))["TINY"]
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(study))
    yield path
    gc.set_threshold(*thresholds)


@pytest.fixture
def torchvision():
    """Torchvision; the test is skipped where it is not installed.

    A build for another kind of device than torch's cannot load its own operators, and then not be imported. A ResNet
    uses none of them, so that they may stand there by name alone.
    """
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed: make test-publish")
    import torch

    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    _HELD.append(torch.library.Library("torchvision", "FRAGMENT"))
    for name in ("nms", "qnms"):
        _HELD[-1].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision")
