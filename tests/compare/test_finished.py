"""What is asked for: names of studies, their targets, and results that are not there."""

import re

import pytest
from finished_studies import save_study

from headstart.compare import finished
from headstart.job import UserError, read_json, write_json


@pytest.fixture
def two(tmp_path):
    for name in ("unet", "paper-net"):
        save_study(tmp_path, name)
    return tmp_path


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        ([], "studies is not set; name two finished studies or more, or several targets of one: snakemake compare"),
        (["unet"], "studies names unet alone; name two"),
        ({"unet": ["anatomy", "brain"]}, "studies.unet names brain, but its targets are anatomy; name one of them"),
        (["unet", "paper-nut"], r"paper-nut does not exist; correct it \(did you mean paper-net\?\)"),
        (["unet", "ms"], r"ms does not exist; correct it \(finished studies there: paper-net, unet\)"),
    ],
)
def test_names_that_cannot_be_compared(two, studies, message):
    with pytest.raises(UserError, match=message):
        finished.digests(studies, str(two))


@pytest.mark.parametrize("file", ["tables/scan_scores.parquet", "provenance.json"])
def test_an_unfinished_study_is_named_with_its_missing_file(two, file):
    (two / "unet" / file).unlink()
    with pytest.raises(UserError, match=f"{re.escape(file)} does not exist; run that study to its end first"):
        finished.digests(["unet", "paper-net"], str(two))


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("splits/anatomy/size-1_resample-1.tsv", "size-1_resample-1.tsv does not exist; run that study"),
        ("intake/heads/part-0000.json", "intake/heads has no record of the study's scans; run that study"),
    ],
)
def test_results_of_which_a_part_is_gone(two, lost, message):
    (two / "unet" / lost).unlink()
    with pytest.raises(UserError, match=message):
        finished.read(["unet", "paper-net"], str(two))


def test_results_that_changed_have_other_digests(two):
    before = finished.digests(["unet", "paper-net"], str(two))
    record = read_json(two / "unet/provenance.json")
    write_json(two / "unet/provenance.json", record | {"made": "again"})
    after = finished.digests(["unet", "paper-net"], str(two))
    assert {name for name in before if before[name] != after[name]} == {"unet/provenance.json"}


def test_targets_are_paired_by_their_names_or_as_they_are_named(two):
    save_study(two, "other", target="brain")
    assert list(finished.read(["unet", "paper-net", "other"], str(two))) == ["anatomy"]
    ((title, parts),) = finished.read({"unet": "anatomy", "other": "brain"}, str(two)).items()
    assert title == "anatomy / brain"
    assert [(part.study, part.target) for part in parts] == [("unet", "anatomy"), ("other", "brain")]


def test_studies_without_a_common_target(two):
    save_study(two, "other", target="brain")
    with pytest.raises(UserError, match="no target of the same name .unet has anatomy; other has brain.; name the"):
        finished.read(["unet", "other"], str(two))
    with pytest.raises(UserError, match=r"studies\.other names anatomy, but its targets are brain; name one of them"):
        finished.read({"unet": "anatomy", "other": "anatomy"}, str(two))


def test_several_targets_of_a_study_are_compared_with_one_another(two):
    save_study(two, "ms", target="t1", others={"t1-flair": {"scratch": {1: 0.5, 2: 0.6, 4: 0.7}}})
    ((title, parts),) = finished.read({"ms": ["t1", "t1-flair"]}, str(two)).items()
    assert title == "t1 / t1-flair"
    assert [(part.study, part.target) for part in parts] == [("ms.t1", "t1"), ("ms.t1-flair", "t1-flair")]
    ((_, parts),) = finished.read({"ms": ["t1-flair"], "unet": "anatomy"}, str(two)).items()
    assert [part.study for part in parts] == ["ms.t1-flair", "unet"]
    assert finished.digests({"ms": ["t1", "t1-flair"]}, str(two)).keys() == {
        "ms/tables/scan_scores.parquet", "ms/provenance.json"
    }  # fmt: skip
    with pytest.raises(UserError, match=r"studies names ms\.t1 alone; name two"):
        finished.digests({"ms": ["t1"]}, str(two))
    with pytest.raises(UserError, match=r"studies\.ms names flair, but its targets are t1, t1-flair; name one of them"):
        finished.read({"ms": ["t1", "flair"]}, str(two))


def test_the_name_of_a_comparison():
    assert finished.name_of({"unet": "anatomy", "paper-net": "brain"}) == "unet_vs_paper-net"
    assert finished.name_of({"ms": ["t1", "t1-flair"]}) == "ms.t1_vs_ms.t1-flair"
