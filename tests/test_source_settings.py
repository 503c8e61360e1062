"""What a study may say of its sources, and what it is told otherwise."""

import re

import pytest
import yaml
from settings_of import ROOT, SCHEMA, over_tour

from headstart import consistency, source_checks, sources
from headstart.job import UserError
from headstart.slices.cut import PRESENCE_NAMES
from headstart.template.template import TISSUES

TURN = {"probability": 1, "low": -10, "high": 10}
PHOTOS = {"degrees": 10, "scale": 0.1, "mirror": True}
TISSUE, PATTERN = {"dataset": "cohort", "task": "segmentation"}, {"dataset": "pictures", "task": "segmentation"}
SHOWN = {"dataset": "cohort", "task": "classification"}
DENSE = TISSUE | {"labels": "target", "classes": {"lesion": [1]}}


def study_of(**entry):
    """A study of the baseline and one source."""
    return {"pretrain": {"sources": {"scratch": {}, "s": entry}}}


def message(study):
    """The error message for a study, which is one line."""
    with pytest.raises(UserError) as caught:
        over_tour(study)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_source_may_have_an_augmentation_of_its_own():
    kinds = {"rotation": TURN, "mirror": True}
    declared = {"a": TISSUE | {"augment": kinds}, "b": PATTERN | {"augment": PHOTOS}, "c": PATTERN | {"augment": kinds}}
    found = sources.of_study(over_tour({"pretrain": {"sources": declared}}))
    assert {name: source.augment for name, source in found.items()} == {"a": kinds, "b": PHOTOS, "c": kinds}
    assert not any(source.augment for source in sources.of_study(over_tour()).values())


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({}, "s has neither a dataset with a task nor weights; add one (only scratch has none)."),
        (
            {"dataset": "cohort"},
            "s has a dataset but no task; add its task (segmentation, autoencoding, classification, "
            "masked-autoencoding, restoring).",
        ),
        ({"task": "segmentation"}, "s has a task but no dataset; add its dataset."),
        (TISSUE | {"weights": {"file": "a"}}, "s has both dataset and weights; make two sources of them."),
        (TISSUE | {"epochs": 3, "steps": 4}, "s has both epochs and steps, the length of its training; give one."),
        ({"weights": {"file": "a"}, "epochs": 3}, "s.epochs: this source is not trained here; remove epochs."),
        ({"weights": {"file": "a"}, "transfer": "all"}, "s.transfer is all, but this source has no decoder; set it to"),
        (SHOWN | {"transfer": "all"}, "s.transfer is all, but this source has no decoder; set it to encoder."),
        (
            TISSUE | {"activation": "softmax"},
            "s.activation is for the task classification, not segmentation; remove it.",
        ),
        (SHOWN | {"labels": "tissue"}, "s.labels is for the task segmentation, not classification; remove it."),
        (PATTERN | {"labels": "tissue"}, "s.labels is for scans, and 'pictures' holds natural images; remove it."),
        (TISSUE | {"classes": {"a": [1]}}, "s.classes is for the manual labels of scans; remove it, or set labels to"),
        (TISSUE | {"dataset": "kohort"}, "s.dataset is 'kohort', which datasets lacks; did you mean 'cohort'?"),
        (
            TISSUE | {"dataset": "x"},
            "s.dataset is 'x', which datasets lacks; name one of cohort, stroke, ms, anatomy, pictures, or list other "
            "sources.",
        ),
        (
            TISSUE | {"labels": "target"},
            "s.labels is target, but no target has the dataset 'cohort'; add pretrain.sources.s.classes, as in "
            "targets.<name>.classes.",
        ),
        (
            DENSE | {"dataset": "stroke"},
            "s.classes: the labels of 'stroke' have the classes of targets.stroke; remove it.",
        ),
        (DENSE | {"classes": {"a": [1], "b": ["1-2"]}}, "s.classes gives label 1 to two classes; keep it in one."),
        (DENSE | {"classes": {"a": ["3-1"]}}, "s.classes.a: '3-1' is empty; give the lower end first."),
        (
            SHOWN | {"augment": {"mirror": True}},
            "s.augment.mirror would exchange left and right structures; set it to false.",
        ),
        (
            DENSE | {"classes": {"left eye": [1]}, "augment": {"mirror": True}},
            "s.augment.mirror would exchange left and",
        ),
        (
            TISSUE | {"augment": PHOTOS},
            "s.augment.degrees is for natural images; write pretrain.sources.s.augment.rotation, as in",
        ),
        (
            TISSUE | {"augment": {"rotation": TURN | {"low": 20}}},
            "s.augment.rotation: low is 20 and high is 10; exchange them.",
        ),
        (TISSUE | {"patch": 4}, "s.patch is for the task masked-autoencoding, not segmentation; remove it."),
        (
            {"weights": {"file": "a", "expects": {"mean": [0.5], "std": [0.2, 0.2, 0.2]}}},
            "s.weights.expects has 1 numbers in mean and 3 in std; give one (grey) or three (RGB) of each.",
        ),
        (
            {"weights": {"file": "a", "expects": {"mean": [float("nan")], "std": [0.2]}}},
            "s.weights.expects has numbers that are not finite; correct them.",
        ),
        ({"weights": {"file": "a"}, "start": "scratch"}, "s.start: this source is not trained here; remove start."),
        ({"weights": {"file": "a"}, "repeats": 2}, "s.repeats: this source is not trained here; remove repeats."),
        (TISSUE | {"start": "scratch"}, "s.start is scratch, the random start that a source has by itself; remove it."),
        (TISSUE | {"start": "x"}, "s.start is 'x', which is no source; remove it."),
        (TISSUE | {"start": "s"}, "s.start leads back to s (s, s); remove one start."),
        (
            TISSUE | {"repeats": 3},
            "s.repeats is 3, but no target has more than 2 resamples, each of which is fine-tuned from one repeat; "
            "lower it, or raise resamples.",
        ),
        (TISSUE | {"augment": {"noise": TURN}}, "s.augment.noise.low is -10; give a value from 0 to 1."),
        (
            TISSUE | {"augment": {"shear": TURN | {"high": 90}}},
            "s.augment.shear.high is 90; give a value from -45 to 45.",
        ),
        (
            TISSUE | {"augment": {"low_resolution": TURN | {"low": 0.5, "high": 30}}},
            "s.augment.low_resolution.high is 30; give a value from 0.05 to 1.",
        ),
    ],
)
def test_a_source_that_cannot_be_meant_is_one_sentence(entry, sentence):
    assert message(study_of(**entry)).startswith(f"pretrain.sources.{sentence}")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (TISSUE | {"augment": {"rotatoin": TURN}}, "s.augment has no key 'rotatoin'; did you mean 'rotation'?"),
        (PATTERN | {"augment": {"degrees": 1, "scale": 0}}, "s.augment lacks the key 'mirror'; add it."),
        (TISSUE | {"task": "segmentatoin"}, "s.task is 'segmentatoin'; did you mean 'segmentation'?"),
        (TISSUE | {"atlas": 1}, "s has no key 'atlas'; did you mean 'task'?"),
        ({"weights": {"sha256": None}}, "s.weights lacks the key 'file'; add it."),
    ],
)
def test_a_key_that_no_source_has_is_one_sentence(entry, sentence):
    assert message(study_of(**entry)).startswith(f"configuration key pretrain.sources.{sentence}")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (
            {"task": "autoencoding"},
            "s.task is autoencoding, but synthetic heads have label maps alone; set",
        ),
        (
            {"augment": {"mirror": True}},
            "s.augment: images of synthetic heads change as pretrain.synthesis.",
        ),
        ({"labels": "tissue"}, "s.labels is for scans, and 'heads' holds label maps alone; remove it."),
        (
            {"classes": {"a": [1]}},
            "s.classes is for label values; name the structures of each class",
        ),
        (
            {"structures": {"a": ["putamin"]}},
            "s.structures: class 'a' names 'putamin'; give names among CSF,",
        ),
        ({"structures": {"left putamen": ["putamen"]}}, "s.structures has 'left putamen', but a structure is that of"),
        (
            {"dataset": "cohort", "synthesis": "any"},
            "s.synthesis is for datasets with the layout synthetic;",
        ),
        (
            {"dataset": "cohort", "structures": {"a": ["CSF"]}},
            "s.structures is for datasets with the layout",
        ),
    ],
)
def test_what_synthetic_heads_cannot_be_is_one_sentence(entry, sentence):
    study = study_of(dataset="heads", task="segmentation") if "dataset" not in entry else study_of(task="segmentation")
    study["pretrain"]["sources"]["s"] |= entry
    study["datasets"] = over_tour()["datasets"] | {"heads": {"layout": "synthetic", "people": 3}}
    assert message(study).startswith(f"pretrain.sources.{sentence}")


