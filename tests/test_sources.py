"""What a study's sources are, from its configuration."""

from settings_of import ROOT

from headstart import settings, sources
from headstart.evaluate import tables

SCANS = {"layout": "flat", "folder": "a", "pattern": "(?P<subject>x)"}
TARGET = {"dataset": "mine", "classes": {"a": [1], "b": ["3-5"]}, "metric": "miou", "test": 1, "sizes": [1],
          "resamples": 1, "epochs": 1}  # fmt: skip


def found(**declared):
    """The sources of a study with these, on scans of two sets, phantoms and natural images."""
    study = {
        "datasets": {
            "mine": SCANS,
            "other": SCANS,
            "heads": {"layout": "phantom", "people": 3, "target": "anatomy"},
            "scenes": {"layout": "scenes", "pictures": 9},
            "maps": {"layout": "synthetic", "people": 3},
            "own-maps": {"layout": "synthetic", "scans": "mine"},
            "other-maps": {"layout": "synthetic", "scans": "other", "clusters": {"labels": 2, "brain": 1, "head": 1}},
            "phantom-maps": {"layout": "synthetic", "scans": "heads"},
        },
        "pretrain": {"sources": declared},
        "targets": {"t": TARGET | {"resamples": 2}},
    }
    return settings.resolve(ROOT / "config.yaml", ROOT / "rules/schemas/config.schema.yaml", study)


def test_domain_and_targets_follow_from_dataset_and_task_and_not_from_the_name():
    config = found(
        scratch={},
        a={"dataset": "mine", "task": "segmentation"},
        b={"dataset": "other", "task": "autoencoding"},
        c={"dataset": "other", "task": "classification"},
        d={"dataset": "heads", "task": "segmentation", "labels": "target", "classes": {"white": [1]}},
        e={"dataset": "scenes", "task": "segmentation"},
        f={"dataset": "scenes", "task": "classification", "activation": "softmax"},
        g={"weights": {"file": "w.pt", "sha256": "0" * 64}},
        h={"dataset": "maps", "task": "segmentation"},
    )
    made = sources.of_study(config)
    assert {name: (source.domain, source.targets) for name, source in made.items()} == {
        "scratch": ("baseline", None),
        "a": ("t1", "tissue"),
        "b": ("t1", None),
        "c": ("t1", "presence"),
        "d": ("synthetic", "target"),
        "e": ("natural", "labels"),
        "f": ("natural", "presence"),
        "g": ("other", None),
        "h": ("synthetic", "structures"),
    }
    assert [name for name, source in made.items() if source.uses_made_labels] == ["a", "c"]
    assert [made[name].activation for name in "cf"] == ["sigmoid", "softmax"]
    assert made["g"].weights == {"file": "w.pt", "sha256": "0" * 64}


def test_manual_labels_have_the_classes_of_the_target_or_else_the_sources_own():
    dense = {"task": "segmentation", "labels": "target"}
    config = found(own={"dataset": "mine", **dense}, heads={"dataset": "heads", **dense, "classes": {"white": [1]}})
    own, heads = sources.of_study(config).values()
    assert own.spec(config["datasets"]["mine"]) == {"kind": "segmentation", "classes": ["background", "a", "b"]}
    assert heads.spec(config["datasets"]["heads"])["classes"] == ["background", "white"]
    assert sources.manual_classes(config) == {"mine": TARGET["classes"], "heads": {"white": [1]}}


