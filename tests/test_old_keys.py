"""What a study written for an earlier version is told of its sources."""

import pytest
import yaml
from settings_of import ROOT, over_tour

from headstart import settings
from headstart.job import UserError

SCHEMA = ROOT / "rules/schemas/config.schema.yaml"
PHOTOS = {"degrees": 10, "scale": 0.1, "mirror": True}
TISSUE = {"dataset": "cohort", "task": "segmentation"}


def resolve(study=None):
    return settings.resolve(ROOT / "config.yaml", SCHEMA, study)


def message(study):
    """The error message for a study, which is one line."""
    with pytest.raises(UserError) as caught:
        resolve(study)
    assert "\n" not in str(caught.value)
    return str(caught.value)


OLD = {
    "dataset": "bahc",
    "rooms": "taskonomy",
    "activation": "softmax",
    "weights": {"file": "w.pth", "sha256": None},
    "epochs": {"t1": 3, "natural": 2},
    "transfer": {"t1-segmentation": "all"},
    "augment": {"natural-segmentation": PHOTOS},
    "sources": ["scratch", "t1-segmentation", "t1-classification", "natural-segmentation", "imagenet-classification"],
}
NEW = {
    "scratch": {},
    "t1-segmentation": {"dataset": "bahc", "task": "segmentation", "epochs": 3, "transfer": "all"},
    "t1-classification": {"dataset": "bahc", "task": "classification", "activation": "softmax", "epochs": 3},
    "natural-segmentation": {"dataset": "taskonomy", "task": "segmentation", "epochs": 2, "augment": PHOTOS},
    "imagenet-classification": {"weights": {"file": "w.pth"}},
}


def told(pretrain, **sections):
    """The sources that the message for a section of an earlier version says to write, and what it calls old."""
    said = message({"pretrain": pretrain, **sections})
    old, _, rest = said.partition(
        " of an earlier version; each source has its own dataset and task now: write sources: "
    )
    return yaml.safe_load(rest.removesuffix(".")), old


def test_the_section_of_an_earlier_version_is_told_in_its_new_form_with_its_own_values():
    declared, old = told(OLD)
    assert declared == NEW
    assert old == (
        "pretrain.transfer, pretrain.dataset, pretrain.rooms, pretrain.activation, pretrain.weights, pretrain.augment, "
        "pretrain.epochs.t1 and natural and a list of pretrain.sources are"
    )


@pytest.mark.parametrize("key", [*(key for key in OLD if key != "sources"), "objects"])
def test_each_key_of_an_earlier_version_is_told_in_its_new_form(key):
    """Its other sources are those that the default study had; datasets that it did not name, the first that suits."""
    datasets = {
        "people": {"layout": "phantom", "people": 3},
        "things": {"layout": "imagenet", "folder": "a", "pictures": 9},
    }
    declared, _ = told({key: OLD.get(key, "things")}, datasets=datasets)
    assert declared["t1-autoencoding"]["dataset"] == ("bahc" if key == "dataset" else "people")
    assert declared["natural-classification"]["dataset"] == "things"
    assert ("natural-autoencoding" in declared) == (key == "rooms")
    assert ("imagenet-classification" in declared) == (key == "weights")
    assert declared["t1-classification"].get("activation") == ("softmax" if key == "activation" else None)


def test_old_keys_beside_declared_sources_are_put_into_them():
    declared, old = told({"sources": {"t1-segmentation": TISSUE}, "transfer": {"t1-segmentation": "all"}})
    assert declared == {"t1-segmentation": TISSUE | {"transfer": "all"}}
    assert old == "pretrain.transfer is"


def test_what_an_earlier_version_is_told_to_write_is_valid():
    datasets = over_tour()["datasets"]
    named = {name: datasets["cohort" if name == "bahc" else "pictures"] for name in ("bahc", "taskonomy")}
    assert over_tour({"datasets": datasets | named, "pretrain": {"sources": told(OLD)[0]}})
