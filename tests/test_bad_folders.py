"""Faulty folders, tables, weights and settings: what is read of each, and what is said about it."""

import pytest
from bad_folders import FOLDERS, TABLES
from bad_settings import SETTINGS, WEIGHTS

LISTS = {"folders": FOLDERS, "tables": TABLES, "weights": WEIGHTS, "settings": SETTINGS}
CASES = [pytest.param(case, id=f"{kind}-{case.name}") for kind, cases in LISTS.items() for case in cases]


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_refused_or_said_in_one_sentence(case, tmp_path):
    read, said = case.answer(tmp_path)
    assert read == case.read
    assert len(said) == (case.message is not None)
    assert (case.message or "") in "".join(said)
    assert "\n" not in "".join(said)


def test_an_example_with_a_link_can_be_written_again(tmp_path):
    (case,) = (case for case in TABLES if case.name == "table-not-fetched")
    assert case.answer(tmp_path) == case.answer(tmp_path)


@pytest.mark.parametrize("cases", [FOLDERS + TABLES, WEIGHTS + SETTINGS], ids=["bad_folders", "bad_settings"])
def test_each_example_has_a_folder_of_its_own(cases):
    assert len({case.name for case in cases}) == len(cases)
