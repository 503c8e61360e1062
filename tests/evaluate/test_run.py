import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest

from headstart import job
from headstart.evaluate import archive, run
from headstart.evaluate.scores import check_complete, score_scan
from headstart.job import UserError
from headstart.metrics import lesions
from headstart.slices import store

NAMES = ["background", "lesion"]
TOLERANCES = {f"sub-{n}": 3.0 + n for n in range(5)}
SCORING = run.Scoring(NAMES, 2.0, TOLERANCES, lesions=True)


@pytest.fixture
def predicted(tmp_path):
    """A file of predictions, the labels of each scan, and the arrays of both."""
    rng = np.random.default_rng(0)
    arrays = {scan: rng.integers(0, 2, (2, 3, 16, 16), np.uint8) for scan in TOLERANCES}
    labels = {scan: tmp_path / f"{scan}_dseg.npy" for scan in arrays}
    for scan, (_, truth) in arrays.items():
        store.write_labels(labels[scan], truth)
    archive.write(tmp_path / "predictions.npz", ((scan, found) for scan, (found, _) in arrays.items()))
    return tmp_path / "predictions.npz", labels, arrays


def test_each_scan_has_the_scores_and_lesions_of_its_own_prediction(predicted):
    path, labels, arrays = predicted
    scores, found = run.score(path, labels, SCORING)
    check_complete(scores, arrays)
    check_complete(found, arrays)
    for scan, (prediction, truth) in arrays.items():
        expected = score_scan(prediction, truth, NAMES, scan, 2.0, TOLERANCES[scan])
        pd.testing.assert_frame_equal(scores[scores["scan"] == scan].reset_index(drop=True), expected)
        expected = lesions.of_scan(prediction, truth, 0.008, scan)
        pd.testing.assert_frame_equal(found[found["scan"] == scan].reset_index(drop=True), expected)
    true = found[found["kind"] == "true"]
    assert np.allclose(true["volume_ml"], true["voxels"] * 0.008)


def test_several_processes_find_the_same_and_are_several(predicted):
    path, labels, _ = predicted
    alone = run.score(path, labels, SCORING)
    with run.processes(3) as apply:
        shared = run.score(path, labels, SCORING, apply)
        workers = set(apply(_process, range(50)))
    for one, other in zip(alone, shared, strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert os.getpid() not in workers
    with run.processes(1) as apply:
        assert set(apply(_process, range(3))) == {os.getpid()}


def _process(_):
    return os.getpid()


def test_no_process_outlives_the_one_that_started_it():
    code = """
import os, time
from headstart.evaluate import run

def process(_):
    return os.getpid()

with run.processes(3) as apply:
    print(*set(apply(process, range(50))), flush=True)
    time.sleep(60)
"""
    begun = subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(run.__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    started = [int(word) for word in begun.stdout.readline().split()]
    assert started
    begun.kill()
    begun.wait()
    last = time.monotonic() + 60
    while any(map(_runs, started)) and time.monotonic() < last:
        time.sleep(0.1)
    assert not any(map(_runs, started))


def _runs(process):
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("count", [1, 2])
def test_predictions_that_do_not_fit_are_named(predicted, tmp_path, count):
    path, labels, arrays = predicted
    with run.processes(count) as apply:
        with pytest.raises(UserError, match=r"predictions.npz has no prediction of sub-new; delete it"):
            run.score(path, labels | {"sub-new": labels["sub-0"]}, SCORING, apply)
        store.write_labels(labels["sub-1"], arrays["sub-1"][1][:2])
        with pytest.raises(UserError, match=r"prediction of shape \(3, 16, 16\) for sub-1, whose labels"):
            run.score(path, labels, SCORING, apply)


@pytest.mark.parametrize(("metric", "threads"), [("dice", 2), ("miou", 1)])
def test_the_script_writes_scores_and_lesions_of_targets_with_lesions(predicted, tmp_path, run_script, metric, threads):
    path, labels, arrays = predicted
    index, joined = tmp_path / "part-0000_scans.tsv", tmp_path / "part-0000_dseg.npy"
    store.write_labels(joined, np.concatenate([truth for _, truth in arrays.values()]))
    store.write_index(index, list(arrays), [3] * len(arrays))
    written = {name: [tmp_path / "written" / f"{name}.parquet"] for name in ("metrics", "lesions")}
    written["lesions"] *= metric == "dice"
    job.write_json(tmp_path / "registered.json", {"determinant": 0.512})
    params = {"scans": [["sub-2"]], "tested": ["sub-2"], "tolerance_mm": 4.0, "classes": NAMES, "voxel_mm": 3.0}
    run_script(
        "evaluate_target",
        SimpleNamespace(predictions=[path], index=[index], labels=[joined], registered=[tmp_path / "registered.json"]),
        params,
        SimpleNamespace(**written),
        threads=threads,
    )
    scoring = run.Scoring(NAMES, 3.0, {"sub-2": 4.0 / 0.8}, lesions=metric == "dice")
    scores, found = run.score(path, {"sub-2": labels["sub-2"]}, scoring)
    pd.testing.assert_frame_equal(pd.read_parquet(written["metrics"][0]), scores)
    if metric == "dice":
        pd.testing.assert_frame_equal(pd.read_parquet(written["lesions"][0]), found)
    assert {file.name for file in (tmp_path / "written").iterdir()} == {
        paths[0].name for paths in written.values() if paths
    }


def test_a_table_is_written_as_the_same_bytes(predicted, tmp_path):
    scores, _ = run.score(*predicted[:2], SCORING)
    for name in ("first", "again"):
        run.write(scores, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "first"), scores)
