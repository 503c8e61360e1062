import numpy as np
import pandas as pd
import pytest
from simulated_scores import SPREAD, simulated_scores

from headstart.evaluate import comparisons, tables
from headstart.evaluate.size_by_size import up_to


def gains(**sources):
    """Rows of gains: (difference, p) of each source at the sizes 1, 2, 4 and 8; in any order, sizes as text."""
    rows = [
        {"source": source, "size": str(size), "difference": difference, "p": p}
        for source, of_size in sources.items()
        for size, (difference, p) in zip((1, 2, 4, 8), of_size, strict=False)
    ]
    return pd.DataFrame(rows).sort_values("size")


def test_set_sizes_pass_in_rising_order_until_one_does_not():
    found = up_to(gains(a=[(0.1, 0.001), (0.1, 0.02), (0.1, 0.03), (0.1, 0.001)], b=[(0.2, 0.001)] * 4))
    # p-values are doubled for two sources: 0.06 at size 4 stops the first.
    assert found == {"a": 2, "b": 8}


def test_what_comes_after_a_size_without_a_gain_is_not_tested():
    assert up_to(gains(a=[(0.1, 0.2), (0.3, 1e-9), (0.3, 1e-9)])) == {}
    assert up_to(gains(a=[(0.1, np.nan), (0.3, 1e-9)])) == {}


def test_a_loss_is_no_head_start():
    assert up_to(gains(a=[(-0.3, 1e-9)] * 4, b=[(0.3, 1e-9), (-0.3, 1e-9), (0.3, 1e-9), (0.3, 1e-9)])) == {"b": 1}


def test_sizes_are_numbers_and_not_text():
    rows = [{"source": "a", "size": size, "difference": 0.1, "p": p} for size, p in (("10", 0.9), ("2", 0.01))]
    assert up_to(pd.DataFrame(rows)) == {"a": 2}


def found_in(sources, seed):
    cells = tables.cells(simulated_scores(sources, (1, 2, 4), 5, 8, seed, SPREAD), 50, seed, {})
    compared = comparisons.compare(cells)
    compared = compared[(compared["against"] == "scratch") & (compared["size"] != "all")]
    return up_to(compared)


@pytest.mark.parametrize("sources", [2, 4])
def test_where_no_source_gains_one_in_twenty_studies_calls_any_a_head_start_at_most(sources):
    """Of 200 studies, up to 17 with a probability of 0.98 at a rate of 5 %; one-sided, 2.5 % are expected."""
    names = {"scratch": 0} | {f"s{n}": 0 for n in range(sources)}
    assert sum(bool(found_in(names, seed)) for seed in range(200)) <= 17


def test_a_head_start_with_few_scans_alone_is_found():
    """A source that saves a third of a scan gains 0.17 at one scan, 0.06 at two and 0.02 at four."""
    found = [found_in({"scratch": 0, "good": 0.3, "none": 0}, seed).get("good") for seed in range(20)]
    assert sum(size is not None for size in found) >= 17
    assert sum(size in (1, 2) for size in found) >= 14
