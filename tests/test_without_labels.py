"""Which sources segment a target as they are pre-trained: its set size 0."""

import pytest
from settings_of import ROOT

from headstart import settings, without_labels
from headstart.job import UserError

SCANS = {"layout": "flat", "pattern": "(?P<subject>x)"}
DENSE = {"dataset": "heads", "task": "segmentation", "labels": "target", "transfer": "all"}
MAPPED = {"task": "segmentation", "transfer": "all", "classes": {"a": [1], "b": [2]}}
NAMES = {"b ": [1], "other": [2], "A": [3]}


def study(sources, **changes):
    """A study of these sources, and of a target with the classes a and b."""
    target = {"dataset": "mine", "classes": {"a": [1], "b": [2]}, "metric": "miou", "test": 1, "sizes": [0, 2]}
    return {
        "datasets": {
            "mine": SCANS | {"folder": "a"},
            "same": SCANS | {"folder": "a"},
            "other": SCANS | {"folder": "b"},
            "heads": {"layout": "phantom", "people": 3, "target": "anatomy"},
            "maps": {"layout": "synthetic", "people": 3},
            "maps-of-mine": {"layout": "synthetic", "scans": "mine"},
            "maps-of-same": {"layout": "synthetic", "scans": "same"},
            "maps-of-other": {"layout": "synthetic", "scans": "other"},
            "scenes": {"layout": "scenes", "pictures": 9},
        },
        "pretrain": {"sources": {"scratch": {}, **sources}},
        "targets": {"t": target | {"resamples": 3, "epochs": 1} | changes},
    }


def resolve(sources, **changes):
    return settings.resolve(ROOT / "config.yaml", ROOT / "rules/schemas/config.schema.yaml", study(sources, **changes))


def test_classes_are_matched_by_name_and_a_name_that_is_there_twice_is_none():
    assert without_labels.unmatched(["background", "B", " a "], ["Background", "a", "b"]) == []
    assert without_labels.places(["background", "B", "c", " a "], ["background", "a", "b"]) == [0, 3, 1]
    assert without_labels.unmatched(["background", "b"], ["background", "a", "b"]) == ["a"]
    assert without_labels.unmatched(["a", "A ", "b"], ["a", "b"]) == ["a"]
    assert without_labels.unmatched(["a", "b"], ["a", "A"]) == ["a", "A"]


def test_whole_networks_that_have_all_classes_and_saw_no_label_of_the_target_are_usable():
    made = {"structures": {"A": ["caudate"], "B": ["putamen"], "c": ["thalamus"]}}
    config = resolve(
        {
            "dense": DENSE | {"classes": NAMES},
            "encoder": DENSE | {"classes": NAMES, "transfer": "encoder"},
            "maps": {"dataset": "maps", "task": "segmentation", "transfer": "all", **made},
            "all": {"dataset": "maps", "task": "segmentation", "transfer": "all"},
            "tissue": {"dataset": "other", "task": "segmentation", "transfer": "all"},
            "elsewhere": DENSE | {"dataset": "other", "classes": {"a": [1], "b": [2]}},
            "own": {"dataset": "mine", "task": "segmentation", "labels": "target", "transfer": "all"},
            "again": DENSE | {"dataset": "same", "classes": {"a": [1], "b": [2]}},
            "own-maps": {"dataset": "maps-of-mine", "task": "segmentation", "transfer": "all"},
            "maps-again": MAPPED | {"dataset": "maps-of-same"},
            "maps-elsewhere": MAPPED | {"dataset": "maps-of-other"},
            "natural": {"dataset": "scenes", "task": "segmentation", "transfer": "all"},
            "masked": {"dataset": "heads", "task": "masked-autoencoding", "transfer": "all"},
        }
    )
    assert without_labels.usable(config, "t") == ["dense", "maps", "elsewhere", "maps-elsewhere"]


def test_labels_that_headstart_makes_of_the_targets_own_scans_are_no_manual_labels():
    config = resolve(
        {"tissue": {"dataset": "mine", "task": "segmentation", "transfer": "all"}},
        classes={" GM": [1], "wm": [2]},
    )
    assert without_labels.usable(config, "t") == ["tissue"]


@pytest.mark.parametrize(
    ("sources", "changes", "said"),
    [
        ({"a": DENSE | {"classes": NAMES}}, {"sizes": [0]}, "has 0 alone, where no source can be compared"),
        (
            {"a": DENSE | {"classes": {"a": [1]}}},
            {},
            "(pretrain.sources.a lacks the class 'b'); change or add ",
        ),
        (
            {"a": DENSE | {"classes": NAMES, "transfer": "encoder"}},
            {},
            "(pretrain.sources.a has transfer: encoder, not all)",
        ),
        (
            {"own": DENSE | {"dataset": "mine"}, "a": DENSE | {"classes": {"c": [1]}}},
            {},
            "(pretrain.sources.own is trained on manual labels of the target's own scans; pretrain.sources.a lacks the "
            "class 'a', 'b')",
        ),
        ({"m": {"dataset": "heads", "task": "autoencoding"}}, {}, "(none has the task segmentation)"),
    ],
)
def test_a_size_of_0_that_no_source_has_stops_the_study_in_one_sentence(sources, changes, said):
    with pytest.raises(UserError) as caught:
        resolve(sources, **changes)
    assert str(caught.value).startswith("targets.t.sizes has 0")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    resolve(sources, sizes=[2])


def test_the_same_network_is_tested_once_on_each_test_set():
    target = {"split": "fixed", "resamples": 3}
    assert [without_labels.resamples(target, size) for size in (0, 1)] == [1, 3]
    assert without_labels.resamples(target | {"split": "redrawn"}, 0) == 3


def test_a_source_must_be_trained_on_the_first_image_that_models_see():
    study_ = study({"dense": DENSE | {"classes": NAMES}, "flair": DENSE | {"dataset": "dark", "classes": NAMES}})
    study_["datasets"]["dark"] = study_["datasets"]["heads"] | {"images": ["FLAIR"]}
    study_["datasets"]["mine"] |= {"images": ["T1w", "FLAIR"], "patterns": {"FLAIR": "(?P<subject>y)"}}
    for images, usable in ((["T1w"], ["dense"]), (["FLAIR", "T1w"], ["flair"])):
        study_["targets"]["t"]["images"] = images
        config = settings.resolve(ROOT / "config.yaml", ROOT / "rules/schemas/config.schema.yaml", study_)
        assert without_labels.usable(config, "t") == usable
