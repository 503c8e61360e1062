"""Tables of scores from elsewhere: what is read, and the sentence that each faulty one ends in."""

import pandas as pd
import pytest

from headstart.evaluate import score_table
from headstart.job import UserError


def table_of(sources=("plain", "better"), sizes=(4, 8), resamples=(1, 2), scans=("01", "02", "03")):
    """A score of each scan, in each resample and size, from each source."""
    index = pd.MultiIndex.from_product([sources, sizes, resamples, scans], names=["source", "size", "resample", "scan"])
    return pd.DataFrame({"score": 0.5}, index=index).reset_index()


def collect(table):
    return score_table.collect(table, "plain", "dice", "scores.csv")


def edited(**values):
    """The table, with values of its fifth row replaced."""
    table = table_of().astype(object)
    for column, value in values.items():
        table.loc[4, column] = value
    return table


def without(query):
    table = table_of()
    return table.drop(table.query(query).index)


FAULTS = {
    "no column": (
        table_of().drop(columns="scan"),
        r"scores.csv has no column scan, only source, size.*--columns scan=",
    ),
    "no rows": (table_of().iloc[:0], r"scores.csv has no rows; add one"),
    "text": (edited(score="good"), r"row 5 of scores.csv has the score 'good', which is not a number from 0 to 1"),
    "comma": (edited(score="0,5"), r"row 5 of scores.csv has the score '0,5'.*decimal point"),
    "percent": (edited(score=85.2), r"row 5 of scores.csv has the score '85.2'.*percent divided by 100"),
    "no score": (edited(score=None), r"row 5 of scores.csv has the score ''.*0 for a failed prediction"),
    "not a number": (edited(score="nan"), r"row 5 of scores.csv has the score 'nan'"),
    "no scan": (edited(scan=""), r"row 5 of scores.csv has no scan; add it"),
    "no source": (edited(source=" "), r"row 5 of scores.csv has no source; add it"),
    "half a scan": (edited(size=2.5), r"row 5 of scores.csv has the size '2.5'"),
    "size 0": (edited(size=0), r"row 5 of scores.csv has the size '0'.*leave size and resample empty"),
    "size alone": (edited(resample=None), r"row 5 of scores.csv has only one of size and resample"),
    "size of some rows": (edited(size=None, resample=None), r"scores.csv has rows of plain with and without a size"),
    "repeated": (edited(scan="01"), r"row 5 of scores.csv has the source, size, resample and scan of an earlier row"),
    "separator": (edited(source="a, b"), r"scores.csv has the source 'a, b'; rename it"),
    "no baseline": (table_of(["a", "b"]), r"scores.csv has no source plain, only a, b; name one of these as baseline"),
    "baseline alone": (table_of(["plain"]), r"scores.csv has no source beside plain"),
    "one scan": (table_of(scans=["01"]), r"scores.csv has a single scan.*add scores of other test scans"),
    "one resample": (without("size == 8 and resample == 2"), r"scores.csv has a single resample of size 8"),
    "fewer draws": (
        without("source == 'better' and size == 8"),
        r"scores.csv: better has no scores of size 8, resample 1, but plain has; add them or remove this resample",
    ),
    "more draws": (
        without("source == 'plain' and size == 8"),
        r"scores.csv: plain has no scores of size 8, resample 1, but better has",
    ),
    "fewer scans": (
        without("source == 'better' and size == 8 and resample == 2 and scan == '02'"),
        r"scores.csv: better has no score of scan 02 at size 8, resample 2, but plain has; add it",
    ),
    "more scans": (
        without("source == 'plain' and size == 4 and resample == 1 and scan == '03'"),
        r"scores.csv: plain has no score of scan 03 at size 4, resample 1, but better has",
    ),
    "nothing trained": (
        table_of().query("size == 4 and resample == 1").assign(size="", resample=""),
        r"scores.csv has no size and resample of any source",
    ),
    "scans of a rater": (
        pd.concat([table_of(), pd.DataFrame({"source": "rater", "scan": ["01", "02"], "score": 0.9})]),
        r"scores.csv: rater has no score of scan 03, but plain has",
    ),
    "one of two targets": (
        pd.concat([table_of().assign(target="a"), table_of(["plain"]).assign(target="b")]),
        r"scores.csv, target b has no source beside plain",
    ),
}


