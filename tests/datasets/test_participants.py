from pathlib import Path

import pytest

from headstart.datasets import bids, participants
from headstart.datasets.scan import Scan

NOTHING_KNOWN = participants.Demographics({})


def scan(subject, person, **about):
    return Scan("d", subject, person, Path("t1.nii"), **about)


def test_the_table_of_derivatives_has_what_is_known():
    scans = [scan("01", "p1", age=31.0, sex="F", site="A"), scan("02", "p 2", session="x")]
    assert participants.table(map(participants.row, scans), NOTHING_KNOWN) == (
        "participant_id\tperson\tsession\tage\tsex\tsite\nsub-01\tp1\tn/a\t31\tF\tA\nsub-02\tp 2\tx\tn/a\tn/a\tn/a\n"
    )


def test_a_later_table_fills_in_what_was_not_known(folder):
    folder.write("participants.tsv", "participant_id\tage\tsex", "sub-01\t70\tM", "sub-02\t35\tF")
    later = participants.read(folder.path, {}, bids.PARTICIPANTS)
    rows = participants.table(
        [participants.row(scan("02", "p2")), participants.row(scan("01", "p1", age=71.5))], later
    ).splitlines()
    assert rows[1:] == ["sub-02\tp2\tn/a\t35\tF\tn/a", "sub-01\tp1\tn/a\t71.5\tM\tn/a"]


@pytest.mark.parametrize(
    ("name", "age"), [("002", 2), ("2", 1), ("0002", 1), ("sub_002", None), ("3", 3), ("003", 3), ("", None)]
)
def test_an_exact_name_goes_before_one_without_zeros(folder, name, age):
    folder.write("participants.tsv", "participant_id\tage", "2\t1", "002\t2", "0003\t3")
    assert participants.read(folder.path, {}, bids.PARTICIPANTS).of(name)["age"] == age


@pytest.mark.parametrize(
    ("age", "sex", "expected"),
    [("89+", "f", (89, "F")), ("n/a", "Male", (None, "M")), ("old", "x", (None, None)), ("-9999", "O", (None, "O"))],
)
def test_notations_of_age_and_sex(folder, age, sex, expected):
    folder.write("participants.tsv", "participant_id\tage\tsex", f"sub-01\t{age}\t{sex}")
    known = participants.read(folder.path, {}, bids.PARTICIPANTS).of("01")
    assert (known["age"], known["sex"]) == expected


def test_the_summary_counts_people_not_scans(tmp_path):
    scans = [
        scan("a1", "a", age=20.0, sex="F", site="X"),
        scan("a2", "a", age=22.0, sex="F", site="X"),
        scan("b1", "b", age=30.0, sex="M", site="Y"),
        scan("c1", "c"),
    ]
    (tmp_path / "known.tsv").write_text(participants.table(map(participants.row, scans), NOTHING_KNOWN))
    (tmp_path / "unknown.tsv").write_text(participants.table([participants.row(scan("1", "1"))], NOTHING_KNOWN))
    first, second = participants.summary(["d", "e"], [tmp_path / "known.tsv", tmp_path / "unknown.tsv"])
    assert first == {
        "dataset": "d", "scans": 4, "people": 3, "age_known": 2, "age_mean": 25, "age_sd": pytest.approx(50**0.5),
        "age_min": 20, "age_max": 30, "female": 1, "male": 1, "other": 0, "sex_unknown": 1, "sites": "X, Y",
    }  # fmt: skip
    assert second["age_mean"] is None
    assert second["age_sd"] is None
    assert second["sites"] is None
