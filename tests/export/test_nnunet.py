"""nnU-Net itself reads an export, trains on a draw and predicts its test scans (docs/export.md).

Needs the folder of nnU-Net's commands in the environment variable HEADSTART_NNUNET.
"""

import os
import shutil
import subprocess

import nibabel as nib
import numpy as np
import pytest

from headstart import images
from headstart.export import draws, scan
from headstart.export.draws import Draw, Target
from headstart.images import Volume

# A short training, and no predictions of mirrored slices and of training scans, most of the time on a processor.
TRAINER = """
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class ShortTrainer(nnUNetTrainer):
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 2, 25, 1

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self):
        *others, _ = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        self.inference_allowed_mirroring_axes = None
        return *others, None

    def perform_actual_validation(self, save_probabilities=False):
        pass
"""
AFFINE = np.array([[-2.5, 0, 0, 60], [0, 2.5, 0, -70], [0, 0, 2.5, -50], [0, 0, 0, 1]])


@pytest.fixture
def commands():
    """The folder of nnU-Net's commands."""
    folder = os.environ.get("HEADSTART_NNUNET")
    if not folder:
        pytest.skip("no nnU-Net: set HEADSTART_NNUNET to the folder of its commands to run this")
    return folder


def make_scan(folder, subject):
    """Two images and a ball as the label, which the second image shows bright."""
    rng = np.random.default_rng(int(subject))
    places = np.indices((48, 52, 40)) - rng.integers(18, 26, 3)[:, None, None, None]
    ball = (places**2).sum(axis=0) < rng.integers(60, 100)
    for name, bright in (("T1w", 0), ("FLAIR", 500)):
        data = 200 + 30 * rng.standard_normal(ball.shape) + bright * ball
        images.write(folder / f"{subject}_{name}.nii.gz", Volume(data.clip(0), AFFINE), np.int16)
    named = {name: folder / f"{subject}_{name}.nii.gz" for name in ("T1w", "FLAIR")}
    scan.write(folder / "export/scans" / subject, named, {}, Volume(ball.astype(np.uint8), AFFINE))


@pytest.mark.timeout(1800)
def test_nnunet_trains_on_a_draw_and_predicts_its_test_scans(commands, tmp_path):
    export, draw = tmp_path / "export", Draw(2, 1, ["1", "2"], ["3"])
    for subject in ("1", "2", "3"):
        make_scan(tmp_path, subject)
    draws.write(export, Target("balls", ["T1w", "FLAIR"], ["background", "ball"]), draw)
    shutil.copy(draws.RUN_NNUNET, export)
    (tmp_path / "trainers").mkdir()
    (tmp_path / "trainers/short.py").write_text(TRAINER)
    settings = {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "CONFIGURATION": "2d",
        "TRAINER": "ShortTrainer",
        "DEVICE": "cpu",
        "PROCESSES": "1",
        "nnUNet_n_proc_DA": "1",
        # nnU-Net starts a thread for each core, and on busy cores threads that wait for one another must not spin.
        "OMP_WAIT_POLICY": "PASSIVE",
        "nnUNet_extTrainer": str(tmp_path / "trainers"),
    }
    command = {"args": ["bash", str(export / "run_nnunet.sh")], "env": {**os.environ, **settings}}
    done = subprocess.run(**command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    (path,) = (export / "nnunet/predictions").glob("*/*.nii.gz")
    assert path.relative_to(export / "nnunet/predictions").as_posix() == "size-2_resample-1/3.nii.gz"
    mask, truth = nib.load(path), nib.load(export / "scans/3/labels.nii.gz")
    assert np.allclose(mask.affine, AFFINE)
    found, exact = (np.asarray(image.dataobj) == 1 for image in (mask, truth))
    assert 2 * (found & exact).sum() / (found.sum() + exact.sum()) > 0.8
    assert subprocess.run(**command, capture_output=True, text=True, check=True).stdout == ""
