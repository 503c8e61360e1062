import numpy as np
import pytest

from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.slices.cut import PRESENCE_NAMES, cut, cut_finer, presence
from headstart.template import template


def test_the_papers_slice_counts_at_one_millimetre():
    """Section 3.2: 128, 160, 128 and 128 slices of 256 x 256 remain of 189."""
    volume = Volume(np.zeros((197, 233, 189), np.uint8), template.grid(1).affine)
    for top, bottom, left in ((61, 0, 128), (29, 0, 160), (11, 50, 128)):
        assert cut(volume, 256, {"top": top, "bottom": bottom}).shape == (left, 256, 256)


def test_every_voxel_has_its_documented_position():
    rng = np.random.default_rng(0)
    data = rng.random((5, 6, 7))
    shown = cut(Volume(data, np.diag([2.0, 2, 2, 1])), 8, {"top": 4, "bottom": 2})
    assert shown.shape == (4, 8, 8)
    for z in range(4):
        for y in range(6):
            for x in range(5):
                assert shown[z, y + 1, x + 1] == data[x, y, z + 1]
    assert shown.sum() == pytest.approx(data[:, :, 1:5].sum())


@pytest.mark.parametrize("shape", [(5, 6, 7), (6, 5, 4)])
def test_finer_voxels_lie_where_the_voxel_lies_that_they_divide(shape):
    data = np.random.default_rng(0).integers(1, 99, shape)
    affine, left_out = np.diag([2.0, 2, 2, 1]), {"top": 4, "bottom": 2}
    coarse = cut(Volume(data, affine), 8, left_out)
    fine = Volume(data.repeat(3, axis=0).repeat(3, axis=1), affine @ np.diag([1 / 3, 1 / 3, 1, 1]))
    assert np.array_equal(cut_finer(fine, 8, 3, left_out), coarse.repeat(3, axis=1).repeat(3, axis=2))
    with pytest.raises(UserError, match="slice.size is 4, but the grid's slices are 6"):
        cut_finer(fine, 4, 3, left_out)


def test_a_slice_that_does_not_fit_is_one_sentence():
    volume = Volume(np.zeros((9, 20, 9)), Grid((9, 20, 9), np.eye(4)).affine)
    with pytest.raises(UserError, match="slice.size is 16, but the grid's slices are 20"):
        cut(volume, 16, {"top": 0, "bottom": 0})
    with pytest.raises(UserError, match="discard_mm leaves none of the 9 mm"):
        cut(volume, 32, {"top": 5, "bottom": 4})


@pytest.mark.parametrize(
    ("min_voxels", "thalamus", "stem"), [(1, [1, 1, 1, 0], [0, 1, 0, 0]), (2, [0, 1, 1, 0], [0] * 4)]
)
def test_a_slice_shows_a_structure_with_enough_voxels(min_voxels, thalamus, stem):
    shape, affine = (5, 6, 7), np.diag([2.0, 2, 2, 1])
    brain, structures = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    brain[:, :, 1:5] = 1
    structures[0, 0, 1], structures[:2, 0, 2], structures[:3, 0, 3] = 10, 10, 10  # left thalamus
    structures[4, 4, 2], structures[4, 4, 6] = 16, 16  # brain stem, once in a slice that is discarded
    present = presence(Volume(brain, affine), Volume(structures, affine), {"top": 4, "bottom": 2}, min_voxels)
    assert present.shape == (4, 16)
    assert present.dtype == np.uint8
    assert PRESENCE_NAMES[:2] == ("brain", "left thalamus")
    assert len(PRESENCE_NAMES) == 16
    shown = dict(zip(PRESENCE_NAMES, present.T.tolist(), strict=True))
    assert shown.pop("brain") == [1] * 4
    assert shown.pop("left thalamus") == thalamus
    assert shown.pop("brain stem") == stem
    assert not np.any(list(shown.values()))


def test_presence_labels_match_the_slices():
    rng = np.random.default_rng(3)
    grid = template.grid(20)
    structures = Volume(rng.choice([0, *template.STRUCTURES], grid.shape).astype(np.uint8), grid.affine)
    brain = Volume((structures.data % 2).astype(np.uint8), grid.affine)
    discard = {"top": 40, "bottom": 20}
    slices = cut(structures, 32, discard)
    present = presence(brain, structures, discard, 5)
    assert len(present) == len(slices)
    for column, value in enumerate(template.STRUCTURES, start=1):
        assert present[:, column].tolist() == [np.count_nonzero(one == value) >= 5 for one in slices]
    assert present[:, 0].tolist() == [np.count_nonzero(one % 2) >= 5 for one in slices]
