"""Registration of a FLAIR to the T1 of the same patient on real scans, if these are available."""

import numpy as np
import pytest
from further_image import movement_about
from settings_of import CONFIG, REGISTRATION

from headstart import images
from headstart.datasets.intake import read_image
from headstart.images import Grid, Volume
from headstart.register import image_quality, quality_table, rigid
from headstart.register.affine import register
from headstart.template import atlases, template

pytestmark = pytest.mark.real

LIMITS = CONFIG["quality"]["stop_images"]
PATIENTS = ("07", "19")
# Axial slices of 3 mm, of another extent than the T1's grid.
SLICES = Grid((200, 230, 64), np.array([[0.95, 0, 0, -95], [0, 0.95, 0, -128], [0, 0, 3, -75], [0, 0, 0, 1]]))


@pytest.fixture(scope="module")
def aligned(real_scans, tmp_path_factory):
    """``aligned(patient, of, moved)``: the FLAIR of one patient, moved, registered to the T1 of another or the same."""
    folder = tmp_path_factory.mktemp("moved")
    reference = atlases.build(atlases.NAMES, threads=2)
    home = real_scans / "lesjak-ms/mni"
    files = {
        patient: {name: next((home / f"patient{patient}").glob(f"{name}_*")) for name in ("T1", "FLAIR")}
        for patient in PATIENTS
    }
    maps, grid = (reference.t1, reference.brain), template.grid(2)
    registered = {
        patient: register(found["T1"], *maps, grid, REGISTRATION, threads=2) for patient, found in files.items()
    }

    def of(patient, of=None, moved=None):
        path, t1 = files[of or patient]["FLAIR"], registered[patient]
        if moved is not None:
            flair, _ = read_image(path)
            path = folder / "FLAIR.nii.gz"
            images.write(path, images.resample(Volume(flair.data, moved @ flair.affine), SLICES), np.float32)
        return rigid.align(path, files[patient]["T1"], t1.brain, t1.transform, REGISTRATION, threads=2), t1

    return of


def distances_mm(t1, found, exact):
    """Distances in mm between where two matrices take the voxels of the brain."""
    points = t1.transform @ image_quality.points(t1.brain)
    return np.linalg.norm(((found - exact) @ points)[:3], axis=0)


@pytest.mark.parametrize("patient", PATIENTS)
def test_images_that_are_aligned_stay_where_they_are(aligned, patient):
    found, t1 = aligned(patient)
    assert np.median(distances_mm(t1, found.transform, np.eye(4))) <= 0.5
    assert quality_table.failures(found.quality, LIMITS) == []
    assert found.quality["starts_apart_mm"] < 1
    assert found.stripped


@pytest.mark.parametrize("patient", PATIENTS)
@pytest.mark.parametrize(("rotation_deg", "shift_mm"), [((8, -10, 12), (10, -12, 8)), ((-12, 5, -7), (-9, 12, -11))])
def test_a_planted_movement_is_found(aligned, patient, rotation_deg, shift_mm):
    exact = movement_about(np.array([0, -18, 10]), rotation_deg, shift_mm)
    found, t1 = aligned(patient, moved=exact)
    assert np.median(distances_mm(t1, found.transform, exact)) <= 0.5
    assert quality_table.failures(found.quality, LIMITS) == []


@pytest.mark.parametrize(("patient", "other"), [PATIENTS, PATIENTS[::-1]])
def test_the_flair_of_another_patient_does_not_pass(aligned, patient, other):
    found, _ = aligned(patient, of=other)
    assert len(quality_table.failures(found.quality, LIMITS)) == 2


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_mirrored_flair_does_not_pass(aligned, patient):
    found, _ = aligned(patient, moved=np.diag([-1.0, 1, 1, 1]))
    assert len(quality_table.failures(found.quality, LIMITS)) == 2
