"""Manual labels carried to template space, and what their module imports."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from settings_of import LABEL_MAP, MASKS

from headstart import images
from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.register.manual_labels import target_labels

SCRIPTS = Path(__file__).parents[2] / "workflow_scripts"


def test_target_labels_are_merged_and_others_are_removed(labelled):
    paths = [labelled / "labels.nii.gz"], labelled / "t1.nii.gz"
    _, merged = target_labels(*paths, np.eye(4), Grid((10, 10, 10), np.eye(4)), {100: 2}, LABEL_MAP)
    assert merged.data[3, 3, 3] == 2
    assert merged.data[6, 3, 3] == 0
    assert merged.data.dtype == np.uint8
    with pytest.raises(UserError, match=r"labels.nii.gz has none of the labels"):
        target_labels(*paths, np.eye(4), Grid((10, 10, 10), np.eye(4)), {7: 1}, LABEL_MAP)


def test_labels_on_another_grid_are_refused(labelled):
    shifted = np.eye(4)
    shifted[0, 3] = 2
    images.write(labelled / "labels.nii.gz", Volume(np.ones((10, 10, 10)), shifted), np.uint8)
    grid = Grid((10, 10, 10), np.eye(4))
    with pytest.raises(UserError, match="lies up to 2 mm from the voxels of"):
        target_labels([labelled / "labels.nii.gz"], labelled / "t1.nii.gz", np.eye(4), grid, {1: 1}, LABEL_MAP)


def test_masks_are_united_whatever_their_values(labelled):
    grid = Grid((10, 10, 10), np.eye(4))
    paths = [labelled / f"lesion_{number}.nii.gz" for number in range(2)]
    for path, value, first in zip(paths, (255, 0.5), (1, 5), strict=True):
        mask = np.zeros(grid.shape, np.float32)
        mask[first : first + 3, 2:6, 2:6] = value
        images.write(path, Volume(mask, grid.affine), np.float32)
    _, united = target_labels(paths, labelled / "t1.nii.gz", np.eye(4), grid, {1: 1}, MASKS)
    assert set(np.unique(united.data)) == {0, 1}
    assert united.data.sum() == 2 * 3 * 4 * 4
    assert united.data[2, 3, 3] == united.data[6, 3, 3] == 1
    assert united.data[4, 3, 3] == 0


def test_neither_ants_nor_torch_is_imported_for_them():
    code = "import sys; from headstart.register import manual_labels; print({'ants', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=SCRIPTS)
    assert done.stdout == "set()\n", done.stderr
