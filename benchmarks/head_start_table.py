"""Mean scores of benchmarks/head_start.py, and gains over scratch, with 95 % confidence intervals.

    python benchmarks/head_start_table.py

A gain is the difference to ``scratch`` with the same network, set size, length of training and augmentation, paired by
test scan and training set. Intervals are bootstrapped over both (headstart.evaluate.bootstrap) and not corrected for
the number of comparisons. ``p``: of no gain, two-sided, from the same draws; ``p_holm``: adjusted (Holm 1979) over all
gains, of all sources and set sizes, with the same target, network, length of training and augmentation. ``falling``:
fraction of the judged trainings whose loss still fell by more than 5 % at their end
(headstart.training.plateau), n/a if none was judged. Overwrites benchmarks/head_start.tsv.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))
from headstart.evaluate import bootstrap  # noqa: E402
from headstart.training import plateau  # noqa: E402

DRAWS = 10_000
SEED = 2022
NAME = (
    r"(?P<target>\w+)/(?P<network>\w+)/(?P<source>[^/]+)/"
    r"size-(?P<scans>\d+)_steps-(?P<steps>\d+)_(?P<augmentation>\w+)"
)
FAMILY = ["target", "network", "steps", "augmentation"]
CONDITION = [*FAMILY, "scans"]


def scores(path: Path) -> pd.DataFrame:
    """One row for each test scan of each fine-tuning."""
    table = pd.read_csv(path, sep="\t", dtype={"scan": str})
    return table.join(table["name"].str.extract(NAME).astype({"scans": int, "steps": int}))


def cells(of_source: pd.DataFrame) -> pd.DataFrame:
    """Scores of a source, training sets by test scans."""
    return of_source.pivot(index="draw", columns="scan", values="score")


def estimates(condition: pd.DataFrame) -> list[dict]:
    """The rows of the sources that share a condition."""
    tables = {source: cells(rows) for source, rows in condition.groupby("source")}
    gains = {}
    if "scratch" in tables:
        others = tables.keys() - {"scratch"}
        gains = {source: gain(difference(tables[source], tables["scratch"])) for source in others}
    return [
        {
            "source": source,
            "learning_rate": rows["rate"].iloc[0],
            "training_sets": len(tables[source]),
            "test_scans": tables[source].shape[1],
            **named("score", tables[source], 0, 1),
            **gains.get(source, {}),
            "device": rows["device"].iloc[0],
            "falling": falling(rows.groupby("draw")["fall"].first()),
        }
        for source, rows in condition.groupby("source")
    ]


def difference(table: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Differences on the training sets that both have."""
    shared = table.index.intersection(baseline.index)
    return table.loc[shared] - baseline.loc[shared]


def falling(falls: pd.Series) -> float:
    """Fraction of the judged trainings that were still learning; NaN if none was judged."""
    return (falls.dropna() > plateau.STILL_LEARNING).mean()


def gain(differences: pd.DataFrame) -> dict[str, float]:
    """The mean of a table of differences, training sets by test scans, with its interval and its p-value."""
    return named("gain", differences, -1, 1) | {"p": bootstrap.p_value(means(differences))}


def named(what: str, table: pd.DataFrame, least: float, most: float) -> dict[str, float]:
    """The mean of a table of training sets by test scans, with its interval, which ends at these limits."""
    found = bootstrap.interval(table.to_numpy().mean(), means(table), least, most)
    return {what: found.estimate, f"{what}_low": found.low, f"{what}_high": found.high}


def means(table: pd.DataFrame) -> np.ndarray:
    """The mean of a table of training sets by test scans in each bootstrap draw."""
    totals = table.to_numpy()[None]
    by_set, by_scan = (bootstrap.weights(DRAWS, units, SEED + axis) for axis, units in enumerate(table.shape))
    return bootstrap.bootstrap_means(totals, np.ones_like(totals), by_set, by_scan)[:, 0]


def holm(p_values: pd.Series) -> np.ndarray:
    """P-values of a family, adjusted by Holm's method; NaN stays NaN and does not count towards the family."""
    p = np.array(p_values, float)
    known = ~np.isnan(p)
    if known.any():
        p[known] = multipletests(p[known], method="holm")[1]
    return p


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """The table of all conditions, from the scores."""
    found = pd.DataFrame(
        dict(zip(CONDITION, condition, strict=True)) | row
        for condition, group in rows.groupby(CONDITION)
        for row in estimates(group)
    )
    found["p_holm"] = found.groupby(FAMILY)["p"].transform(holm)
    return found.sort_values([*FAMILY, "source", "scans"])


if __name__ == "__main__":
    table = compared(scores(ROOT / "results/head_start/scores.tsv"))
    print(table.to_string(index=False, float_format="%.3f"))
    table.to_csv(Path(__file__).with_name("head_start.tsv"), sep="\t", index=False, float_format="%.4g", na_rep="n/a")
