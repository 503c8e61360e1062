from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.datasets import bids, participants
from headstart.datasets.scan import Scan
from headstart.job import UserError

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


PEOPLE = [("sub-01", "20", "F"), ("sub-02", "30", "M"), ("sub-03", "40", "F")]
LINES = ["\t".join(row) for row in PEOPLE]
HEAD = "participant_id\tage\tsex"


def people(folder, *lines):
    """A BIDS folder of three people, read with a table of these lines."""
    folder.touch(*(f"sub-0{n}/anat/sub-0{n}_T1w.nii.gz" for n in (1, 2, 3)))
    folder.write("participants.tsv", *lines)
    return [(scan.age, scan.sex) for scan in folder.scans("bids")]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([HEAD, *LINES], id="plain"),
        pytest.param(["\ufeff" + HEAD, *LINES], id="byte order mark"),
        pytest.param(["participant_id\tAge\tGender", *LINES], id="capitals"),
        pytest.param([line.replace("\t", ",") for line in (HEAD, *LINES)], id="commas"),
        pytest.param([HEAD, *(line.replace("\t", "  ") for line in LINES)], id="spaces for tabs"),
        pytest.param([line.replace("\t", "   ") for line in (HEAD, *LINES)], id="aligned"),
        pytest.param([HEAD.replace("\t", " \t"), *LINES], id="spaces after names"),
        pytest.param(["# exported in spring", "", HEAD, *LINES], id="comment"),
        pytest.param([HEAD, "sub-01\tn/a\tn/a", *LINES], id="an empty row of the same person"),
        pytest.param([HEAD, "Sub-01\t20\tF", "SUB-02\t30\tM", "sub03\t40\tF"], id="other names"),
        pytest.param([HEAD, "sub-1\t20\tF", "2.0\t30\tM", "3\t40\tF"], id="numbers"),
        pytest.param([HEAD, *('"' + line.replace("\t", '"\t"') + '"' for line in LINES)], id="quoted"),
        pytest.param(
            [f"{HEAD}\tnotes", LINES[0] + '\t"left', LINES[1] + "\tok", LINES[2] + '\tsaid "yes"'], id="quotes"
        ),
        pytest.param([f"{HEAD}\tnotes", *(line + "\t" + "x" * 200_000 for line in LINES)], id="long notes"),
        pytest.param([HEAD, *LINES, "sub-09\t1\tF", "sub-09\t2\tF"], id="contradiction about another person"),
    ],
)
def test_tables_as_people_write_them(folder, caplog, lines):
    assert people(folder, *lines) == [(20, "F"), (30, "M"), (40, "F")]
    assert not caplog.text


TWICE = [f"{HEAD}\tage", *(f"{line}\t{3 - n}" for n, line in enumerate(LINES))]
BROKEN = {
    "a column twice": ("\n".join(TWICE).encode(), "has two columns age and age; rename or remove one"),
    "names twice": ("\n".join(TWICE).replace("\tage", "\tparticipant_id").encode(), "has two columns participant_id"),
    "Latin-1": (f"{HEAD}\n{LINES[0]}\tM\u00fcller".encode("latin-1"), "is not UTF-8 text; save it in that encoding"),
    "a spreadsheet": (b"PK\x03\x04\x00\x00", "is not UTF-8 text"),
    "a pointer": (
        b"../../.git/annex/objects/Xx/MD5E-s12--abc.tsv\n",
        "is a pointer of git-annex, not the table",
    ),
    "commas and an open quote": (b'participant_id,age\nsub-01,"20\n', "has a quotation mark without a second one"),
}


