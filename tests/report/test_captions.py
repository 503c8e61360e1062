"""Captions of the report: one criterion of significance, which intervals and adjusted p share."""

import pytest

SAME = "which is the same, the 95 % CI excludes 0"
CRITERION = "adjusted p < 0.05"


@pytest.fixture
def caption(pytestconfig):
    return lambda name: " ".join((pytestconfig.rootpath / f"rules/report/{name}.rst").read_text().split())


@pytest.mark.parametrize("name", ["verdict", "verdict_figure", "gains", "comparisons"])
def test_captions_of_comparisons_state_the_criterion_and_that_intervals_share_it(caption, name):
    for words in (SAME, CRITERION):
        assert words in caption(name)


@pytest.mark.parametrize("name", ["domains", "domains_table", "detection_figure", "native"])
def test_captions_of_other_intervals_say_that_they_are_not_corrected(caption, name):
    assert "not corrected for multiple comparisons" in caption(name)
    assert "significantly" not in caption(name)


def test_the_learning_curves_separate_their_bars_from_the_interval_of_the_title(caption):
    assert "are not simultaneous and decide no difference" in caption("scores")
    assert CRITERION in caption("scores")
