"""Leaks between pre-training and test data, planted in each way that names of sets can tell."""

import csv

import pytest
from settings_of import ROOT, over_tour

from headstart import leaks, settings, sources
from headstart.job import UserError

MICCAI = {"layout": "miccai2012", "folder": "miccai"}
WITHOUT_ATLAS = {"atlases": ["desikan-killiany", "ibsr"]}
TARGET = {
    "classes": {"lesion": [1]}, "metric": "dice", "test": 1, "sizes": [1], "resamples": 1, "steps": 1,
}  # fmt: skip


def overlaps(source, tested, backend="ants", **changes):
    """The overlaps of a source, with an entry of its dataset, ``cohort``, and a target that tests on an entry."""
    datasets = {"tested": tested, "pictures": {"layout": "scenes", "pictures": 200}, **changes.pop("datasets", {})}
    if cohort := changes.pop("cohort", None):
        datasets["cohort"] = cohort
    external = {"external": changes.pop("external")} if "external" in changes else {}
    study = {
        "datasets": datasets,
        "pretrain": {"sources": {"scratch": {}, "s": source, **changes.pop("others", {})}},
        "targets": {"t": {"dataset": "tested", **TARGET, **external}},
        **changes,
    }
    config = over_tour(study)
    return leaks.find(config, sources.of_study(config), dict.fromkeys(config["datasets"], backend))


def weights(*trained_on):
    return {"weights": {"file": "w.pth", **({"trained_on": list(trained_on)} if trained_on else {})}}


def scans(**changes):
    return {"layout": "bids", "folder": "scans", **changes}


