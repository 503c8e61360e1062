import re
from pathlib import Path

import pytest
import yaml

from headstart import settings
from headstart.datasets.layouts import LAYOUTS
from headstart.job import UserError

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "rules/schemas/config.schema.yaml"


def resolve(study=None):
    return settings.resolve(ROOT / "config.yaml", SCHEMA, study)


def test_the_default_study_is_valid_and_complete():
    config = resolve()
    assert config["datasets"]["cohort"]["lesions"] == "none"  # a default that the schema states
    assert config["targets"]["stroke"]["split"] == "fixed"


@pytest.mark.parametrize("study", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_is_valid(study):
    assert resolve(yaml.safe_load(study.read_text()))["study"] == study.stem


def test_a_study_changes_what_it_names_and_nothing_else():
    config, changed = resolve(), resolve({"training": {"batch_size": 7}})
    assert changed["training"].pop("batch_size") == 7
    config["training"].pop("batch_size")
    assert changed == config


def test_a_study_with_its_own_datasets_and_targets_means_these_alone():
    target = {**resolve()["targets"]["anatomy"], "dataset": "mine"}
    study = {
        "datasets": {"mine": {"layout": "phantom", "people": 5, "target": "anatomy"}},
        "targets": {"anatomy": target},
        "pretrain": {"dataset": "mine"},
    }
    config = resolve(study)
    assert set(config["datasets"]) == {"mine"} and set(config["targets"]) == {"anatomy"}


@pytest.mark.parametrize(
    ("study", "sentence"),
    [
        ({"trainning": {}}, "the configuration has no key 'trainning'; did you mean 'training'?"),
        (
            {"training": {"learningrate": 1}},
            "configuration key training has no key 'learningrate'; did you mean 'learning_rate'?",
        ),
        ({"network": {"encoder": "resnet51"}}, "configuration key network.encoder is 'resnet51'; did you mean"),
        ({"training": {"batch_size": 0}}, "configuration key training.batch_size: 0 is less than the minimum of 1"),
        ({"study": "my study"}, "the name 'my study' must be letters, digits and single hyphens"),
        (
            {"pretrain": {"dataset": "kohort"}},
            "pretrain.dataset is 'kohort', which datasets lacks; did you mean 'cohort'?",
        ),
        ({"slice": {"size": 100}}, "slice.size is 100; the encoder halves it five times"),
        ({"label": {"backend": "fls"}}, "configuration key label.backend is 'fls'; did you mean 'fsl'?"),
        ({"datasets": {"a": {}}}, "configuration key datasets.a lacks the key 'layout'"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(study, sentence):
    with pytest.raises(UserError) as caught:
        resolve(study)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_two_targets_do_not_share_a_dataset_and_two_classes_no_label():
    targets = resolve()["targets"]
    with pytest.raises(UserError, match="share the dataset 'stroke'"):
        resolve({"targets": {**targets, "again": targets["stroke"]}})
    targets["anatomy"]["classes"]["other"] = ["2-3"]
    with pytest.raises(UserError, match="gives label 2 to two classes"):
        resolve({"targets": targets})


def test_label_values_take_numbers_and_ranges():
    assert settings.label_values([4, "100-103", "7"]) == [4, 100, 101, 102, 103, 7]


def test_every_key_is_described_in_the_documentation():
    """Drift between schema, default study and documentation shows here."""
    rules = yaml.safe_load(SCHEMA.read_text())
    described = (ROOT / "docs/configuration.md").read_text()
    for section, rule in rules["properties"].items():
        assert f"`{section}`" in described
        for key in rule.get("properties", {}):
            assert f"`{section}.{key}`" in described, f"{section}.{key}"
    for kind in ("dataset", "target"):
        for key in rules["$defs"][kind]["properties"]:
            assert f"`{kind}s.<name>.{key}`" in described, f"{kind}.{key}"


def test_the_examples_of_datasets_in_the_documentation_are_valid():
    blocks = re.findall(r"(?:^    .*\n)+", (ROOT / "docs/data.md").read_text(), re.M)
    examples = [yaml.safe_load(block) for block in blocks if "layout:" in block]
    default = resolve()
    for example in examples:
        resolve({"datasets": {**default["datasets"], **example}, "targets": default["targets"]})
    assert {entry["layout"] for example in examples for entry in example.values()} == set(LAYOUTS) - {"phantom"}
