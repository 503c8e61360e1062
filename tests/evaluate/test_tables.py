from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from headstart import job
from headstart.evaluate import comparisons, tables
from headstart.evaluate.scores import score_scan
from headstart.job import UserError

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
            table = pd.concat([score_scan(prediction, truth, NAMES, scan, 1, 1) for scan in SCANS])
            runs.append(f"stroke/{source}/size-2_resample-{resample}")
            paths.append(tmp_path / f"{source}{resample}.parquet")
            table.to_parquet(paths[-1])
    tests = {f"stroke/size-2_resample-{r}": SCANS for r in (1, 2)}
    return paths, runs, {"stroke": "dice"}, tests


def test_scores_and_gains_worked_by_hand(study):
    collected = tables.collect(*study, "skip")
    better, scratch = 2 * 9 / 19, 2 * 5 / 15
    scores = tables.scores(collected).set_index(["source", "resample", "level"])["score"]
    assert scores["better", 1, "volume"] == pytest.approx(better)
    assert scores["scratch", 2, "slice"] == pytest.approx(scratch)
    cells = list(tables.cells(collected, 200, 1))
    summary = tables.summary(cells)
    assert set(summary["resamples"]) == {2}
    assert set(summary["scans"]) == {3}
    gain = comparisons.gains(comparisons.compare(cells)).set_index("level").loc["volume"]
    assert list(gain[["gain", "low", "high"]]) == pytest.approx([better - scratch] * 3)
    assert gain["source"] == "better"
    assert gain["baseline"] == "scratch"


def test_the_script_writes_its_tables_and_the_scores_of_each_scan(study, run_script, tmp_path):
    paths, runs, metrics, tests = study
    written = SimpleNamespace(
        **{name: tmp_path / f"{name}.tsv" for name in ("scans", "scores", "summary", "distances")}
    )
    params = {
        "runs": runs,
        "metrics": metrics,
        "tests": tests,
        "empty": "skip",
        "draws": 100,
        "seed": 1,
        "population": {},
        "untrained": [],
        "tolerance_mm": 2.0,
        "scans": [("stroke", scan) for scan in SCANS],
    }
    registered = [tmp_path / f"{scan}.json" for scan in SCANS]
    for path in registered:
        path.write_text('{"determinant": 0.7}')
    files = SimpleNamespace(metrics=paths, registered=registered, native=[])
    run_script("tabulate_scores", files, params, written)
    pd.testing.assert_frame_equal(pd.read_parquet(written.scans), tables.collect(*study, "skip"))
    assert len(pd.read_csv(written.scores, sep="\t")) == 8
    assert len(pd.read_csv(written.summary, sep="\t")) == 4
    assert set(pd.read_csv(written.distances, sep="\t")["tolerance_mm"]) == {2.0}
    on_own_grids = tables.collect(*study, "skip").query("level == 'volume'").assign(score=0.25)
    job.write_table(tmp_path / "native.tsv", on_own_grids[[*tables.RUN, "scan", "score"]])
    files.native = [tmp_path / "native.tsv"]
    slices = pd.read_csv(written.summary, sep="\t").query("level == 'slice'")
    run_script("tabulate_scores", files, params, written)
    again = pd.read_csv(written.summary, sep="\t")
    assert again.query("level == 'volume'")["score"].tolist() == [0.25, 0.25]
    assert again.query("level == 'slice'").equals(slices)


def test_a_missing_scan_is_an_error(study):
    paths, runs, metrics, tests = study
    with pytest.raises(UserError, match=r"scratch1.parquet.*lacks 04"):
        tables.collect(paths, runs, metrics, {name: [*scans, "04"] for name, scans in tests.items()}, "skip")


def test_sizes_share_the_draws_of_scans_but_not_of_resamples():
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


def test_draws_pool_the_variance_of_resamples_over_the_sizes_and_add_what_a_pool_has_in_common():
    """Resamples differ at the second size alone: half of its variance of 0.08 is each size's, by the two's degrees."""
    rows = pd.DataFrame(
        {"target": "t", "source": "a", "size": size, "resample": r, "metric": "dice", "scan": s, "level": "volume",
         "total": 0.5 + (r - 1.5) * 0.4 * (size == 4), "count": 1}
        for size in (2, 4) for r in (1, 2) for s in (1, 2)
    )  # fmt: skip
    for population, expected in (({}, [0.02, 0.02]), ({"t": 8}, [0.02 + 0.04 / 3, 0.02 + 0.04])):
        drawn = np.column_stack([cell.drawn[:, 0] for cell in tables.cells(rows, 40_000, 1, population)])
        # Student's t with two degrees of freedom has no variance; its quartiles are at 0.8165.
        quartiles = np.subtract(*np.quantile(drawn, [0.75, 0.25], axis=0)) / 2
        assert quartiles == pytest.approx(0.8165 * np.sqrt(expected), rel=0.03)


def test_the_interval_of_a_score_concerns_single_models_if_there_is_one_resample():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"target": "t", "source": "a", "size": 2, "resample": 1, "metric": "dice", "scan": s, "level": "volume",
         "total": rng.uniform(0.4, 0.6), "count": 1} for s in range(6)
    )  # fmt: skip
    found = tables.summary(tables.cells(rows, 10, 1)).iloc[0]
    reach = stats.t.ppf(0.975, 5) * stats.sem(rows["total"])
    assert found[["low", "high"]].tolist() == pytest.approx(
        [rows["total"].mean() - reach, rows["total"].mean() + reach]
    )


def test_size_0_of_some_sources_has_a_summary_and_changes_no_other_number(study, tmp_path):
    """``better`` as it is pre-trained, tested once: in the summary alone, with an interval over the scans."""
    paths, runs, metrics, tests = study
    rng, truth, found = np.random.default_rng(0), np.zeros((4, 4, 5), np.uint8), []
    truth[1, :2] = 1
    for number, scan in enumerate(SCANS):
        prediction = truth * (rng.random(truth.shape) < 0.3 + 0.2 * number)
        found.append(score_scan(prediction.astype(np.uint8), truth, NAMES, scan, 1, 1))
    pd.concat(found).to_parquet(tmp_path / "zero.parquet")
    with_zero = tables.collect(
        [*paths, tmp_path / "zero.parquet"],
        [*runs, "stroke/better/size-0_resample-1"],
        metrics,
        {**tests, "stroke/size-0_resample-1": SCANS},
        "skip",
    )
    summary = tables.summary(tables.cells(with_zero, 200, 1)).set_index("size")
    zero = summary.loc[0]
    assert zero["source"].tolist() == ["better", "better"]
    assert (zero["low"] < zero["score"]).all()
    assert (zero["score"] < zero["high"]).all()
    assert zero[["resamples", "scans"]].to_numpy().tolist() == [[1, 3], [1, 3]]
    without = tables.collect(*study, "skip")
    others = tables.summary(tables.cells(without, 200, 1)).set_index("size")
    pd.testing.assert_frame_equal(summary.loc[[2]], others)
    pd.testing.assert_frame_equal(tables.of_fine_tuned(with_zero), without)
