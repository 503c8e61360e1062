from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from headstart.evaluate import tables
from headstart.evaluate.scores import score_scan
from headstart.job import UserError
from headstart.report import figures

NAMES = ["background", "lesion"]
SCANS = ["01", "02", "03"]


@pytest.fixture
def study(tmp_path):
    """Two sources, two resamples, three scans: ``better`` misses one voxel of ten, ``scratch`` five."""
    truth = np.zeros((4, 4, 5), np.uint8)
    truth[1, :2] = 1
    paths, runs = [], []
    for source, missed in (("scratch", 5), ("better", 1)):
        for resample in (1, 2):
            prediction = truth.copy()
            prediction[1].reshape(-1)[:missed] = 0
            table = pd.concat([score_scan(prediction, truth, NAMES, scan) for scan in SCANS])
            runs.append(f"stroke/{source}/size-2_resample-{resample}")
            paths.append(tmp_path / f"{source}{resample}.parquet")
            table.to_parquet(paths[-1])
    tests = {f"stroke/size-2_resample-{r}": SCANS for r in (1, 2)}
    return paths, runs, {"stroke": "dice"}, tests


def test_scores_and_gains_worked_by_hand(study):
    collected = tables.collect(*study)
    better, scratch = 2 * 9 / 19, 2 * 5 / 15
    scores = tables.scores(collected).set_index(["source", "resample", "level"])["score"]
    assert scores["better", 1, "volume"] == pytest.approx(better)
    assert scores["scratch", 2, "slice"] == pytest.approx(scratch)
    cells = list(tables.cells(collected, 200, 1))
    summary = tables.summary(cells)
    assert set(summary["resamples"]) == {2} and set(summary["scans"]) == {3}
    gain = tables.gains(cells).set_index("level").loc["volume"]
    assert list(gain[["gain", "low", "high"]]) == pytest.approx([better - scratch] * 3)
    assert gain["source"] == "better" and gain["baseline"] == "scratch"


def test_the_rule_writes_its_tables_and_each_scans_scores(study, run_script, tmp_path):
    paths, runs, metrics, tests = study
    written = SimpleNamespace(**{name: tmp_path / f"{name}.tsv" for name in ("scans", "scores", "summary", "gains")})
    params = {"runs": runs, "metrics": metrics, "tests": tests, "empty": "skip", "draws": 100, "seed": 1}
    run_script("tabulate_scores", SimpleNamespace(metrics=paths), params, written)
    pd.testing.assert_frame_equal(pd.read_parquet(written.scans), tables.collect(*study))
    shown = pd.read_csv(written.gains, sep="\t")
    assert list(shown["level"]) == ["slice", "volume"] and len(pd.read_csv(written.summary, sep="\t")) == 4


def test_no_scan_vanishes(study):
    paths, runs, metrics, tests = study
    with pytest.raises(UserError, match=r"scratch1.parquet.*lacks 04"):
        tables.collect(paths, runs, metrics, {name: [*scans, "04"] for name, scans in tests.items()})


def test_without_the_baseline_there_are_no_gains(study):
    paths, runs, metrics, tests = study
    collected = tables.collect(paths[2:], runs[2:], metrics, tests)
    gains = tables.gains(tables.cells(collected, 200, 1))
    assert gains.empty and "gain" in gains.columns and figures.headline(gains) == ""


def test_sizes_share_the_scans_drawn_and_not_the_resamples():
    rows = [
        {"target": "t", "source": "a", "size": size, "resample": r, "metric": "dice", "scan": s, "level": "volume",
         "total": s / 10, "count": 1}
        for size in (1, 2) for r in (1, 2, 3) for s in (1, 2, 3, 4)
    ]  # fmt: skip
    first, second = tables.cells(pd.DataFrame(rows), 50, 1)
    np.testing.assert_allclose(first.drawn, second.drawn)
    by_resample = pd.DataFrame(rows).assign(total=lambda table: table["resample"] / 10)
    first, second = tables.cells(by_resample, 50, 1)
    assert not np.allclose(first.drawn, second.drawn)


def test_the_headline_says_when_sources_are_not_told_apart():
    row = {"size": 2, "source": "a", "baseline": "scratch", "gain": 0.1, "low": -0.1, "high": 0.3}
    assert figures.headline(pd.DataFrame([row])).endswith("at 2 scans: not told apart")
    assert figures.headline(pd.DataFrame([row | {"low": 0.05}])) == "a +0.10 [+0.05, +0.30] over scratch at 2 scans"


def test_examples_are_picked_by_rule():
    truth = np.zeros((1, 2, 5), np.uint8)
    truth[0, 0] = 1
    parts = []
    for scan, found in (("a", 2), ("b", 5), ("c", 0)):
        prediction = np.zeros_like(truth)
        prediction[0, 0, :found] = 1
        parts.append(score_scan(prediction, truth, NAMES, scan))
    assert figures.choose_examples({"s": pd.concat(parts)}, "dice") == {"best": "b", "median": "a", "worst": "c"}
