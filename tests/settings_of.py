"""Settings of the default study, for tests of the package."""

from pathlib import Path

from headstart.datasets.intake import LabelFormat
from headstart.label.ants import AntsLabelSettings
from headstart.phantom.recipe import Recipe
from headstart.register.affine import RegistrationSettings
from headstart.settings import resolve

ROOT = Path(__file__).parents[1]
CONFIG = resolve(ROOT / "config.yaml", ROOT / "rules/schemas/config.schema.yaml")
REGISTRATION = RegistrationSettings.of(CONFIG["register"])
ANTS_LABELS = AntsLabelSettings.of(CONFIG["label"])
LABEL_MAP = LabelFormat(masks=False, mask_above=None)
MASKS = LabelFormat(masks=True, mask_above=None)


def recipe(lesions: str = "none", **changed: object) -> Recipe:
    """A recipe of synthetic subjects, scanned at about 1 mm unless ``changed``."""
    return Recipe(**{"lesions": lesions, "voxel_mm": (0.9, 1.1), "slice_mm": None, **changed})
