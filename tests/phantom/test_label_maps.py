"""Label maps of heads: the template's anatomy where nothing is warped, the same from the same seed, at any fineness."""

import numpy as np
import pytest
from scipy import ndimage
from settings_of import recipe

from headstart.label_table import class_numbers
from headstart.phantom.label_maps import LABELS, draw_label_map, finer
from headstart.phantom.tissue import anatomy_classes, build_maps

NAMES = {label.value: label.name for label in LABELS}
INSIDE = [label.value for label in LABELS if label.brain]
# The classes of `target: anatomy` by the names of labels.
ANATOMY = {
    "white matter": ["cerebral white matter"],
    "cortical grey matter": ["cerebral cortex", "hippocampus", "amygdala"],
    "basal ganglia and thalami": ["thalamus", "caudate", "putamen", "pallidum", "accumbens"],
    "ventricles": ["ventricles"],
    "cerebellum": ["cerebellar cortex", "cerebellar white matter"],
    "brain stem": ["brain stem"],
}


@pytest.fixture(scope="module")
def maps(template):
    return build_maps(template)


@pytest.fixture(scope="module")
def drawn(maps, grid):
    return draw_label_map(maps, recipe(), grid, 1)


def classes_of(labels, classes):
    table = np.zeros(256, np.uint8)
    table[[label.value for label in LABELS]] = class_numbers(LABELS, classes)
    return table[labels]


def test_the_same_seed_gives_the_same_label_map_and_another_seed_another(maps, grid, drawn):
    again, other = (draw_label_map(maps, recipe(), grid, seed).data for seed in (1, 2))
    assert again.tobytes() == drawn.data.tobytes()
    assert (other != drawn.data).mean() > 0.02
    assert drawn.data.dtype == np.uint8
    assert drawn.data.shape == grid.shape


def test_without_warp_the_brain_is_the_template_and_has_the_classes_of_the_ground_truth(maps, grid):
    labels = draw_label_map(maps, recipe(warp_mm=0), grid, 1).data
    brain = maps.parts > 0
    assert np.array_equal(np.isin(labels, INSIDE), brain)
    structures = np.isin(maps.parts, [value for value in NAMES if 10 <= value <= 58])
    assert np.array_equal(labels[structures], maps.parts[structures])
    tissue = (maps.shares.argmax(axis=0) + 1) * brain
    expected = anatomy_classes(tissue.astype(np.uint8), maps.parts)
    # Hippocampus and amygdala are grey matter here, whatever tissue prevails in a voxel.
    expected[np.isin(maps.parts, (17, 18, 53, 54))] = 2
    assert np.array_equal(classes_of(labels, ANATOMY), expected)


def test_a_head_lies_around_the_brain_as_an_onion_does(drawn):
    names = {name: np.isin(drawn.data, [v for v in NAMES if NAMES[v] == name]) for name in set(NAMES.values())}
    brain, head = np.isin(drawn.data, INSIDE), drawn.data > 0
    distance = ndimage.distance_transform_edt(~brain)
    top = np.zeros_like(brain)
    top[:, :, brain.shape[2] // 2 :] = True
    depths = [distance[names[f"{layer} outside"] & top].mean() for layer in ("csf", "bone", "skin")]
    assert depths == sorted(depths)
    assert not (ndimage.binary_dilation(brain) & top & ~head).any()
    assert (drawn.data[[0, -1]] == 0).all()


def test_left_is_left(drawn):
    for left, right in ((10, 49), (17, 53)):
        assert np.argwhere(drawn.data == left)[:, 0].mean() < np.argwhere(drawn.data == right)[:, 0].mean()


def test_finer_voxels_lie_in_the_voxel_that_they_divide(grid):
    divided = finer(grid, 3)
    assert divided.shape == (3 * grid.shape[0], 3 * grid.shape[1], grid.shape[2])
    assert divided.spacing.tolist() == pytest.approx([4 / 3, 4 / 3, 4])
    inner = [divided.affine @ [3 * 5 + i, 3 * 7 + j, 2, 1] for i in range(3) for j in range(3)]
    np.testing.assert_allclose(np.mean(inner, axis=0), grid.affine @ [5, 7, 2, 1])


def test_a_finer_label_map_is_of_the_same_head(maps, grid, drawn):
    fine = draw_label_map(maps, recipe(), finer(grid, 2), 1).data
    votes = np.stack([fine[i::2, j::2] == drawn.data for i in (0, 1) for j in (0, 1)])
    assert votes.mean() > 0.9


@pytest.mark.parametrize("kind", ["stroke", "ms"])
def test_lesions_are_labels_of_their_own(maps, grid, drawn, kind):
    lesion = draw_label_map(maps, recipe(kind, warp_mm=0), finer(grid, 2), 3).data == 7
    assert lesion.any()
    assert not (drawn.data == 7).any()


def test_every_label_has_a_value_of_its_own_and_both_sides_of_a_structure_one_material():
    assert len(NAMES) == len(LABELS)
    sides = [label for label in LABELS if label.name == "putamen"]
    assert len(sides) == 2
    assert len({(label.material, label.t1) for label in sides}) == 1