MAPS = {"layout": "synthetic", "scans": "anatomy"}
TAKEN = {"dataset": "maps", "task": "segmentation"}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"scans": "anatomie"}, "maps.scans is 'anatomie', which datasets lacks; did you mean 'anatomy'?"),
        ({"scans": "x"}, "maps.scans is 'x', which datasets lacks; name a dataset of scans with manual labels."),
        ({"scans": "pictures"}, "maps.scans is 'pictures', which holds natural images; name a dataset of scans with"),
        ({"scans": "maps"}, "maps.scans is 'maps', which holds no scans; name a dataset of scans with manual labels."),
        ({"people": 3}, "maps has both scans and people, but its heads and slices are those of 'anatomy'; remove peop"),
        ({"lesions": "ms"}, "maps has both scans and lesions, but its heads and slices are those of 'anatomy'; remove"),
        ({"exclude": ["01"]}, "maps: its heads are the scans of 'anatomy'; choose them there, in datasets.anatomy."),
    ],
)
def test_label_maps_of_scans_that_cannot_be_meant_are_one_sentence(entry, sentence):
    study = study_of(**TAKEN) | {"datasets": over_tour()["datasets"] | {"maps": MAPS | entry}}
    assert message(study).startswith(f"datasets.{sentence}")


def test_clusters_are_for_label_maps_of_scans():
    drawn = {"layout": "synthetic", "people": 3, "clusters": {"brain": 2}}
    assert message(study_of(**TAKEN) | {"datasets": over_tour()["datasets"] | {"maps": drawn}}) == (
        "datasets.maps.clusters is for label maps of labelled scans; remove it, or name these in datasets.maps.scans."
    )


