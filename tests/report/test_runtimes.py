import numpy as np
import pytest

from headstart.report import html, runtimes


@pytest.mark.parametrize("value", ["a_b", "*x*", "`y`", "|z|", "back\\slash", "n_"])
def test_plain_text_is_shown_as_it_is(value):
    page = html.html("t", html.table(["name"], [[html.plain(value)]]))
    assert f"<p>{value}</p>" in page


def test_times_by_rule_worked_by_hand(tmp_path):
    for name, seconds, peak in (("a/x/1", 2.0, "10.0"), ("a/x/2", 4.0, "30.0"), ("b", 1.0, "NA")):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0\t{peak}\n")
    table = runtimes.stages(tmp_path).set_index("rule")
    assert table.loc["a"].tolist() == [2, 3, 6, 30]
    assert table.loc["b"].tolist()[:3] == [1, 1, 1]
    assert np.isnan(table.loc["b", "peak_mib"])


def test_versions_are_those_installed():
    table = runtimes.versions().set_index("name")["version"]
    assert table["numpy"] == np.__version__
    assert table.index.is_unique
    assert {"system", "python"} <= set(table.index)
