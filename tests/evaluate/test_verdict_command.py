"""The command for tables of scores from elsewhere: ``python -m headstart.verdict``."""

import html
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from simulated_scores import SPREAD, simulated_scores

from headstart import verdict
from headstart.evaluate.answer import Question
from headstart.seeds import seed_for

PAGE = (Path(__file__).parents[2] / "docs/statistics.md").read_text()
SEED = 2022


@pytest.fixture
def collected():
    """Scores of three sources of a study, whole volumes and slices."""
    sources, spread = {"scratch": 0, "good": 5, "same": 0}, {effect: size / 2 for effect, size in SPREAD.items()}
    return simulated_scores(sources, (10, 20, 40), 3, 5, 0, spread, ("volume", "slice"))


@pytest.fixture
def exported(collected, tmp_path):
    """The same scores of whole volumes as a file with columns of other names, in any order."""
    table = collected[collected["level"] == "volume"].sample(frac=1, random_state=0)
    path = tmp_path / "scores.csv"
    table.rename(columns={"source": "method", "total": "dsc"}).drop(columns=["metric", "level", "count"]).to_csv(
        path, index=False
    )
    return path


def of_workflow(table, folder, run_script, aims):
    """The tables of the workflow's scripts from collected scores, by name."""
    scans, draws, seed = folder / "scans.parquet", Question().draws, seed_for(SEED, "bootstrap")
    table.to_parquet(scans, index=False)
    common = {"draws": draws, "seed": seed, "population": {"simulated": 60}, "untrained": []}
    first = {"pools": {"simulated": 60}, "margin": 0.02, "training_scans": "population"}
    for rule, params, names in (
        ("compare_sources", first, ("verdict", "saved", "gains", "comparisons", "curves")),
        ("tabulate_needed", {"aims": {"simulated": aims}}, ("needed", "backtest")),
    ):
        written = {name: folder / f"{name}.tsv" for name in names}
        run_script(rule, SimpleNamespace(scans=scans), common | params, SimpleNamespace(**written))
    return {path.stem: path.read_bytes() for path in folder.glob("*.tsv")}


def test_exported_scores_give_the_workflows_tables_byte_for_byte(collected, exported, run_script, tmp_path, capsys):
    volumes = collected[collected["level"] == "volume"]
    expected = of_workflow(volumes, tmp_path, run_script, {"wanted": 0.4, "have": 4})
    asked = "--training-scans population --pool 60 --wanted 0.4 --have 4 --columns source=method,score=dsc"
    verdict.main([str(exported), *asked.split(), "--out", str(tmp_path / "out")])
    written = {path.stem: path.read_bytes() for path in (tmp_path / "out").glob("*.tsv")}
    assert written.keys() - expected.keys() == {"summary"}
    assert {name: written[name] for name in expected} == expected
    said = capsys.readouterr().out.splitlines()
    assert said[0] == pd.read_csv(tmp_path / "verdict.tsv", sep="\t")["sentence"].item()
    assert said[1].startswith("For Dice 0.40, ")
    assert said[2] == f"wrote {tmp_path}/out/index.html"


def test_the_page_stands_by_itself(exported, tmp_path):
    verdict.main([str(exported), "--columns", "source=method,score=dsc", "--metric", "DSC", "--out", str(tmp_path)])
    page = html.unescape((tmp_path / "index.html").read_text())
    sentence = pd.read_csv(tmp_path / "verdict.tsv", sep="\t")["sentence"].item().removeprefix("simulated: ")
    assert sentence in page
    assert "Trained on 10, 20 and 40 labelled scans, 3 resamples each; tested on 5 scans." in page
    assert "simulated: DSC by labelled scans" in page
    assert set(re.findall(r'src="(.{10})', page)) == {"data:image"}
    assert "http" not in page
    for name in re.findall(r'href="([^"#]+)"', page):
        assert (tmp_path / name).is_file(), name
    assert (tmp_path / "verdict.png").stat().st_size > 10_000


def test_sources_that_are_not_trained_are_named_on_the_page(exported, tmp_path):
    table = pd.read_csv(exported, dtype=str)
    rater = table.drop_duplicates("scan").assign(method="rater", size="", resample="", dsc="0.9")
    pd.concat([table, rater]).to_csv(exported, index=False)
    verdict.main([str(exported), "--columns", "source=method,score=dsc", "--out", str(tmp_path), "--baseline", "rater"])
    page = (tmp_path / "index.html").read_text()
    assert "Which source is better than rater?" in page
    assert "tested on 5 scans. Not trained on any set: rater." in page


def test_without_a_folder_nothing_is_written(exported, capsys):
    before = set(exported.parent.iterdir())
    verdict.main([str(exported), "--columns", "source=method,score=dsc"])
    assert capsys.readouterr().out.startswith("simulated: ")
    assert set(exported.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--columns", "source=method"], r"^headstart: verdict: .*scores.csv has no column score, only .*\.$"),
        (
            ["--columns", "source:method"],
            r"^headstart: verdict: --columns is 'source:method'; write pairs such as .*\.$",
        ),
        (
            ["--columns", "source=method,score=dsc", "--out", "/proc/none"],
            r"^headstart: verdict: /proc/none cannot be written \(.*\); name another folder with --out\.$",
        ),
    ],
)
def test_an_error_is_one_sentence(exported, arguments, sentence):
    with pytest.raises(SystemExit, match=sentence):
        verdict.main([str(exported), *arguments])


def test_the_example_of_the_documentation_prints_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, printed = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.S)[1] for kind in ("python", "text"))
    exec(code, {})
    assert capsys.readouterr().out.split() == printed.split()
    (command,) = re.findall(r"python -m headstart\.verdict (.*)", PAGE)
    verdict.main(command.split())
    assert capsys.readouterr().out.split()[: len(printed.split())] == printed.split()
    assert Path("answer/index.html").is_file()
