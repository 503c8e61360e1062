import re
from pathlib import Path

import pytest
import yaml

from headstart import consistency, old_keys, settings
from headstart.datasets.layouts import LAYOUTS
from headstart.job import UserError

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "rules/schemas/config.schema.yaml"
RULES = yaml.safe_load(SCHEMA.read_text())


def resolve(study=None):
    return settings.resolve(ROOT / "config.yaml", SCHEMA, study)


def message(study):
    """The error message for a study."""
    with pytest.raises(UserError) as caught:
        resolve(study)
    return str(caught.value)


def nested(keys, value):
    """A study with one key: ``nested("a.b", 1)`` is ``{"a": {"b": 1}}``."""
    for key in reversed(keys.split(".")):
        value = {key: value}
    return value


def test_the_default_study_is_valid():
    config = resolve()
    assert config["study"] == "default"
    assert list(config) == list(yaml.safe_load((ROOT / "config.yaml").read_text()))


@pytest.mark.parametrize("study", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_is_valid(study):
    assert resolve(yaml.safe_load(study.read_text()))["study"] == study.stem


def test_a_study_changes_only_the_keys_that_it_names():
    config, changed = resolve(), resolve({"training": {"batch_size": 7}})
    assert changed["training"].pop("batch_size") == 7
    config["training"].pop("batch_size")
    assert changed == config


def test_datasets_targets_and_sources_of_a_study_replace_the_default_ones():
    target = {**resolve()["targets"]["anatomy"], "dataset": "mine"}
    study = {
        "datasets": {"mine": {"layout": "phantom", "people": 5, "target": "anatomy"}},
        "targets": {"anatomy": target},
        "pretrain": {"sources": {"own": {"dataset": "mine", "task": "autoencoding"}}},
    }
    config = resolve(study)
    assert set(config["datasets"]) == {"mine"}
    assert set(config["targets"]) == {"anatomy"}
    assert set(config["pretrain"]["sources"]) == {"own"}


@pytest.mark.parametrize(
    ("study", "sentence"),
    [
        ({"trainning": {}}, "the configuration has no key 'trainning'; did you mean 'training'?"),
        (
            {"training": {"learningrate": 1}},
            "configuration key training has no key 'learningrate'; did you mean 'learning_rate'?",
        ),
        ({"network": {"encoder": "resnet51"}}, "configuration key network.encoder: 'resnet51' must be `resnet18`, "),
        ({"network": {"decoder": "unets"}}, "configuration key network.decoder is 'unets'; did you mean 'unet'?"),
        ({"training": {"batch_size": 0}}, "configuration key training.batch_size: 0 is less than the minimum of 1"),
        ({"study": "my study"}, "configuration key study: 'my study' must be letters, digits and single hyphens."),
        (
            {"pretrain": {"sources": {"a": {"weights": {"file": "a", "sha256": "abc"}}}}},
            "configuration key pretrain.sources.a.weights.sha256: 'abc' must be 64 hexadecimal digits.",
        ),
        ({"slice": {"size": 100}}, "slice.size is 100; networks halve it up to five times"),
        (
            {"network": {"encoder": "monai/efficientnet-b0"}},
            "network.unet_widths has 4 steps, and network.encoder monai/efficientnet-b0 halves a slice five times",
        ),
        (
            {"slice": {"neighbours": 1, "neighbour_mm": 1.5}},
            "slice.neighbour_mm is 1.5, but slices are 3.7 mm apart (template.voxel_mm); take 3.7 or more, or null",
        ),
        (
            {"slice": {"neighbour_mm": 4}},
            "slice.neighbour_mm is 4 and slice.neighbours is 0; set neighbours to 1, or more.",
        ),
        ({"label": {"backend": "fls"}}, "configuration key label.backend is 'fls'; did you mean 'fsl'?"),
        ({"datasets": {"a": {}}}, "configuration key datasets.a lacks the key 'layout'"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(study, sentence):
    assert sentence in message(study)
    assert "\n" not in message(study)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("results: ~", "configuration key results is None, since YAML reads this word without quotes as nothing;"),
        ("datasets: {a: {layout: phantom, people: 3, exclude: [012]}}", "exclude.0 is 10, since YAML reads this word"),
        ("datasets: {a: {layout: phantom, people: 3, exclude: [no]}}", "exclude.0 is False, since YAML reads"),
        ("datasets: {a: {layout: phantom, people: 3, exclude: [2020-01-02]}}", "without quotes as a date; put it in"),
        ("targets: {stroke: {classes: {1: [1]}}}", "targets.stroke.classes has the key 1, since YAML reads this word"),
        ("datasets: {a: {participants: {sexes: {1: M}}}}", "datasets.a.participants.sexes has the key 1, since YAML"),
        ("yes: 1", "the configuration has the key True, since YAML reads this word without quotes as a truth value;"),
    ],
)
def test_words_that_yaml_takes_for_something_else_are_to_be_put_in_quotes(written, sentence):
    assert sentence in message(yaml.safe_load(written))
    assert "put it in quotes" in message(yaml.safe_load(written))


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            "training: {learning_rate: 1e-4}",
            "training.learning_rate is '1e-4', which YAML reads as a text; write 0.0001,",
        ),
        (
            "training: {batch_size: '8'}",
            "training.batch_size is '8', which YAML reads as a text; write 8, without quotes.",
        ),
        ("evaluate: {bootstrap: 1e4}", "evaluate.bootstrap is '1e4', which YAML reads as a text; write 10000,"),
    ],
)
def test_numbers_that_yaml_takes_for_texts_are_named(written, sentence):
    assert sentence in message(yaml.safe_load(written))