def test_a_source_of_label_maps_says_how_its_images_are_made_and_which_structures_are_its_classes():
    entry = {"dataset": "maps", "task": "segmentation"}
    of_two = entry | {"structures": {"deep": ["caudate", "putamen"], "white": ["cerebral white matter"]}}
    config = found(all=entry, two=of_two | {"synthesis": "any"})
    every, two = sources.of_study(config).values()
    described = {
        name: source.spec(config["datasets"]["maps"])["classes"] for name, source in (("every", every), ("two", two))
    }
    assert described["two"] == ["background", "deep", "white"]
    assert described["every"][:2] == ["background", "cerebral white matter"]
    assert "skin outside" not in described["every"]
    made = two.synthesised(config)
    number_of = {label["name"]: number for label, number in zip(made["labels"], made["classes"], strict=True)}
    assert [number_of[name] for name in ("caudate", "putamen", "cerebral white matter", "thalamus")] == [1, 1, 2, 0]
    assert (made["style"], every.synthesised(config)["style"]) == ("any", "t1")
    assert made["fineness"] == 2
    assert made["changes"] == config["pretrain"]["synthesis"]["changes"]
    assert not every.on_scans
    assert not every.uses_made_labels


def test_label_maps_of_scans_have_the_classes_of_their_manual_labels():
    entry = {"task": "segmentation"}
    classes = {"classes": {"white": [1], "grey": ["2-3"]}}
    config = found(
        own=entry | {"dataset": "own-maps"},
        other=entry | classes | {"dataset": "other-maps", "structures": {"brain": ["white", "brain 1"]}},
        phantoms=entry | classes | {"dataset": "phantom-maps"},
    )
    own, other, phantoms = sources.of_study(config).values()
    assert own.spec({})["classes"] == ["background", "a", "b"]
    assert other.spec({})["classes"] == ["background", "brain"]
    assert (own.scans, own.domain, own.generated) == ("mine", "synthetic", False)
    assert (phantoms.scans, phantoms.generated) == ("heads", True)
    assert sources.manual_classes(config) == {
        "mine": TARGET["classes"], "other": classes["classes"], "heads": classes["classes"],
    }  # fmt: skip
    made = other.synthesised(config)
    assert made["fineness"] == 1
    assert [label["name"] for label in made["labels"]] == ["white", "white", "grey", "grey", "brain 1", "head 1"]
    assert made["classes"] == (1, 1, 0, 0, 1, 0)
    assert not own.on_scans
    assert not own.uses_made_labels


def test_a_source_is_trained_as_long_as_it_says_or_else_as_the_section_says():
    entry = {"dataset": "mine", "task": "autoencoding"}
    config = found(scratch={}, a=entry, b=entry | {"epochs": 3}, c=entry | {"steps": 40, "learning_rate": 0.5})
    made = sources.of_study(config)
    assert [(source.epochs, source.steps) for source in made.values()] == [
        (None, None),
        (16, None),
        (3, None),
        (None, 40),
    ]
    assert made["c"].learning_rate == 0.5


def test_a_source_that_continues_others_knows_them_all_and_resamples_take_its_repeats_in_turn():
    entry = {"dataset": "mine", "task": "autoencoding"}
    config = found(
        last=entry | {"start": "middle", "repeats": 2},
        middle=entry | {"start": "file"},
        file={"weights": {"file": "w.pt"}},
    )
    made = sources.of_study(config)
    assert [source.name for source in sources.lineage(made["last"], made)] == ["last", "middle", "file"]
    assert sources.lineage(made["file"], made) == [made["file"]]
    assert [made["last"].repeat_of(resample) for resample in (1, 2, 3, 4, 5)] == [1, 2, 1, 2, 1]
    assert {made["middle"].repeat_of(resample) for resample in (1, 2, 3)} == {1}


def test_the_papers_study_has_its_eight_sources_with_the_papers_settings():
    config = settings.of_project(ROOT, ROOT / "studies/paper.yaml")
    made = sources.of_study(config)
    assert list(made) == [
        "scratch", "t1-segmentation", "t1-autoencoding", "t1-classification", "natural-segmentation",
        "natural-autoencoding", "natural-classification", "imagenet-classification",
    ]  # fmt: skip
    trained = [source for source in made.values() if source.trained]
    assert {source.epochs for source in trained} == {30}
    assert {source.transfer for source in trained} == {"encoder"}
    assert {source.activation for source in trained if source.task == "classification"} == {"softmax"}
    assert not any(source.augment for source in trained)


def test_the_baseline_has_one_name():
    assert sources.BASELINE == tables.BASELINE
