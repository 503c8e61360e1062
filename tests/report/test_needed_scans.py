import numpy as np
import pandas as pd
import pytest

from headstart.evaluate import needed
from headstart.report import needed_scans


def row_of(source, number, low=("=", 29), high=("=", 61), have=np.nan, wanted=0.6, of_best=np.nan, further=None):
    """A row of the table of scans needed; numbers as their sign and value."""
    row = {"target": "t", "metric": "dice", "level": "volume", "wanted": wanted, "of_best": of_best, "source": source,
           "highest_mean": source == "t1", "have": have}  # fmt: skip
    for name, numbers in (("needed", (number, low, high)), ("more", further or [("n/a", np.nan)] * 3)):
        for end, (sign, value) in zip(("", "_low", "_high"), numbers, strict=True):
            row |= {f"{name}{end}": value, f"{name}{end}_is": sign}
    return row


def said(*rows, backtest=()):
    return needed_scans.sentence(pd.DataFrame(rows), pd.DataFrame(backtest, columns=needed.BACKTEST))


SCRATCH = row_of("scratch", (">", 100), (">", 100), (">", 100), have=10)


def test_the_sentence_names_the_best_source_and_the_baseline():
    further = [("=", 27.2), ("=", 19), ("=", 51)]
    assert said(row_of("other", ("=", 20)), row_of("t1", ("=", 37.2), have=10, further=further), SCRATCH) == (
        "For Dice 0.60, you need 38 [95 % CI 29, 61] labelled scans with t1, more than 100 labelled scans with "
        "scratch; you have 10, so 28 [95 % CI 19, 51] more."
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (row_of("t1", ("forecast", 70.1)), "you need 71 [95 % CI 29, 61] labelled scans with t1 (forecast)."),
        (row_of("t1", ("=", 1.0), ("<", 1), ("=", 2)), "you need 1 [95 % CI ≤ 1, 2] labelled scan with t1."),
        (row_of("t1", ("<", 2), ("<", 2), ("<", 2)), "you need at most 2 labelled scans with t1."),
        (
            row_of("t1", (">", 12), ("=", 3), (">", 12)),
            "you need more than 12 [95 % CI 3, > 12] labelled scans with t1.",
        ),
        (
            row_of("t1", ("=", 3), ("<", 1), (">", 12), have=2, further=[("=", 1), ("<", 0), (">", 10)]),
            "how many labelled scans you need with t1 is not known [95 % CI ≤ 1, > 12]; you have 2.",
        ),
        (
            row_of("t1", ("=", 3), ("=", 2), ("=", 4), have=5, further=[("=", 0)] * 3),
            "you need 3 [95 % CI 2, 4] labelled scans with t1; you have 5, which is enough.",
        ),
        (
            row_of("t1", ("=", 3), ("=", 2), (">", 4), have=5, further=[("=", 0), ("=", 0), ("n/a", np.nan)]),
            "you need 3 [95 % CI 2, > 4] labelled scans with t1; you have 5, which may be enough.",
        ),
        (
            row_of("t1", ("=", 3), (np.nan, np.nan), (np.nan, np.nan)),
            "you need 3 [95 % CI not available] labelled scans with t1.",
        ),
        (row_of("t1", ("not reached", np.nan), (">", 12), (">", 12)), "the curve of t1 will not reach it."),
    ],
)
def test_each_kind_of_number_is_put_in_words(row, words):
    assert said(row) == f"For Dice 0.60, {words}"


def test_sources_of_which_nothing_is_known_share_a_clause():
    rows = [row_of(source, ("=", 3), ("<", 2), (">", 4)) for source in ("t1", "scratch")]
    assert (
        said(*rows)
        == "For Dice 0.60, how many labelled scans you need with t1 and scratch is not known [95 % CI ≤ 2, > 4]."
    )


def test_sources_that_never_reach_the_score_are_named_apart():
    never = row_of("scratch", ("not reached", np.nan), (">", 12), (">", 12))
    assert said(row_of("t1", ("=", 40)), never).endswith(
        "you need 40 [95 % CI 29, 61] labelled scans with t1; the curve of scratch will not reach it."
    )


def test_without_a_wanted_score_it_is_ninety_percent_of_the_best():
    rows = [row_of("t1", ("=", 4 * part), wanted=part, of_best=part) for part in (0.8, 0.9, 0.95)]
    assert said(*rows) == (
        "For 90 % of the highest mean score (Dice 0.90), you need 4 [95 % CI 29, 61] labelled scans with t1."
    )


def test_without_curves_the_sentence_says_that_nothing_is_known():
    unknown = "How many labelled scans are needed is not known: it requires scores at several set sizes."
    table = pd.DataFrame(columns=needed.COLUMNS)
    assert needed_scans.sentence(table, table) == unknown
    assert said(row_of("without scores", ("n/a", np.nan))) == unknown


@pytest.mark.parametrize(
    ("held", "end"),
    [(True, "measured: 0.47."), (False, "measured: 0.47, outside that interval: do not rely on the forecast.")],
)
def test_a_forecast_comes_with_its_check(held, end):
    checks = [["t", "dice", "volume", source, "1, 2, 4", 8, 0.444, 0.401, 0.5, 0.466, held] for source in ("a", "t1")]
    forecast = said(row_of("t1", ("=", 7), ("=", 3), ("forecast", 9)), backtest=checks)
    assert forecast.endswith(
        f" Check of the forecast: made from 1, 2 and 4 scans, it predicts 0.44 [0.40, 0.50] with 8; {end}"
    )
    assert "Check" not in said(row_of("t1", ("=", 7)), backtest=checks)
