"""The ``snakemake`` object of a rule, made without running Snakemake."""

import ast
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import SCRIPTS

from headstart import debug
from headstart.job import UserError

PREFIX = "results/tiny/derivatives/cohort/sub-01/anat/sub-01"


def test_a_rule_with_wildcards_has_all_that_it_declares(tiny):
    mocked = debug.mock_snakemake("register_scan", [tiny], dataset="cohort", subject="01")
    study = yaml.safe_load(tiny.read_text())
    assert mocked.rule == "register_scan"
    assert dict(mocked.wildcards.items()) == {"dataset": "cohort", "subject": "01"}
    assert mocked.input.first == "results/tiny/datasets/cohort/sub-01/anat/sub-01_T1w.nii.gz"
    assert list(mocked.input.lesions) == []
    assert mocked.output.image == f"{PREFIX}_space-MNI152NLin2009aSym_desc-preproc_T1w.nii.gz"
    assert mocked.output.quality == f"{PREFIX}_desc-qc_T1w.json"
    assert mocked.params.voxel_mm == study["template"]["voxel_mm"]
    assert mocked.params.settings["iterations"] == study["register"]["iterations"]
    assert mocked.threads == 1
    assert mocked.resources.mem_mb > 0
    assert list(mocked.log) == ["results/tiny/logs/register_scan/cohort/sub-01.log"]


def test_a_plain_rule_has_all_that_it_declares(tiny):
    mocked = debug.mock_snakemake("tabulate_sources", [tiny])
    assert mocked.rule == "tabulate_sources"
    assert not mocked.wildcards.keys()
    assert not list(mocked.input)
    assert mocked.output.table == "results/tiny/tables/sources.tsv"
    assert [row["source"] for row in mocked.params.rows] == ["scratch", "t1-segmentation"]
    assert list(mocked.log) == ["results/tiny/logs/tabulate_sources.log"]


def test_the_command_runs_the_rules_script(tiny):
    debug.main(["tabulate_sources", "--configfile", str(tiny)])
    table = pd.read_csv("results/tiny/tables/sources.tsv", sep="\t")
    assert table["source"].tolist() == ["scratch", "t1-segmentation"]
    assert "done in" in Path("results/tiny/logs/tabulate_sources.log").read_text()


def test_a_rule_that_does_not_exist_is_refused(tiny):
    with pytest.raises(UserError, match="register_scans is not a rule with a script"):
        debug.mock_snakemake("register_scans", [tiny])


def test_wrong_wildcards_are_refused(tiny):
    with pytest.raises(SystemExit, match=r"register_scan takes other wildcards; give dataset=\.\.\. subject"):
        debug.main(["register_scan", "dataset=cohort", "--configfile", str(tiny)])


@pytest.mark.parametrize("path", sorted((SCRIPTS / "headstart").rglob("*.py")), ids=lambda path: path.stem)
def test_no_other_module_of_the_package_needs_snakemake(path):
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert path.name == "debug.py" or "snakemake" not in {name.split(".")[0] for name in names}
