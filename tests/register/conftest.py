"""What several tests of this stage need."""

import numpy as np
import pytest

from headstart import images
from headstart.images import Volume


@pytest.fixture
def labelled(tmp_path):
    """A folder with a scan and its labels, 100 and 44."""
    labels = np.zeros((10, 10, 10), np.uint16)
    labels[2:5, 2:8, 2:8], labels[5:8, 2:8, 2:8] = 100, 44
    images.write(tmp_path / "t1.nii.gz", Volume(labels, np.eye(4)), np.int16)
    images.write(tmp_path / "labels.nii.gz", Volume(labels, np.eye(4)), np.uint16)
    return tmp_path
