import numpy as np
import pandas as pd
import pytest
from simulated_scores import SPREAD, simulated_scores, true_score

from headstart.evaluate import mixed_model


def anova(gains):
    """Mean, its standard error and the effects' standard deviations, of gains (resamples, scans), by mean squares."""
    r, s = gains.shape
    rows, columns, mean = gains.mean(1), gains.mean(0), gains.mean()
    noise = ((gains - rows[:, None] - columns + mean) ** 2).sum() / ((r - 1) * (s - 1))
    scan, resample = columns.var(ddof=1) - noise / r, rows.var(ddof=1) - noise / s
    return mean, np.sqrt(scan / s + resample / r + noise / (r * s)), np.sqrt(scan), np.sqrt(resample), np.sqrt(noise)


def test_the_model_agrees_with_analysis_of_variance():
    """With complete data and no variance at its bound, restricted maximum likelihood is the analysis of variance."""
    collected = simulated_scores({"scratch": 0, "a": 10}, (10,), 8, 15, 4, SPREAD | {"own_resample": 0.06})
    wide = collected.pivot(index=["resample", "scan"], columns="source", values="total")
    mean, error, *deviations = anova((wide["a"] - wide["scratch"]).unstack().to_numpy())
    row = mixed_model.model(collected).iloc[0]
    assert row["status"] == "fitted"
    assert row["gain"] == pytest.approx(mean)
    assert (row["high"] - row["low"]) / 2 / 1.959964 == pytest.approx(error, rel=1e-3)
    assert list(row[["sd_scan", "sd_resample", "sd_residual"]]) == pytest.approx(deviations, rel=1e-2)
    assert abs(row["gain"] - (true_score(10, 10) - true_score(10))) < 4 * error


@pytest.mark.parametrize(("resamples", "scans", "reason"), [(1, 5, "two resamples"), (3, 1, "two scans")])
def test_one_scan_or_resample_has_no_fit_and_the_reason_is_given(resamples, scans, reason):
    row = mixed_model.model(simulated_scores({"scratch": 0, "a": 1}, (3,), resamples, scans, 0)).iloc[0]
    assert row["status"].startswith("no fit: ")
    assert reason in row["status"]
    assert np.isnan(row["gain"])


def test_a_singular_fit_is_marked():
    noise = np.random.default_rng(0).normal(size=(4, 6))
    gains = np.linspace(0, 1, 6) + 0.01 * (noise - noise.mean(axis=1, keepdims=True))
    resamples, scans = (pd.Index(axis.ravel()) for axis in np.indices(gains.shape))
    found = mixed_model.fit(gains.ravel(), scans, resamples)
    assert "no variance of resample" in found["status"]
    assert np.isfinite(found["gain"])


def test_equal_gains_and_a_missing_baseline_do_not_fail():
    same = simulated_scores({"scratch": 0, "a": 1}, (3,), 2, 3, 0).assign(total=0.5)
    assert mixed_model.model(same)["status"].iloc[0].startswith("no fit: ")
    assert mixed_model.model(simulated_scores({"a": 0, "b": 1}, (3,), 2, 3, 0)).empty