@pytest.mark.parametrize(("table", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_table_ends_in_one_sentence_with_the_remedy(table, sentence):
    with pytest.raises(UserError, match=rf"^{sentence}") as error:
        collect(table)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_a_source_that_is_not_trained_has_its_score_in_each_resample_that_tests_the_scan():
    folds = table_of().query("(resample == 1) == (scan == '01')")
    rater = pd.DataFrame({"source": "rater", "scan": ["01", "02", "03"], "score": [0.7, 0.8, 0.9]})
    made, roles = collect(pd.concat([folds, rater]))
    assert roles.untrained == {"rater"}
    own = made[made["source"] == "rater"].sort_values(["size", "resample", "scan"])
    assert own[["size", "resample", "scan", "total"]].to_numpy().tolist() == [
        [size, *row] for size in (4, 8) for row in ([1, "01", 0.7], [2, "02", 0.8], [2, "03", 0.9])
    ]


@pytest.mark.parametrize("missing", ["", "n/a", None, float("nan")])
def test_missing_sizes_may_be_written_in_several_ways(missing):
    rater = pd.DataFrame({"source": "rater", "size": missing, "resample": missing, "scan": ["01", "02", "03"],
                          "score": 0.9})  # fmt: skip
    assert collect(pd.concat([table_of().astype(object), rater]))[1].untrained == {"rater"}


HEADER = "source,size,resample,scan,score"


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (f"{HEADER},note", ["a,5,1,x,0,6324", "a,5,1,y,0,6001"]),
        (f"{HEADER},", ["a,5,1,x,0,6324", "a,5,1,y,1,0"]),
        (f"{HEADER},note", ["a,5,1,y,0.61,", "a,5,1,x,0,6324,"]),
    ],
)
def test_scores_that_are_split_at_a_decimal_comma_are_refused(tmp_path, header, rows):
    (tmp_path / "scores.csv").write_text("\n".join([header, *rows]))
    with pytest.raises(UserError, match=r"row \d of \S+ has the score 0 and then 6324, as if a decimal comma"):
        score_table.read(tmp_path / "scores.csv", {})


@pytest.mark.parametrize("beside", [("3", "12"), ("", "12"), ("good", "")])
def test_a_column_of_numbers_may_follow_the_score(tmp_path, beside):
    (tmp_path / "scores.csv").write_text(f"{HEADER},lesions\na,5,1,x,0,{beside[0]}\na,5,1,y,0.61,{beside[1]}\n")
    assert list(score_table.read(tmp_path / "scores.csv", {})["score"]) == ["0", "0.61"]


def test_resamples_are_in_the_order_of_numbers_or_have_any_name():
    long = (f"1{'0' * 19}", f"2{'0' * 19}")
    numbers, names, same, long_names = (
        collect(table_of(resamples=resamples))[0]["resample"]
        for resamples in (("10", "9"), ("a", "b"), ("1", "01"), long)
    )
    assert sorted(numbers.unique()) == [9, 10]
    assert set(names) == {"a", "b"}
    assert set(same) == {"1", "01"}
    assert set(long_names) == set(long)


def test_files_are_read_with_the_names_of_their_columns(tmp_path):
    table = table_of(scans=["012", "1e5", "NA"]).rename(columns={"source": "method", "score": "dice"})
    table["source"] = "a paper"
    for name, separator in (("scores.csv", ";"), ("scores.tsv", "\t")):
        table.to_csv(tmp_path / name, sep=separator, index=False)
        read = score_table.read(tmp_path / name, {"source": "method", "score": "dice"})
        made, _ = score_table.collect(read, "plain", "dice", name)
        assert set(made["scan"]) == {"012", "1e5", "NA"}
        assert set(made["source"]) == {"plain", "better"}


@pytest.mark.parametrize(
    ("text", "named", "sentence"),
    [
        (None, {}, r"scores.csv is not a file; give the path of a table"),
        ("\n", {}, r"scores.csv has no rows; add the names of the columns"),
        ("method,score\na,1\n", {"source": "name"}, r"scores.csv has no column name, only method, score; name one"),
        ("method,score\na,1\n", {"method": "source"}, r"there is no column method to name; columns are source"),
        ("source,score,score\na,0,5\n", {}, r"scores.csv has several columns score; rename or remove all but one"),
        ("source,score\na,0,5\n", {}, r"row 1 of .*scores.csv has more values than there are columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, text, named, sentence):
    path = tmp_path / "scores.csv"
    if text:
        path.write_text(text)
    with pytest.raises(UserError, match=sentence):
        score_table.read(path, named)
