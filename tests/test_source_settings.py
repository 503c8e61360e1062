"""What a study may say of the augmentation and transfer of its sources, and what it is told otherwise."""

import re

import pytest
from settings_of import ROOT

from headstart import consistency, settings
from headstart.job import UserError
from headstart.slices.cut import PRESENCE_NAMES
from headstart.template.template import TISSUES


def resolve(study=None):
    return settings.resolve(ROOT / "config.yaml", ROOT / "rules/schemas/config.schema.yaml", study)


def augmented(**sources):
    """A study with an augmentation of these sources, whose names have a hyphen."""
    return {"pretrain": {"augment": {name.replace("_", "-"): kinds for name, kinds in sources.items()}}}


TURN = {"probability": 1, "low": -10, "high": 10}
PHOTOS = {"degrees": 10, "scale": 0.1, "mirror": True}


def test_each_source_may_have_an_augmentation_of_its_own():
    kinds = {"rotation": TURN, "mirror": True}
    study = augmented(t1_segmentation=kinds, natural_segmentation=PHOTOS, natural_classification=kinds)
    assert resolve(study)["pretrain"]["augment"] == study["pretrain"]["augment"]
    assert resolve()["pretrain"]["augment"] == {}


@pytest.mark.parametrize(
    ("study", "sentence"),
    [
        (augmented(t1_tissue={}), "pretrain.augment names 't1-tissue', which pretrain.sources lacks; correct or"),
        (
            augmented(scratch={"mirror": True}),
            "pretrain.augment names 'scratch', which is not trained here; remove it.",
        ),
        (augmented(imagenet_classification={}), "names 'imagenet-classification', which is not trained here; remove"),
        (
            augmented(t1_classification={"mirror": True}),
            "pretrain.augment.t1-classification.mirror would exchange left and right structures; set it to false.",
        ),
        (
            augmented(t1_segmentation=PHOTOS),
            "pretrain.augment.t1-segmentation.degrees is for natural images; write pretrain.augment.t1-segmentation."
            "rotation, as in finetune.augment.",
        ),
        (
            augmented(t1_segmentation={"rotation": TURN | {"low": 20}}),
            "pretrain.augment.t1-segmentation.rotation: low is 20 and high is 10; exchange them.",
        ),
        (
            augmented(natural_autoencoding={"noise": TURN}),
            "pretrain.augment.natural-autoencoding.noise.low is -10; give a value from 0 to 1.",
        ),
        (
            augmented(t1_segmentation={"shear": TURN | {"high": 90}}),
            "pretrain.augment.t1-segmentation.shear.high is 90; give a value from -45 to 45.",
        ),
        (
            augmented(t1_segmentation={"low_resolution": TURN | {"low": 0.5, "high": 30}}),
            "pretrain.augment.t1-segmentation.low_resolution.high is 30; give a value from 0.05 to 1.",
        ),
        (
            augmented(t1_segmentation={"rotatoin": TURN}),
            "pretrain.augment.t1-segmentation has no key 'rotatoin'; did you mean 'rotation'?",
        ),
        (augmented(natural_segmentation={"degrees": 1, "scale": 0}), "natural-segmentation lacks the key 'mirror'"),
        (
            {"pretrain": {"augment": PHOTOS}},
            "configuration key pretrain.augment.degrees is now pretrain.augment.<source>.degrees; name each source, as "
            "in augment: {natural-segmentation: {degrees: 10, scale: 0.1, mirror: true}}.",
        ),
        ({"pretrain": {"augment": None}}, "configuration key pretrain.augment names sources now; write {} for none."),
    ],
)
def test_an_augmentation_that_cannot_be_meant_is_one_sentence(study, sentence):
    with pytest.raises(UserError) as caught:
        resolve(study)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_structures_of_classification_have_sides_and_the_tissues_of_segmentation_have_none():
    assert any(name.startswith("left ") for name in PRESENCE_NAMES)
    assert not re.search("left|right", " ".join(TISSUES.values()), re.I)


@pytest.mark.parametrize("source", ["scratch", "t1-classification"])
def test_a_source_without_a_decoder_cannot_be_transferred_whole(source):
    assert resolve({"pretrain": {"transfer": {source: "encoder", "t1-segmentation": "all"}}})
    sentence = f"pretrain.transfer.{source} is all, but this source has no decoder; set it to encoder."
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        resolve({"pretrain": {"transfer": {source: "all"}}})


def test_the_transfer_of_a_source_that_is_not_compared_is_refused():
    with pytest.raises(UserError, match="pretrain.transfer names 't1-tissue', which pretrain.sources lacks"):
        resolve({"pretrain": {"transfer": {"t1-tissue": "all"}}})


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