@pytest.mark.parametrize(("content", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_table_is_refused_only_if_the_entry_is_about_it(folder, caplog, content, sentence):
    people(folder)
    (folder.path / "participants.tsv").write_bytes(content)
    assert {(scan.age, scan.sex) for scan in folder.scans("bids")} == {(None, None)}
    assert f"participants.tsv {sentence}" in caplog.text
    assert caplog.text.count("until then age and sex are unknown") == 1
    with pytest.raises(UserError, match=f"participants.tsv {sentence}"):
        folder.scans("bids", participants={"file": "participants.tsv"})


def test_a_row_for_each_session_is_that_sessions(folder):
    folder.touch("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz")
    rows = ["sub-01\tses-1\t20\tF", "sub-01\tses-2\t21\tF", "sub-02\tses-1\t30\tM", "sub-03\tses-1\t40\tF"]
    known = people(folder, "participant_id\tsession_id\tage\tsex", *rows)
    # The scan beside the sessions, those of the two sessions, and two people without sessions.
    assert known == [(20, "F"), (20, "F"), (21, "F"), (30, "M"), (40, "F")]


def test_contradicting_rows_are_unknown_and_named(folder, caplog):
    assert people(folder, HEAD, *LINES, "sub-03\t41\tF")[2] == (None, None)
    assert "participants.tsv lists 03 (age 40, sex F; age 41, sex F) twice, with different values" in caplog.text


@pytest.mark.parametrize("age", ["18-38", "-999", "-9", "999", "inf", "NaN+", "1_0", "240", "35y", "-"])
def test_a_value_that_is_not_understood_is_named(folder, caplog, age):
    assert people(folder, HEAD, f"sub-01\t{age}\tF", *LINES[1:])[0] == (None, "F")
    assert f"participants.tsv: the age is not understood and is unknown: {age!r} of 01; write years." in caplog.text


@pytest.mark.parametrize("age", ["20.5", "20,5"])
def test_decimals_have_a_point_or_a_comma(folder, age):
    assert people(folder, HEAD, f"sub-01\t{age}\tF", *LINES[1:])[0] == (20.5, "F")


def test_a_comma_in_a_number_never_shifts_the_columns(folder, caplog):
    rows = [HEAD.replace("\t", ","), "sub-01,20,5,F", "sub-02,30,M", "sub-03,40,F"]
    assert people(folder, *rows) == [(None, None), (30, "M"), (40, "F")]
    assert "the row is not understood and is unknown: 'sub-01 20 5 F' of 01" in caplog.text


def test_codes_of_sex_need_a_meaning_and_may_be_decimals(folder, caplog):
    rows = [HEAD, "sub-01\t20\t2.0", "sub-02\t30\t1.0", "sub-03\t40\t2"]
    assert [sex for _, sex in people(folder, *rows)] == [None, None, None]
    assert "the sex is not understood and is unknown: '2.0' of 01" in caplog.text
    known = folder.scans("bids", participants={"sexes": {1: "M", "2": "F"}})
    assert [scan.sex for scan in known] == ["F", "M", "F"]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            ["participant_id\tage", "sub-01\t20"],
            "has no column sex; say which of its columns it is with",
        ),
        (["id\tage\tsex", *LINES], "has no column participant_id; say which"),
        ([HEAD, *LINES[:2]], "has no row for 03; their age and sex are unknown"),
        ([""], "with participants.subject: it is empty"),
    ],
)
def test_what_the_usual_table_lacks_is_said(folder, caplog, lines, sentence):
    people(folder, *lines)
    assert sentence in caplog.text


@pytest.mark.parametrize(("names", "ages"), [(("002", "020"), (35.8, 60)), (("20",), (60,)), (("2", "12"), (35.8, 38))])
def test_the_age_of_another_person_is_never_taken(folder, names, ages):
    folder.write("participants.tsv", "participant_id\tage", "2.0\t35.8", "12.0\t38", "20.0\t60", "1.5\t15")
    table = participants.read(folder.path, {}, bids.PARTICIPANTS)
    assert [table.of(name)["age"] for name in names] == list(ages)
    assert table.of("15")["age"] is None


