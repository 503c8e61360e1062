import nibabel as nib
import numpy as np
import pytest

from headstart.begin import study

ROOT = study.Path(__file__).parents[2]


class Folder:
    """A folder of tiny images: 30 voxels of 6 mm a side."""

    def __init__(self, path):
        self.path = path

    def image(self, name, values=None, mm=6.0, dtype=np.int16):
        """An image with a cube of 2 x 2 x 2 voxels of each of the values; of a scan, of many."""
        data = np.zeros((30, 30, 30), dtype)
        if values is None:
            data[5:25, 5:25, 5:25] = np.arange(20, dtype=dtype) + 50
        for number, value in enumerate(values or ()):
            data[3 * number + 2 : 3 * number + 4, 10:12, 10:12] = value
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(data, np.diag([mm, mm, mm, 1])), path)
        return path

    def bids(self, people, sessions=(None,), label="label-lesion_mask", values=(1,), place="derivatives/manual"):
        """Scans with labels, if ``label`` is not None, of people by number."""
        for person in people:
            for session in sessions:
                entities = [f"sub-{person:02d}", *([f"ses-{session}"] if session else [])]
                within, stem = "/".join([*entities, "anat"]), "_".join(entities)
                self.image(f"{within}/{stem}_T1w.nii.gz")
                if label:
                    self.image(f"{place}/{within}/{stem}_{label}.nii.gz", values)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of scans, beside a project in which studies are written."""
    (tmp_path / "project/studies").mkdir(parents=True)
    for name in ("config.yaml", "rules"):
        (tmp_path / "project" / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path / "project")
    (tmp_path / "scans").mkdir()
    return Folder(tmp_path / "scans")


@pytest.fixture
def begin(folder):
    """Write a study for the folder, and read it: ``begin(labels=..., entry=...)``."""

    def written(name="mine", labels=None, entry=None, *, force=False, gpu=False):
        path = study.begin(name, str(folder.path), labels, entry, force=force, gpu=gpu)
        return study.yaml.safe_load(path.read_text(encoding="utf-8"))

    return written
