"""Settings of the default study and of the tour, which has every kind of target and source, for tests."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from headstart.datasets.intake import LabelFormat
from headstart.label.ants import AntsLabelSettings
from headstart.phantom.recipe import Recipe
from headstart.register.affine import RegistrationSettings
from headstart.settings import resolve

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "rules/schemas/config.schema.yaml"
CONFIG = resolve(ROOT / "config.yaml", SCHEMA)
REGISTRATION = RegistrationSettings.of(CONFIG["register"])
ANTS_LABELS = AntsLabelSettings.of(CONFIG["label"])
LABEL_MAP = LabelFormat(masks=False, mask_above=None)
MASKS = LabelFormat(masks=True, mask_above=None)


def recipe(lesions: str = "none", **changed: object) -> Recipe:
    """A recipe of synthetic subjects, scanned at about 1 mm unless ``changed``."""
    return Recipe(**{"lesions": lesions, "voxel_mm": (0.9, 1.1), "slice_mm": None, **changed})


def over(study: str, changes: Mapping | None = None) -> dict:
    """The configuration of a study of the project, of which these keys are changed; of ``pretrain`` those within."""
    own, changes = yaml.safe_load((ROOT / study).read_text()), changes or {}
    pretrain = own.get("pretrain", {}) | changes.get("pretrain", {})
    return resolve(ROOT / "config.yaml", SCHEMA, own | changes | {"pretrain": pretrain})


def over_tour(changes: Mapping | None = None) -> dict:
    """The same of the tour."""
    return over("studies/tour.yaml", changes)