def stopped(*args, **kwargs):
    with pytest.raises(UserError) as caught:
        overlaps(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_trained_on_the_targets_own_set_stop_the_study():
    assert stopped(weights("miccai2012"), MICCAI) == (
        "pretrain.sources.s.weights.trained_on names miccai2012, the target's own set, so targets.t would test on "
        "people of pre-training; remove the source, or name in trained_on the part of the set that was trained on, if "
        "it is other people."
    )
    assert "names our-lab" in stopped(weights("imagenet", "our-lab"), scans(set="our-lab"))


@pytest.mark.parametrize(
    ("trained_on", "tested"),
    [("oasis1", "miccai2012"), ("OASIS-1", "MICCAI 2012"), ("OASIS", "miccai2012"), ("brains45k", "WMH"),
     ("BraTS21", "brats2021"), ("3D-MR-MS", "lesjak"), ("ATLAS R1.2", "atlas-r1")],
)  # fmt: skip
def test_weights_trained_on_a_set_that_holds_the_targets_stop_the_study_however_it_is_written(trained_on, tested):
    assert f"names {trained_on}" in stopped(weights(trained_on), scans(set=tested))


@pytest.mark.parametrize(
    ("trained_on", "tested"),
    [
        ("oasis3", "oasis1"),  # some people, whichever comes first in the table
        ("oasis1", "oasis3"),
        ("miccai2012", "oasis1"),  # a part of the target's set
        ("oasis3", "miccai2012"),  # shares people with the set that the target's is a part of
        ("miccai2012", "oasis3"),
        ("brains45k", "oasis1"),  # holds a set that shares people with the target's
        ("openbhb", "ixi"),
        ("atlas-r2", "atlas-r1"),
        ("msd", "brats2017"),
    ],
)
def test_a_possible_overlap_is_a_warning_with_its_evidence(trained_on, tested):
    (found,) = overlaps(weights(trained_on), scans(set=tested))
    assert (found.source, found.target) == ("s", "t")
    (warning,) = leaks.warnings([found])
    assert warning.startswith("possible overlap of pre-training and test (source s, target t): pretrain.sources.s.")
    assert f"names {trained_on}, " in warning
    assert tested in warning
    assert found.remedy in warning


@pytest.mark.parametrize(
    ("trained_on", "tested"),
    [
        ("imagenet", "miccai2012"),
        ("radimagenet", "oasis1"),
        ("our-lab", "your-lab"),
        ("ixi", "abide1"),  # both are in larger sets, which makes them no less different
        ("msseg", "wmh"),
        ("oasis1-training", "oasis1"),  # a part that the user names
    ],
)
def test_sets_that_are_not_known_to_share_people_pass(trained_on, tested):
    assert overlaps(weights(trained_on), scans(set=tested)) == []


def test_a_dataset_whose_set_is_not_known_is_compared_with_nothing():
    assert overlaps(weights("oasis3"), scans()) == []


def test_a_known_set_is_compared_with_no_folder_of_synthetic_people():
    phantom = {"layout": "phantom", "people": 12, "target": "anatomy"}
    for cohort in (scans(set="ixi"), MICCAI, {"layout": "oasis1", "folder": "oasis"}):
        assert overlaps(SELF_SUPERVISED, phantom, cohort=cohort) == []


def test_a_name_of_ones_own_replaces_the_layouts():
    assert overlaps(weights("miccai2012"), MICCAI | {"set": "challenge-test"}) == []


SELF_SUPERVISED = {"dataset": "cohort", "task": "autoencoding"}
OASIS = {"layout": "oasis1", "folder": "oasis"}


def test_a_dataset_that_holds_the_targets_people_under_other_names_stops_the_study():
    said = stopped(SELF_SUPERVISED, MICCAI, cohort=OASIS)
    assert said.startswith(
        "datasets.cohort.layout names oasis1, which has the people of miccai2012, the target's set ("
    )
    assert "name what is left in datasets.cohort.set" in said
    copied = scans(set="miccai2012")
    assert stopped(SELF_SUPERVISED, MICCAI, cohort=copied).startswith("datasets.cohort.set names miccai2012, ")


def test_a_part_of_such_a_dataset_is_a_warning_until_it_has_a_name():
    part = OASIS | {"exclude": ["OAS10001MR1"]}
    (found,) = overlaps(SELF_SUPERVISED, MICCAI, cohort=part)
    assert found.why.startswith("datasets.cohort.layout names oasis1, ")
    assert overlaps(SELF_SUPERVISED, MICCAI, cohort=part | {"set": "others-of-oasis"}) == []


def test_people_whom_splits_compare_are_not_compared_by_sets():
    other_folder = MICCAI | {"folder": "copy"}
    same_folder = scans(set="ixi", include=["01"])
    assert overlaps(SELF_SUPERVISED, MICCAI, cohort=other_folder) == []
    assert overlaps(SELF_SUPERVISED, scans(set="ixi"), cohort=same_folder) == []
    assert overlaps({"dataset": "tested", "task": "autoencoding"}, MICCAI) == []


MAPS = {"dataset": "maps", "task": "segmentation"}
LABELLED = MAPS | {"classes": {"grey": [1]}}


def of_maps(tested, cohort=None, **changes):
    """The overlaps of a source on the label maps of ``cohort``, or of the scans that the target tests on."""
    entry = {"layout": "synthetic", "scans": "cohort" if cohort else "tested"}
    return overlaps(LABELLED if cohort else MAPS, tested, cohort=cohort, datasets={"maps": entry}, **changes)


def test_label_maps_of_scans_have_seen_the_people_of_these():
    with pytest.raises(UserError, match="datasets.cohort.layout names oasis1, which has the people of miccai2012"):
        of_maps(MICCAI, OASIS)
    (found,) = of_maps(MICCAI, OASIS | {"exclude": ["OAS10001MR1"]})
    assert found.why.startswith("datasets.cohort.layout names oasis1, ")
    assert of_maps(MICCAI, scans()) == []  # no atlas is in label maps of scans
    assert of_maps(MICCAI) == []  # who is in a test set is left out, as of other sources
    (found,) = of_maps(PHANTOMS | {"target": "lesion", "people": 4}, PHANTOMS | {"target": "anatomy"})
    assert found.remedy is None
    assert of_maps(PHANTOMS | {"target": "lesion", "people": 4}, scans()) == []


def chain(first, tested, *, cohort=None):
    """The overlaps of ``last``, which is trained on pictures and continues ``s``, which continues ``first``."""
    pictures = {"dataset": "pictures", "task": "autoencoding"}
    others = {"first": first, "last": pictures | {"start": "s"}}
    return overlaps(pictures | {"start": "first"}, tested, cohort=cohort, others=others)


def test_what_a_source_has_seen_counts_for_those_that_continue_it():
    assert {(found.source, found.why) for found in chain(weights("oasis3"), scans(set="oasis1"))} == {
        (name, found.why) for name in ("first", "s", "last") for found in chain(weights("oasis3"), scans(set="oasis1"))
    }
    (found, *_) = chain(weights("oasis3"), scans(set="oasis1"))
    assert found.why.startswith("pretrain.sources.first.weights.trained_on names oasis3, ")
    (warning,) = leaks.warnings(chain(weights("oasis3"), scans(set="oasis1")))
    assert "(sources s, first, last, target t)" in warning
    part = OASIS | {"exclude": ["OAS10001MR1"]}
    assert {found.source for found in chain(SELF_SUPERVISED, MICCAI, cohort=part)} == {"first", "s", "last"}
    made = chain(TISSUES, MICCAI, cohort=scans())
    assert {(found.source, found.remedy) for found in made} == {
        (name, "leave neuromorphometrics out of label.atlases") for name in ("first", "s", "last")
    }
    lesions = PHANTOMS | {"target": "lesion", "people": 4}
    assert {found.source for found in chain(TISSUES, lesions, cohort=HEADS)} == {"first", "s", "last"}
    assert len(chain(weights("ixi"), scans(set="oasis1"))) == 0


def test_a_source_that_continues_one_of_the_same_dataset_has_each_overlap_once():
    (found, again) = overlaps(TISSUES | {"start": "other"}, MICCAI, cohort=scans(), others={"other": TISSUES})
    assert {found.source, again.source} == {"s", "other"}


def test_what_is_unknown_of_a_source_is_unknown_of_those_that_continue_it():
    entry = {"dataset": "pictures", "task": "autoencoding", "start": "silent"}
    changed = {"pretrain": {"sources": {"silent": weights(), "s": entry}}}
    known = sources.of_study(over_tour(changed))
    own = [leaks.Overlap("s", "t", "why", None)]
    said = "unknown: pretrain.sources.silent.weights.trained_on is not given"
    assert leaks.of_source([], known["s"], known) == said
    assert leaks.of_source(own, known["s"], known) == f"{said}; t: why"


TISSUES = {"dataset": "cohort", "task": "segmentation"}
PHANTOMS = {"layout": "phantom", "people": 3}
HEADS = {"layout": "synthetic", "people": 3}


@pytest.mark.parametrize(
    ("source", "cohort"),
    [
        (TISSUES, scans()),
        (TISSUES | {"task": "classification"}, scans()),
        (SELF_SUPERVISED, PHANTOMS),
        (TISSUES, PHANTOMS),
        (TISSUES, HEADS),
        ({"dataset": "tested", "task": "segmentation"}, None),
    ],
)
def test_labels_and_phantoms_made_of_an_atlas_of_the_test_people_are_a_warning(source, cohort):
    for tested in (MICCAI, OASIS):
        (found,) = overlaps(source, tested, cohort=cohort)
        assert found.remedy == "leave neuromorphometrics out of label.atlases"
        assert "miccai2012" in found.why
        assert overlaps(source, tested, cohort=cohort, label=WITHOUT_ATLAS) == []


def test_no_atlas_is_in_what_is_labelled_by_fsl_or_not_at_all():
    assert overlaps(TISSUES, MICCAI, cohort=scans(), backend="fsl") == []
    assert overlaps(SELF_SUPERVISED, MICCAI, cohort=scans()) == []
    assert len(overlaps(SELF_SUPERVISED, MICCAI, cohort=PHANTOMS, backend="fsl")) == 1
    (found,) = overlaps(TISSUES, scans(set="ibsr"), cohort=scans(folder="other"))
    assert found.remedy == "leave ibsr out of label.atlases"


@pytest.mark.parametrize("cohort", [PHANTOMS, HEADS])
def test_synthetic_subjects_in_source_and_target_are_said(cohort):
    (found,) = overlaps(TISSUES, PHANTOMS | {"target": "lesion", "people": 4}, cohort=cohort)
    assert found.remedy is None
    assert overlaps({"dataset": "pictures", "task": "autoencoding"}, PHANTOMS | {"target": "lesion", "people": 4}) == []


def of_study(name):
    config = settings.of_project(ROOT, ROOT / f"studies/{name}.yaml" if name else None)
    return leaks.find(config, sources.of_study(config), dict.fromkeys(config["datasets"], config["label"]["backend"]))


def test_the_default_study_says_in_one_sentence_that_one_generator_made_its_scans():
    found = of_study(None)
    (sentence,) = leaks.sentences(found)
    assert sentence == (
        "source synthetic-anatomy, target anatomy: one generator makes the synthetic subjects of source and target, so "
        "the gain says nothing about other scans."
    )
    assert leaks.warnings(found) == []


def test_the_tour_says_so_of_all_its_sources_and_targets_at_once():
    (sentence,) = leaks.sentences(of_study("tour"))
    assert sentence.startswith(
        "sources t1-segmentation, t1-autoencoding, t1-classification, targets stroke, ms, anatomy: one generator "
    )


def test_the_studies_of_the_project_have_the_overlaps_that_they_are_known_for():
    assert of_study("oasis") == []
    found = of_study("paper")
    assert {overlap.target for overlap in found} == {"anatomy"}
    assert {overlap.source for overlap in found} == {"t1-segmentation", "t1-autoencoding", "t1-classification"}
    (warning,) = leaks.warnings(found)
    assert "datasets.bahc.set names bahc, which may share people with miccai2012" in warning


def test_the_table_of_sources_has_what_is_known_of_each():
    config = over_tour()
    known = sources.of_study(config)
    found = leaks.find(config, known, dict.fromkeys(config["datasets"], "ants"))
    assert leaks.of_source(found, known["scratch"], known) == ""
    assert leaks.of_source(found, known["natural-segmentation"], known) == ""
    assert leaks.of_source(found, known["t1-segmentation"], known).startswith("stroke, ms, anatomy: one generator ")


def test_weights_that_do_not_say_what_they_were_trained_on_are_unknown_in_the_table():
    changed = {"pretrain": {"sources": {"silent": weights(), "open": weights("ixi")}}}
    known = sources.of_study(over_tour(changed))
    assert leaks.of_source([], known["silent"], known) == "unknown: weights.trained_on is not given"
    assert leaks.of_source([], known["open"], known) == ""
    assert known["open"].weights == {"file": "w.pth"}
    assert known["open"].trained_on == ("ixi",)


def test_the_table_of_known_sets_names_each_set_in_one_way_and_gives_evidence():
    with open(ROOT / "workflow_scripts/headstart/known_sets.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    others = [leaks._plain(name) for row in rows if row["relation"] == "is" for name in row["others"].split(", ")]
    named = {leaks._plain(row["set"]) for row in rows}
    assert len(others) == len(set(others))
    assert not named & set(others)
    for row in rows:
        assert row["relation"] in {"contains", "shares", "is"}
        assert bool(row["evidence"]) == (row["relation"] != "is")
        names = row["others"].split(", ")
        assert row["relation"] == "is" or not {leaks._plain(name) for name in names} & set(others)


def masks_of_a_network(*trained_on):
    return {"net": {"folder": "masks", "pattern": r"(?P<subject>\w+)\.nii", "trained_on": list(trained_on)}}


def test_a_competitor_that_was_trained_on_the_targets_set_stops_the_study():
    assert stopped(weights("imagenet"), MICCAI, external=masks_of_a_network("adni", "oasis1")).startswith(
        "targets.t.external.net.trained_on names oasis1, which has the people of miccai2012, the target's set"
    )
    possible = overlaps(weights("imagenet"), scans(set="our-lab"), external=masks_of_a_network("adni"))
    assert possible == []
    (found,) = overlaps(weights("imagenet"), MICCAI, external=masks_of_a_network("oasis3"))
    assert (found.source, found.target) == ("net", "t")
    assert found.remedy.startswith("remove the competitor, or name in trained_on the part")
