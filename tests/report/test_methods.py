import re

import numpy as np
import pandas as pd
import pytest
import yaml

from headstart.report import html, methods, runtimes
from headstart.settings import resolve

VERSIONS = {"headstart": "1", "python": "3", "snakemake": "9", "torch": "2", "monai": "1"}


@pytest.fixture(params=["config.yaml", "studies/paper.yaml", "studies/oasis.yaml"])
def config(request, pytestconfig):
    study = yaml.safe_load((pytestconfig.rootpath / request.param).read_text())
    root = pytestconfig.rootpath
    return resolve(root / "config.yaml", root / "rules/schemas/config.schema.yaml", study)


def people_of(config):
    names = [name for name, entry in config["datasets"].items() if "pictures" not in entry]
    known = {"scans": 4, "people": 3, "age_known": 2, "age_mean": 41.5, "female": 1, "male": 2}
    return pd.DataFrame([{"dataset": name, **known} for name in names])


def test_methods_of_every_study_are_text_whose_citations_lead_somewhere(config):
    text = methods.text(config, config["pretrain"]["sources"], ["ants"], people_of(config), VERSIONS)
    cited, listed = set(re.findall(r"\[(\w+)\]_", text)), set(re.findall(r"^\.\. \[(\w+)\]", text, re.M))
    assert cited == listed and "Zoetmulder2022" in cited
    page = html.html("Methods", text)
    anchors, there = set(re.findall(r'href="#([^"]+)"', page)), set(re.findall(r'id="([^"]+)"', page))
    assert anchors and anchors <= there
    assert 'class="problematic"' not in page and not re.search(r'(src|<link[^>]*href)="?https?:', page)
    for name in config["targets"]:
        assert f"Target *{name}*" in text


def test_methods_say_what_the_configuration_says(pytestconfig):
    root = pytestconfig.rootpath
    study = {
        "slice": {"size": 96, "percentiles": [2, 98]},
        "training": {"learning_rate": 0.005},
        "evaluate": {"empty": "one"},
    }
    config = resolve(root / "config.yaml", root / "rules/schemas/config.schema.yaml", study)
    text = methods.text(config, ["scratch", "t1-segmentation"], ["fsl"], people_of(config), VERSIONS)
    for said in (
        "96 x 96",
        "percentiles 2 and 98",
        "learning rate 0.005",
        "batches of 16 slices, mixed precision (bfloat16) where the machine is quicker in it, else single precision)",
        "scored 1",
        "FIRST [Patenaude2011]_",
        "PyTorch 2",
    ):
        assert said in text
    for other in ("natural images by", "ImageNet", "Wells1996"):
        assert other not in text
    assert "Labels" not in methods.text(config, ["scratch"], [], people_of(config), VERSIONS)


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
    assert table.loc["a"].tolist() == [2, 3, 6, 30] and table.loc["b"].tolist()[:3] == [1, 1, 1]
    assert np.isnan(table.loc["b", "peak_mib"])


def test_versions_are_those_installed():
    table = runtimes.versions().set_index("name")["version"]
    assert table["numpy"] == np.__version__ and table.index.is_unique and {"system", "python"} <= set(table.index)