@pytest.mark.parametrize(
    ("entry", "scans", "sentence"),
    [
        ({"classes": {"a": [1]}}, "anatomy", "pretrain.sources.s.classes: the labels of 'anatomy' have the classes of"),
        (
            {},
            "cohort",
            "datasets.maps takes manual labels, but no target has the dataset 'cohort'; add pretrain.sources",
        ),
        (
            {"structures": {"a": ["brain 9"]}},
            "anatomy",
            "pretrain.sources.s.structures: class 'a' names 'brain 9'; give",
        ),
        ({"classes": {"brain 1": [1]}}, "cohort", "datasets.maps.scans: the class 'brain 1' has the name of a part of"),
        (
            {"classes": {"left eye": [1]}},
            "cohort",
            "pretrain.sources.s has the class 'left eye', which mirroring would",
        ),
        ({"labels": "target"}, "anatomy", "pretrain.sources.s.labels is for scans, and 'maps' holds label maps alone;"),
    ],
)
def test_what_label_maps_of_scans_cannot_be_is_one_sentence(entry, scans, sentence):
    study = study_of(**TAKEN | entry) | {"datasets": over_tour()["datasets"] | {"maps": MAPS | {"scans": scans}}}
    assert message(study).startswith(sentence)


def test_sides_may_be_classes_of_label_maps_that_are_not_mirrored():
    study = study_of(**TAKEN, classes={"left eye": [1]})
    study["datasets"] = over_tour()["datasets"] | {"maps": MAPS | {"scans": "cohort"}}
    study["pretrain"]["synthesis"] = {"changes": {"mirror": False}}
    assert sources.of_study(over_tour(study))["s"].classes == {"left eye": ["left eye"]}


