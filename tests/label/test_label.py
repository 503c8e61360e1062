import numpy as np
import pytest

from headstart import images
from headstart.images import Volume
from headstart.job import read_json
from headstart.label import labels


@pytest.mark.parametrize(
    ("choice", "installed", "backend"),
    [("auto", True, "fsl"), ("auto", False, "ants"), ("fsl", False, "fsl"), ("ants", True, "ants")],
)
def test_auto_chooses_fsl_if_it_is_installed(choice, installed, backend):
    assert labels.choose_backend(choice, installed) == backend


def test_each_label_has_a_sidecar_with_its_origin(tmp_path):
    volumes = [Volume(np.full((3, 3, 3), value, np.uint8), np.eye(4)) for value in (2, 17, 1)]
    made = labels.Labels(*volumes, made_by={"Backend": "fsl", "BackendVersion": "FSL 6.0.7.4", "CommandLines": ["bet"]})
    names = ("tissue", "structures", "brain")
    labels.write(made, [tmp_path / f"{n}.nii.gz" for n in names], [tmp_path / f"{n}.json" for n in names])
    for name, value in zip(names, (2, 17, 1), strict=True):
        stored = images.read(tmp_path / f"{name}.nii.gz", None)
        assert stored.data.dtype == np.uint8
        assert (stored.data == value).all()
        metadata = read_json(tmp_path / f"{name}.json")
        assert metadata["Backend"] == "fsl"
        assert metadata["BackendVersion"] == "FSL 6.0.7.4"
        assert metadata["Manual"] is False