@pytest.mark.parametrize("labels", ["0-3", "0", "1-99999999999", "1 - 3", "-1", "1-"])
def test_what_is_no_range_of_labels_is_refused(labels):
    targets = resolve()["targets"]
    targets["anatomy"]["classes"] = {"lesion": [labels]}
    assert f"{labels!r} must be a range such as 100-207" in message({"targets": targets})


@pytest.mark.parametrize(
    ("aim", "sentence"),
    [
        ({"wanted": 60}, "targets.anatomy.wanted: 60 is greater than the maximum of 1"),
        ({"wanted": 0}, "targets.anatomy.wanted: 0 is less than or equal to the minimum of 0"),
        ({"have": -1}, "targets.anatomy.have: -1 is less than the minimum of 0"),
        ({"have": 2.5}, "targets.anatomy.have: 2.5 is not of type 'integer'"),
    ],
)
def test_a_score_that_cannot_be_reached_and_scans_that_nobody_has_are_refused(aim, sentence):
    targets = resolve()["targets"]
    targets["anatomy"] |= aim
    assert sentence in message({"targets": targets})


def test_whole_numbers_may_be_written_with_a_fraction_or_an_exponent():
    targets = resolve()["targets"]
    targets["anatomy"] |= {"test": 3.0, "sizes": [2.0, 4.0], "classes": {"lesion": [1.0]}}
    config = resolve({"targets": targets, "evaluate": {"bootstrap": 1.0e4}, "register": {"voxel_mm": 2.0}})
    target = config["targets"]["anatomy"]
    found = [target["test"], *target["sizes"], *target["classes"]["lesion"], config["evaluate"]["bootstrap"]]
    assert found == [3, 2, 4, 1, 10000]
    assert {type(number) for number in found} == {int}
    assert isinstance(config["register"]["voxel_mm"], float)


PATHS = ["results", "data", "predict.model", "predict.folder", "pretrain.sources.own.weights.file"]
IN_DATASETS = ["folder", "labels", "participants.file"]


def with_path(key, path):
    """A study with a path as its key, and that path in the resolved configuration."""
    if key in IN_DATASETS:
        entry = {"layout": "bids", "folder": "a", **nested(key, path)}
        return {"datasets": {**resolve()["datasets"], "mine": entry}}, f"datasets.mine.{key}"
    return nested(key, path), key