def test_a_usual_table_that_was_not_fetched_is_not_passed_over(folder, caplog):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz")
    (folder.path / "participants.tsv").symlink_to(".git/annex/objects/gone")
    assert folder.scans("bids")[0].age is None
    assert (
        "participants.tsv is a link to a missing file; fetch it (datalad get) or remove it; until then" in caplog.text
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("participants.xlsx", "is neither .tsv nor .csv; save the table in one of these formats"),
        ("site1/participants.tsv", "is not read; put the rows of all such tables into"),
    ],
)
def test_a_table_at_another_place_or_in_another_format_is_named(folder, caplog, name, sentence):
    folder.touch("site1/sub-01/anat/sub-01_T1w.nii.gz", name)
    assert folder.scans("bids")[0].age is None
    assert f"{name} {sentence}" in caplog.text


SESSIONS = ["session_id\tacq_time\tage", "ses-1\tn/a\t20", "ses-2\tn/a\t22.5"]


def visits(folder, table, *lines):
    """The ages of one person's two sessions and of another's only one; a table of participants of these lines."""
    folder.touch(*(f"sub-01/ses-{n}/anat/sub-01_ses-{n}_T1w.nii.gz" for n in (1, 2)))
    folder.touch("sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz")
    folder.write("sub-01/sub-01_sessions.tsv", *table)
    folder.write("participants.tsv", *lines)
    return [scan.age for scan in folder.scans("bids")]


def test_a_table_of_sessions_has_the_age_at_each(folder, caplog):
    assert visits(folder, SESSIONS, HEAD, "sub-01\t19\tF", "sub-02\t30\tM") == [20, 22.5, 30]
    assert [scan.sex for scan in folder.scans("bids")] == ["F", "F", "M"]
    assert not caplog.text


def test_ages_of_sessions_need_no_column_of_ages_of_people(folder, caplog):
    assert visits(folder, SESSIONS, "participant_id\tsex", "sub-01\tF") == [20, 22.5, None]
    assert "participants.tsv has no column age" in caplog.text  # for the other person


def test_ages_of_sessions_in_the_table_of_participants_go_before(folder):
    rows = ["participant_id\tsession_id\tage", "sub-01\tses-1\t19", "sub-02\tses-1\t30"]
    assert visits(folder, SESSIONS, *rows) == [19, 22.5, 30]


def test_a_table_of_sessions_without_ages_is_passed_over(folder, caplog):
    table = ["session_id\tacq_time", "ses-1\tn/a"]
    assert visits(folder, table, HEAD, "sub-01\t19\tF", "sub-02\t30\tM") == [19, 19, 30]
    assert not caplog.text


def test_a_table_of_sessions_that_is_not_understood_is_named(folder, caplog):
    assert visits(folder, [SESSIONS[0], "ses-1\tn/a\t240"], HEAD, "sub-01\t19\tF", "sub-02\t3\tM") == [19, 19, 3]
    visits(folder, [SESSIONS[0], "ses-1\tn/a\t240"], HEAD, "sub-01\tn/a\tF")
    assert "*/*_sessions.tsv: the age is not understood and is unknown: '240' of 01; write years" in caplog.text
    visits(folder, ["session_id\tage\tage"], HEAD, "sub-01\tn/a\tF")
    assert "sub-01_sessions.tsv has two columns age and age; rename or remove one" in caplog.text


@pytest.mark.parametrize("session", ["ses-01", "1", "ses-1.0"])
def test_sessions_may_be_written_in_another_way(folder, session):
    folder.touch("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz")
    rows = ["sub-01\tses-2\t22", f"sub-01\t{session}\t20"]
    folder.write("participants.tsv", "participant_id\tsession_id\tage", *rows)
    assert folder.scans("bids")[0].age == 20


NAMES = st.text("0123456789-_.aA", min_size=1, max_size=5)


@settings(deadline=None)
@given(ages=st.dictionaries(NAMES, st.integers(0, 99), min_size=1, max_size=8))
def test_a_name_as_written_has_its_own_age(tmp_path_factory, ages):
    path = tmp_path_factory.mktemp("table") / "participants.tsv"
    path.write_text("participant_id\tage\n" + "".join(f"sub-{name}\t{age}\n" for name, age in ages.items()))
    table = participants.read(path.parent, {}, bids.PARTICIPANTS)
    assert {name: table.of(name)["age"] for name in ages} == ages
