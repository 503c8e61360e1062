import pytest

from headstart.datasets import delimited
from headstart.job import UserError


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a\tb\n1\t2\n", id="tabs"),
        pytest.param(b"a\tb\r\n\r\n1\t2\r\n", id="Windows"),
        pytest.param(b"a\tb\r1\t2", id="old Mac"),
        pytest.param("\ufeffa\tb\n1\t2\n".encode(), id="byte order mark"),
        pytest.param("a\tb\n1\t2\n".encode("utf-16"), id="UTF-16"),
        pytest.param(b"a;b\n1;2\n", id="semicolons"),
        pytest.param(b"a,b\n1,2\n", id="commas"),
        pytest.param(b"a b\n1 2\n", id="spaces"),
        pytest.param(b'"a"\t"b" \n"1"\t 2\n', id="quotation marks"),
        pytest.param(b"# by hand\n\na\tb\n1\t2\n", id="comment"),
    ],
)
@pytest.mark.parametrize("ending", ["tsv", "csv", "TSV"])
def test_notations_of_one_table(tmp_path, content, ending):
    path = tmp_path / f"table.{ending}"
    path.write_bytes(content)
    assert delimited.read(path) == (["a", "b"], [{"a": "1", "b": "2"}])


def test_a_value_may_hold_separators_line_ends_and_quotation_marks(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('"a (1=m, 2=f)",b\n"x\ny","say ""hi"""\n')
    assert delimited.read(path) == (["a (1=m, 2=f)", "b"], [{"a (1=m, 2=f)": "x\ny", "b": 'say "hi"'}])


def test_the_line_that_names_the_separator_for_excel_is_left_out(tmp_path):
    (tmp_path / "a.csv").write_text("sep=;\nscan;score\nx;0,5\n")
    assert delimited.read(tmp_path / "a.csv") == (["scan", "score"], [{"scan": "x", "score": "0,5"}])


def test_values_beyond_the_last_column_are_kept_apart(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("a\tb\n1\t2\t3\t\n4\t5\t\n6\n")
    assert delimited.read(path)[1] == [{"a": "1", "b": "2", None: "3"}, {"a": "4", "b": "5"}, {"a": "6"}]


def test_a_link_to_a_file_that_was_not_fetched_is_refused(tmp_path):
    path = tmp_path / "participants.tsv"
    path.symlink_to(".git/annex/objects/gone")
    with pytest.raises(UserError, match=r"participants.tsv is a link to a missing file; fetch it \(datalad get\)"):
        delimited.read(path)


@pytest.mark.parametrize("text", ["/annex/objects/MD5E-s12--x", "version https://git-lfs.github.com/spec/v1"])
def test_a_pointer_is_refused(tmp_path, text):
    path = tmp_path / "table.tsv"
    path.write_text(f"{text}\n")
    with pytest.raises(UserError, match=r"is a pointer of (git-annex|Git LFS), not the table; fetch it"):
        delimited.read(path)


def test_a_quotation_mark_that_does_not_end_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('a,b\n1,"left\n2,ok\n')
    with pytest.raises(UserError, match="has a quotation mark without a second one, which hides rows"):
        delimited.read(path)