def test_defaults_of_drawn_heads_are_not_those_of_label_maps_of_scans():
    study = study_of(**TAKEN) | {"datasets": over_tour()["datasets"] | {"maps": MAPS | {"clusters": {"brain": 5}}}}
    made = over_tour(study)["datasets"]["maps"]
    assert made["clusters"] == {"labels": 1, "brain": 5, "head": 4}
    assert not {"people", "fineness", "lesions", "discard_mm"} & made.keys()
    drawn = {"maps": {"layout": "synthetic", "people": 2}}
    made = over_tour(study | {"datasets": over_tour()["datasets"] | drawn})["datasets"]["maps"]
    assert (made["fineness"], made["lesions"], "clusters" in made) == (2, "none", False)


def test_as_many_heads_as_are_held_out_are_too_few():
    study = study_of(dataset="heads", task="segmentation")
    study["datasets"] = over_tour()["datasets"] | {"heads": {"layout": "synthetic", "people": 1}}
    assert message(study).endswith("all 1 heads of 'heads' are held out (pretrain.held_out); add people.")


def test_synthetic_heads_are_no_target():
    study = {"datasets": over_tour()["datasets"] | {"stroke": {"layout": "synthetic", "people": 3}}}
    assert message(study) == "targets.stroke.dataset is 'stroke', which holds no scans; name a dataset of scans."


def test_strengths_of_the_synthesis_are_checked():
    texture = {"probability": 1, "low": 0.2, "high": 0.1}
    assert message({"pretrain": {"synthesis": {"texture": texture}}}).startswith("pretrain.synthesis.texture: low is")
    bias = {"probability": 1, "low": 0, "high": 9}
    assert message({"pretrain": {"synthesis": {"changes": {"bias": bias}}}}).startswith(
        "pretrain.synthesis.changes.bias"
    )


def test_the_baseline_has_neither_a_dataset_nor_weights():
    sentence = "pretrain.sources.scratch is the random start, the baseline; write scratch: {}, or rename this source."
    for entry in (TISSUE, {"weights": {"file": "a"}}):
        assert message({"pretrain": {"sources": {"scratch": entry}}}) == sentence


def test_natural_images_without_the_targets_of_a_task_are_refused():
    datasets = over_tour()["datasets"] | {"things": {"layout": "imagenet", "folder": "a", "pictures": 9}}
    study = study_of(dataset="things", task="segmentation") | {"datasets": datasets}
    assert message(study) == (
        "pretrain.sources.s.task is segmentation, which 'things' has no targets for (layout imagenet); name a dataset "
        "of scans, or of natural images with the layout taskonomy or scenes."
    )
    assert over_tour(study_of(dataset="things", task="autoencoding") | {"datasets": datasets})


def test_two_sources_on_the_manual_labels_of_one_dataset_have_the_same_classes():
    both = {"a": DENSE, "b": DENSE | {"classes": {"other": [1]}}}
    assert message({"pretrain": {"sources": both}}).startswith(
        "pretrain.sources.b.classes differ from those of pretrain.sources.a, which uses the same labels; give each"
    )
    assert over_tour({"pretrain": {"sources": {"a": DENSE, "b": DENSE}}})