@pytest.mark.parametrize("key", [*PATHS, *IN_DATASETS])
def test_a_tilde_stands_for_the_home_folder_in_every_path(key, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    study, place = with_path(key, "~/a b")
    found = resolve(study)
    for step in place.split("."):
        found = found[step]
    assert found == str(tmp_path / "a b")


@pytest.mark.parametrize("key", [*PATHS, *IN_DATASETS])
@pytest.mark.parametrize(
    "path",
    [
        "$HOME/a",
        "/scratch/${USER}/a",
        "'/a'",
        '"/a"',
        "file:///a",
        "C:\\a",
        "C:/a",
        "~nobodyofthisname/a",
        "$(pwd)/a",
        "`pwd`/a",
        "\\\\server\\a",
        "%USERPROFILE%\\a",
    ],
)
def test_what_only_a_shell_or_windows_takes_for_a_path_is_refused(key, path):
    study, place = with_path(key, path)
    assert message(study).startswith(f"configuration key {place} is {path!r}, ")


def test_a_path_that_exists_may_have_any_name(tmp_path):
    (tmp_path / "dollar$HOME").mkdir()
    assert resolve({"data": str(tmp_path / "dollar$HOME")})["data"] == str(tmp_path / "dollar$HOME")


def test_the_data_folder_is_that_of_the_study_or_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HEADSTART_DATA", raising=False)
    assert settings.data_folder({"data": None}) is None
    monkeypatch.setenv("HEADSTART_DATA", "~/scans")
    assert settings.data_folder({"data": None}) == str(tmp_path / "scans")
    assert settings.data_folder({"data": "/other"}) == "/other"


@pytest.mark.parametrize("path", ["$HOME/scans", "'/scans'", "D:\\scans"])
def test_the_environment_names_the_data_folder_by_a_plain_path(path, monkeypatch):
    monkeypatch.setenv("HEADSTART_DATA", path)
    with pytest.raises(UserError) as caught:
        settings.data_folder({"data": None})
    assert str(caught.value).startswith(f"HEADSTART_DATA is {path!r}, which is taken as it stands;")


def test_a_data_folder_within_the_project_is_named_from_there(tmp_path, monkeypatch):
    """So that a copy of a project with its data has the same names."""
    monkeypatch.chdir(tmp_path)
    assert settings.data_folder({"data": str(tmp_path / "scans")}) == "scans"
    assert settings.data_folder({"data": f"{tmp_path}-scans"}) == f"{tmp_path}-scans"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; make or download it again."),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS, not the file itself; fetch it"),
        (b"<!DOCTYPE html><html>", "is a web page, not the file itself; download the file again"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as of Keras; convert it"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused_before_any_job(tmp_path, content, sentence):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        settings.weights_file("own", "weights.pth", tmp_path)
    assert str(caught.value).startswith(f"pretrain.sources.own.weights.file: {path} {sentence}")


def test_a_missing_file_of_weights_is_one_sentence_with_its_remedy(tmp_path):
    with pytest.raises(UserError) as caught:
        settings.weights_file("own", "weights.pth", tmp_path)
    assert str(caught.value) == (
        f"pretrain.sources.own.weights.file: {tmp_path}/weights.pth does not exist; correct it, or remove the source."
    )


@pytest.mark.parametrize(("old", "new"), old_keys.RENAMED.items())
def test_a_renamed_key_is_one_sentence_with_its_new_name(old, new):
    assert message(nested(old, 1)) == f"configuration key {old} is now {new}; rename it."


@pytest.mark.parametrize(("old", "new"), old_keys.RENAMED.items())
def test_the_new_name_of_a_renamed_key_is_in_the_default_study_and_its_old_name_is_not(old, new):
    config = resolve()
    section, key = new.split(".")
    assert key in config[section]
    section, key = old.split(".")
    assert key not in config[section]


def test_targets_may_share_a_dataset_if_they_have_the_same_classes():
    targets = resolve()["targets"]
    resolve({"targets": {**targets, "again": targets["anatomy"]}})
    classes = targets["anatomy"]["classes"]
    for other in ({"white matter": [1]}, dict(reversed(classes.items()))):
        again = targets["anatomy"] | {"classes": other}
        assert "share the dataset 'anatomy' but not its classes" in message({"targets": {**targets, "again": again}})


def test_a_target_whose_first_image_is_no_t1_has_no_size_0():
    config = resolve()
    config["datasets"]["anatomy"]["images"] = ["T1w", "FLAIR"]
    config["targets"]["anatomy"] |= {"images": ["FLAIR", "T1w"], "sizes": [0, 1]}
    said = message({"datasets": config["datasets"], "targets": config["targets"]})
    assert "is trained on T1w, and the first image that the target's models see is FLAIR" in said


def test_targets_see_images_that_their_dataset_has():
    config = resolve()
    datasets, targets = config["datasets"], config["targets"]
    datasets["anatomy"]["images"] = ["T1w", "FLAIR"]
    targets["anatomy"]["images"] = ["FLAIR"]
    assert resolve({"datasets": datasets, "targets": targets})["targets"]["anatomy"]["images"] == ["FLAIR"]
    targets["anatomy"]["images"] = ["FLAIR", "T2w"]
    said = message({"datasets": datasets, "targets": targets})
    assert (
        "targets.anatomy.images names T2w, but datasets.anatomy.images are T1w, FLAIR; add it there, or remove it"
        in said
    )


def test_two_classes_may_not_share_a_label():
    targets = resolve()["targets"]
    targets["anatomy"]["classes"]["other"] = ["2-3"]
    assert "gives label 2 to two classes" in message({"targets": targets})
    masks = {"folder": "f", "pattern": r"(?P<subject>\w+)\.nii", "classes": {"a": [1], "b": [1]}}
    targets["anatomy"] = {**resolve()["targets"]["anatomy"], "external": {"rater": masks}}
    assert "targets.anatomy.external.rater.classes gives label 1 to two classes" in message({"targets": targets})


def test_a_list_of_test_subjects_is_not_empty():
    targets = resolve()["targets"]
    targets["anatomy"]["test"] = []
    assert message({"targets": targets}).startswith("targets.anatomy.test is empty; list the subjects")


def test_label_values_are_numbers_and_ranges():
    assert consistency.label_values([4, "100-103", "7"]) == [4, 100, 101, 102, 103, 7]


def test_the_labelling_network_is_off_until_a_study_says_how_many_scans_it_is_trained_on():
    assert resolve()["label"]["learn"]["scans"] is None
    learn = resolve({"label": {"learn": {"scans": 100}}})["label"]["learn"]
    assert learn == {"scans": 100, "held_out": 10, "epochs": 20, "batch_size": 8, "learning_rate": 0.003}


def defaults(rule, path=()):
    """The keys, as paths through the schema, that have a default there."""
    if not isinstance(rule, dict):
        return
    if "default" in rule:
        yield path
    for name, inner in rule.items():
        yield from defaults(inner, (*path, name))


def test_the_schema_has_defaults_only_for_the_entries_that_users_name():
    found = set(defaults(RULES))
    assert found
    assert {path[:3] for path in found} <= {("$defs", name, "properties") for name in ("dataset", "target", "source")}


def test_defaults_of_the_schema_are_filled_in_where_the_layout_reads_them():
    entries = {
        "synthetic": {"layout": "phantom", "people": 3},
        "flat": {"layout": "flat", "folder": "a", "pattern": "(?P<subject>x)"},
        "oasis": {"layout": "oasis1", "folder": "b", "exclude": ["1"]},
    }
    found = resolve({"datasets": {**resolve()["datasets"], **entries}})["datasets"]
    shared = {"exclude": [], "mask_lesions": False, "discard_mm": {"top": 0, "bottom": 0}}
    phantom = {"images": ["T1w"], "lesions": "none", "voxel_mm": [0.9, 1.1]}
    assert found["synthetic"] == {**shared, **phantom, **entries["synthetic"]}
    assert found["flat"] == {**shared, "images": ["T1w"], "missing": "error", "masks": False, **entries["flat"]}
    assert found["oasis"] == {**shared, "image": "subject", **entries["oasis"]}
    assert resolve()["targets"]["anatomy"]["split"] == "fixed"
    assert resolve()["targets"]["anatomy"]["paper"] is None


def test_the_layouts_of_a_key_in_the_schema_are_those_that_read_it():
    keys = RULES["$defs"]["dataset"]["properties"]
    for key in set().union(*(layout.keys for layout in LAYOUTS.values())):
        assert set(keys[key]["layouts"]) == {name for name, layout in LAYOUTS.items() if key in layout.keys}, key
    assert keys["layout"]["enum"]
    assert set(keys["layout"]["enum"]) == set(LAYOUTS)


def test_the_examples_of_datasets_in_the_documentation_are_valid():
    blocks = re.findall(r"(?:^    .*\n)+", (ROOT / "docs/data.md").read_text(), re.M)
    examples = [yaml.safe_load(block) for block in blocks if "layout:" in block]
    default = resolve()
    for example in examples:
        resolve({"datasets": {**default["datasets"], **example}, "targets": default["targets"]})
    assert {entry["layout"] for example in examples for entry in example.values()} == set(LAYOUTS)
