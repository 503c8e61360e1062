import numpy as np
import pytest

from headstart import slices, template
from headstart.images import Grid, Volume
from headstart.job import UserError


def test_the_papers_slice_counts_at_one_millimetre():
    """Section 3.2: 128, 160, 128 and 128 slices of 256 x 256 are left of 189."""
    volume = Volume(np.zeros((197, 233, 189), np.uint8), template.grid(1).affine)
    for top, bottom, left in ((61, 0, 128), (29, 0, 160), (11, 50, 128)):
        assert slices.cut(volume, 256, {"top": top, "bottom": bottom}).shape == (left, 256, 256)


def test_every_voxel_goes_where_it_is_said_to_go():
    rng = np.random.default_rng(0)
    data = rng.random((5, 6, 7))
    cut = slices.cut(Volume(data, np.diag([2.0, 2, 2, 1])), 8, {"top": 4, "bottom": 2})
    assert cut.shape == (4, 8, 8)
    for z in range(4):
        for y in range(6):
            for x in range(5):
                assert cut[z, y + 1, x + 1] == data[x, y, z + 1]
    assert cut.sum() == pytest.approx(data[:, :, 1:5].sum())


def test_what_does_not_fit_is_one_sentence():
    volume = Volume(np.zeros((9, 20, 9)), Grid((9, 20, 9), np.eye(4)).affine)
    with pytest.raises(UserError, match="slice.size is 16, but the grid's slices are 20"):
        slices.cut(volume, 16, {"top": 0, "bottom": 0})
    with pytest.raises(UserError, match="discard_mm leaves none of the 9 mm"):
        slices.cut(volume, 32, {"top": 5, "bottom": 4})