def test_sources_that_continue_each_other_are_named():
    declared = {"a": TISSUE | {"start": "b"}, "b": TISSUE | {"start": "c"}, "c": TISSUE | {"start": "b"}}
    assert message({"pretrain": {"sources": declared}}) == (
        "pretrain.sources.a.start leads back to b (a, b, c, b); remove one start."
    )
    declared["c"] = TISSUE | {"start": "files"}
    known = declared | {"file": {"weights": {"file": "w.pth"}}}
    assert message({"pretrain": {"sources": known}}).endswith(
        "c.start is 'files', which is no source; did you mean 'file'?"
    )
    known["c"] = TISSUE | {"start": "other"}
    assert message({"pretrain": {"sources": known}}).endswith("which is no source; name one of file, or remove it.")
    known["c"] = TISSUE | {"start": "file"}
    over_tour({"pretrain": {"sources": known}})


def test_the_tasks_of_a_key_in_the_schema_are_those_that_read_it():
    keys = yaml.safe_load(SCHEMA.read_text())["$defs"]["source"]["properties"]
    assert keys["task"]["enum"] == list(sources.TASKS)
    listed = {key: tuple(rule["tasks"]) for key, rule in keys.items() if "tasks" in rule}
    assert listed == source_checks._OF_TASKS


def test_the_structures_of_classification_have_sides_and_the_tissues_of_segmentation_have_none():
    assert any(name.startswith("left ") for name in PRESENCE_NAMES)
    assert not re.search("left|right", " ".join(TISSUES.values()), re.I)


@pytest.mark.parametrize(
    "title",
    [
        "left hippocampus", "LeftHippocampus", "hippocampusLeft", "hippocampus (L)", "Ctx_R_precentral", "hipp_l_head",
        "L", "lh", "ctx-rh-insula", "Lt. putamen", "lefthemisphere", "R_Amygdala", "RightThalamus", "Caudate.right",
    ],
)  # fmt: skip
def test_a_class_with_a_side_is_known_by_its_name(title):
    assert consistency.has_side(title)


@pytest.mark.parametrize(
    "title", ["lesion", "white matter", "brain stem", "CSF", "GM", "cerebellum", "alright", "T1 lesion", "red nucleus"]
)
def test_a_class_without_a_side_may_be_mirrored(title):
    assert not consistency.has_side(title)


def study_of_flair(**entry):
    """The same of a source whose dataset has a FLAIR alone."""
    scans = {"layout": "phantom", "people": 4, "images": ["FLAIR"]}
    own = yaml.safe_load((ROOT / "studies/tour.yaml").read_text())["datasets"]
    return study_of(dataset="flair", **entry) | {"datasets": own | {"flair": scans}}


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ({"task": "segmentation"}, "set labels to target"),
        ({"task": "classification"}, "choose autoencoding"),
    ],
)
def test_labels_are_made_of_t1_scans_alone(entry, remedy):
    assert message(study_of_flair(**entry)) == (
        f"pretrain.sources.s: headstart makes labels for the task {entry['task']} from T1 scans, and datasets.flair."
        f"images begins with FLAIR; {remedy}, or name a dataset that begins with T1w."
    )


def test_sources_without_made_labels_are_trained_on_any_first_image():
    manual = {"task": "segmentation", "labels": "target", "classes": {"lesion": [1]}}
    for entry in ({"task": "autoencoding"}, {"task": "restoring"}, manual):
        assert sources.of_study(over_tour(study_of_flair(**entry)))["s"].first_image == "FLAIR"


def test_scans_without_a_t1_are_a_domain_of_their_own():
    study = study_of_flair(task="autoencoding")
    study["datasets"]["flair"] = {"layout": "lesjak", "folder": "x", "images": ["FLAIR", "T1w"]}
    assert sources.of_study(over_tour(study))["s"].domain == "mr"
    study["datasets"]["flair"]["images"] = ["T1w", "FLAIR"]
    assert sources.of_study(over_tour(study))["s"].domain == "t1"
