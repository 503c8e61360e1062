"""The data behind a model, and what is known of its terms."""

import re
from pathlib import Path

import pytest
from settings_of import over_tour

from headstart import leaks, sources
from headstart.datasets import natural
from headstart.datasets.released import SETS
from headstart.publish import terms

ROOT = Path(__file__).parents[2]
ANTS = dict.fromkeys(("cohort", "stroke", "pictures", "mine", "ixi"), "ants")


def lines(datasets, source, backends=ANTS, **others):
    """What is said of a model of this source on the target of the dataset ``mine``."""
    tour, name = over_tour(), "own" if source else "scratch"
    changes = {
        "datasets": tour["datasets"] | datasets,
        "targets": {"lesion": {**tour["targets"]["stroke"], "dataset": "mine"}},
        "pretrain": {"sources": {name: source, **others}},
    }
    study = over_tour(changes)
    known = sources.of_study(study)
    return terms.of_model(study, sources.lineage(known[name], known), "lesion", backends)


def flat(**entry):
    return {"layout": "flat", "folder": "f", "pattern": r"(?P<subject>\w+).nii", "labels_pattern": "x", **entry}


def test_a_public_set_has_its_terms_by_layout_and_by_any_of_its_names():
    (by_layout,) = lines({"mine": {"layout": "lesjak", "folder": "f"}}, {})
    (by_name,) = lines({"mine": {"layout": "bids", "folder": "f", "labels_suffix": "m", "set": "3D-MR-MS"}}, {})
    assert by_layout == by_name
    assert by_layout.startswith("fine-tuning and test: `mine`, 3D-MR-MS")
    assert by_layout.endswith(": CC BY")


def test_of_a_source_that_continues_another_the_data_of_both_are_named():
    weights = {"weights": {"file": "w.pth", "trained_on": ["imagenet"]}}
    mine = {"mine": {"layout": "lesjak", "folder": "f"}, "ixi": {**flat(), "set": "ixi"}}
    found = lines(mine, {"dataset": "ixi", "task": "autoencoding", "start": "theirs"}, theirs=weights)
    assert [line.partition(",")[0] for line in found] == [
        "fine-tuning and test: `mine`", "pre-training: `ixi`", "pre-trained weights from a file",
    ]  # fmt: skip


def test_of_an_unknown_set_the_owner_is_to_be_asked():
    unnamed, named = (
        lines({"mine": {"layout": "bids", "folder": "f", "labels_suffix": "m", **known}}, {})[0]
        for known in ({}, {"set": "ours"})
    )
    assert "ask the owner" in unnamed
    assert "`mine`, ours, a set of which headstart does not know the terms" in named


def test_the_source_has_its_data_and_the_atlases_of_its_labels():
    datasets = {
        "mine": {"layout": "lesjak", "folder": "f"},
        "ixi": flat(set="IXI"),
    }
    del datasets["ixi"]["labels_pattern"]
    _, data, *atlases = lines(datasets, {"dataset": "ixi", "task": "segmentation"})
    assert data.startswith("pre-training: `ixi`, IXI")
    assert data.endswith("CC BY-SA 3.0")
    assert atlases == [
        "atlas: desikan-killiany: BSD",
        "atlas: ibsr: for research",
        "atlas: neuromorphometrics: CC BY-NC",
    ]
    (*_, tool) = lines(datasets, {"dataset": "ixi", "task": "segmentation"}, dict.fromkeys(ANTS, "fsl"))
    assert "FSL: its licence allows non-commercial use" in tool
    assert len(lines(datasets, {"dataset": "ixi", "task": "autoencoding"})) == 2


def test_label_maps_have_the_terms_of_their_scans_and_no_atlas():
    datasets = {"mine": {"layout": "lesjak", "folder": "f"}, "ixi": flat(set="IXI")}
    maps = {"maps": {"layout": "synthetic", "scans": "ixi"}}
    _, data = lines(datasets | maps, {"dataset": "maps", "task": "segmentation", "classes": {"a": [1]}})
    assert data.startswith("pre-training: `ixi`, IXI")


def test_weights_from_a_file_name_what_they_were_trained_on():
    mine = {"mine": {"layout": "lesjak", "folder": "f"}}
    for named, said in (
        (
            {"trained_on": ["imagenet", "ours"]},
            "ImageNet, ILSVRC 2012, image-net.org: for research, after registration; ours: ask",
        ),
        ({}, "trained on data that the study does not name"),
    ):
        _, weights = lines(mine, {"weights": {"file": "a.pth", **named}})
        assert said in weights
        assert weights.endswith("ask who published the weights for their licence")


def test_the_terms_are_those_of_the_page_on_data():
    page = (ROOT / "docs/data.md").read_text()
    for term in terms.SETS.values():
        for licence in re.findall(r": (CC [-A-Z0-9. ]+)$", term):
            assert licence in page
        for doi in re.findall(r"doi (\S+?)[:,]", term):
            assert doi in page
    for atlas, licence in terms.ATLASES.items():
        assert re.search(rf"\| `{atlas}` \|.*\| {licence} \|", page), atlas


@pytest.mark.parametrize("layout", sorted(SETS | set(natural.LAYOUTS) - {"scenes"}))
def test_no_set_with_a_layout_of_its_own_is_forgotten(layout):
    assert leaks.canonical(layout) in terms.SETS
