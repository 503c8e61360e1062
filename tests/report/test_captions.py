"""Captions of the report: one criterion of significance, and confidence intervals that decide nothing."""

import pytest

NOT_CORRECTED = "not corrected for multiple comparisons"
DECIDED = "decided by the adjusted p alone"
CRITERION = "adjusted p < 0.05"


@pytest.fixture
def caption(pytestconfig):
    return lambda name: " ".join((pytestconfig.rootpath / f"rules/report/{name}.rst").read_text().split())


@pytest.mark.parametrize("name", ["verdict", "verdict_figure", "scores", "gains", "comparisons"])
def test_captions_of_comparisons_state_the_criterion(caption, name):
    for words in (NOT_CORRECTED, DECIDED, CRITERION):
        assert words in caption(name)


@pytest.mark.parametrize("name", ["domains", "domains_table", "mixed_model"])
def test_captions_of_other_intervals_say_that_they_are_not_corrected(caption, name):
    assert NOT_CORRECTED in caption(name)
    assert "significantly" not in caption(name)


def test_the_mixed_model_announces_no_significance(caption):
    assert "they do not decide significance" in caption("mixed_model")
