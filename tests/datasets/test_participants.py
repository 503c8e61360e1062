from pathlib import Path

import pytest

from headstart.datasets import bids, participants
from headstart.datasets.scan import Scan


def scan(subject, person, **about):
    return Scan("d", subject, person, Path("t1.nii"), **about)


def test_the_table_of_derivatives_tells_what_is_known():
    scans = [scan("01", "p1", age=31.0, sex="F", site="A"), scan("02", "p 2", session="x")]
    assert participants.table(map(participants.row, scans), participants.People()) == (
        "participant_id\tperson\tsession\tage\tsex\tsite\nsub-01\tp1\tn/a\t31\tF\tA\nsub-02\tp 2\tx\tn/a\tn/a\tn/a\n"
    )


def test_a_table_made_later_fills_in_what_was_not_known(folder):
    folder.write("participants.tsv", "participant_id\tage\tsex", "sub-01\t70\tM", "sub-02\t35\tF")
    made = participants.read(folder.path, {}, bids.USUAL)
    rows = participants.table(
        [participants.row(scan("02", "p2")), participants.row(scan("01", "p1", age=71.5))], made
    ).splitlines()
    assert rows[1:] == ["sub-02\tp2\tn/a\t35\tF\tn/a", "sub-01\tp1\tn/a\t71.5\tM\tn/a"]


@pytest.mark.parametrize(
    ("asked", "age"), [("002", 2), ("2", 1), ("0002", 1), ("sub_002", None), ("3", 3), ("003", 3), ("", None)]
)
def test_a_name_as_written_comes_before_one_without_zeros(folder, asked, age):
    folder.write("participants.tsv", "participant_id\tage", "2\t1", "002\t2", "0003\t3")
    assert participants.read(folder.path, {}, bids.USUAL).of(asked)["age"] == age


@pytest.mark.parametrize(
    ("age", "sex", "expected"),
    [("89+", "f", (89, "F")), ("n/a", "Male", (None, "M")), ("old", "x", (None, None)), ("-9999", "O", (None, "O"))],
)
def test_what_tables_write_of_age_and_sex(folder, age, sex, expected):
    folder.write("participants.tsv", "participant_id\tage\tsex", f"sub-01\t{age}\t{sex}")
    known = participants.read(folder.path, {}, bids.USUAL).of("01")
    assert (known["age"], known["sex"]) == expected


def test_a_dataset_is_summed_up_by_people_not_scans(tmp_path):
    scans = [
        scan("a1", "a", age=20.0, sex="F", site="X"),
        scan("a2", "a", age=22.0, sex="F", site="X"),
        scan("b1", "b", age=30.0, sex="M", site="Y"),
        scan("c1", "c"),
    ]
    (tmp_path / "people.tsv").write_text(participants.table(map(participants.row, scans), participants.People()))
    (tmp_path / "nobody.tsv").write_text(participants.table([participants.row(scan("1", "1"))], participants.People()))
    first, second = participants.summary(["d", "e"], [tmp_path / "people.tsv", tmp_path / "nobody.tsv"])
    assert first == {
        "dataset": "d", "scans": 4, "people": 3, "age_known": 2, "age_mean": 25, "age_sd": pytest.approx(50**0.5),
        "age_min": 20, "age_max": 30, "female": 1, "male": 1, "other": 0, "sex_unknown": 1, "sites": "X, Y",
    }  # fmt: skip
    assert second["age_mean"] is None and second["age_sd"] is None and second["sites"] is None
