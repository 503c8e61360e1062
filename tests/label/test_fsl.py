"""The fsl back end, with scripts that stand in for FSL's tools."""

import dataclasses
import hashlib
import os
import re
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from fake_fsl import LAS, SHAPE, recorded_labels
from scipy.io import savemat
from settings_of import CONFIG

from headstart import images, job
from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.label import fsl
from headstart.template import template
from headstart.template.template import STRUCTURES

# The same points as FSL's grid, with axes like the template's: from left to right.
RAS = LAS @ np.array([[-1.0, 0, 0, SHAPE[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
GRID = Grid(SHAPE, RAS)
SETTINGS = fsl.FslLabelSettings(**CONFIG["label"]["fsl"])


def stored_as(axes: str) -> nib.Nifti1Image:
    """A synthetic scan whose voxels are all different, stored with the axis code ``axes``."""
    data = np.arange(1, np.prod(SHAPE) + 1, dtype=np.float32).reshape(SHAPE)
    stored = nib.Nifti1Image(data, LAS)
    change = nib.orientations.ornt_transform(nib.io_orientation(LAS), nib.orientations.axcodes2ornt(axes))
    return stored.as_reoriented(change)


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan of a head.nii.gz"
    nib.save(stored_as("RAS"), path)
    return path


def label(path, grid=GRID, transform=None, settings=SETTINGS, stripped=False, threads=1):
    transform = np.eye(4) if transform is None else transform
    return fsl.label(path, transform, grid, settings, stripped=stripped, threads=threads)


def test_a_head_goes_through_bet_fast_and_first(fake_fsl, scan):
    lines = [
        "bet scan.nii.gz brain.nii.gz -f 0.50 -m -R",
        "fast -t 1 -n 3 -o fast -b -S 1 brain.nii.gz",
        "run_first_all -m auto -i scan.nii.gz -o first",
    ]
    made = label(scan)
    assert fake_fsl.calls() == lines
    assert made.made_by == {"Backend": "fsl", "BackendVersion": "FSL 6.0.7.4", "CommandLines": lines}
    label(scan, settings=dataclasses.replace(SETTINGS, fractional_threshold=0.35, robust=False))
    assert fake_fsl.calls()[3] == "bet scan.nii.gz brain.nii.gz -f 0.35 -m"


def test_a_stripped_scan_skips_bet(fake_fsl, tmp_path):
    stripped = stored_as("RAS").get_fdata()
    stripped[:4] = 0
    images.write(tmp_path / "stripped.nii.gz", Volume(stripped, RAS), np.float32)
    made = label(tmp_path / "stripped.nii.gz", stripped=True)
    assert fake_fsl.calls() == [
        "fast -t 1 -n 3 -o fast -b -S 1 scan.nii.gz",
        "run_first_all -b -m auto -i scan.nii.gz -o first",
    ]
    np.testing.assert_array_equal(made.brain.data, stripped > 0)


def test_the_tools_run_in_this_job_with_their_own_environment(fake_fsl, scan, monkeypatch):
    monkeypatch.setenv("SGE_ROOT", "/opt/sge")
    monkeypatch.delenv("FSLOUTPUTTYPE", raising=False)
    label(scan, threads=3)
    for tool in fsl.TOOLS:
        environment = fake_fsl.environment(tool)
        assert environment["FSLOUTPUTTYPE"] == "NIFTI_GZ"
        assert environment["FSLDIR"] == str(fake_fsl.root)
        assert environment["PATH"].split(os.pathsep)[0] == str(fake_fsl.root / "bin")
        assert environment["FSLSUBALREADYRUN"] == "true"
        assert environment["SGE_ROOT"] == ""
        assert environment["FSLSUB_PARALLEL"] == "3"
        assert environment["NO_ET"]


def test_each_call_is_logged_with_version_and_time(fake_fsl, scan, tmp_path):
    with job.running("label_scan_fsl", tmp_path / "job.log"):
        label(scan)
    log = (tmp_path / "job.log").read_text()
    assert "FSL 6.0.7.4: run_first_all -m auto -i scan.nii.gz -o first" in log
    assert [re.findall(rf"{tool}: \d+\.\d s", log) != [] for tool in fsl.TOOLS] == [True] * 3


@pytest.mark.parametrize("axes", ["LAS", "RAS", "PIL", "SRA"])
def test_left_stays_left_for_any_order_of_axes(fake_fsl, tmp_path, axes):
    nib.save(stored_as(axes), tmp_path / "scan.nii")
    before = hashlib.sha256((tmp_path / "scan.nii").read_bytes()).hexdigest()
    made = label(tmp_path / "scan.nii")
    seen = nib.load(fake_fsl.root / "seen.nii.gz")
    assert nib.aff2axcodes(seen.affine) == ("L", "A", "S")
    assert seen.get_data_dtype() == np.float32
    np.testing.assert_array_equal(seen.get_fdata(), stored_as("LAS").get_fdata())
    for name, recorded in recorded_labels().items():
        volume = getattr(made, name)
        assert volume.data.dtype == np.uint8
        np.testing.assert_array_equal(volume.data, recorded[::-1])  # the first axis of GRID runs the other way
    for value, name in STRUCTURES.items():
        x = nib.affines.apply_affine(made.structures.affine, np.argwhere(made.structures.data == value))[:, 0].mean()
        assert {"left": x < 0, "right": x > 0, "brain": abs(x) < 8}[name.split()[0]]
    assert hashlib.sha256((tmp_path / "scan.nii").read_bytes()).hexdigest() == before


def test_an_oblique_scan_keeps_its_position(fake_fsl, tmp_path):
    rotation = nib.affines.from_matvec(nib.eulerangles.euler2mat(z=0.2, y=0.1, x=-0.15), [30, -250, 12])
    oblique = rotation @ LAS
    nib.save(nib.Nifti1Image(stored_as("LAS").get_fdata(dtype=np.float32), oblique), tmp_path / "scan.nii.gz")
    for tool, name, labels in (
        ("bet", "brain_mask", "brain"),
        ("fast", "fast_seg", "tissue"),
        ("run_first_all", "first_all_fast_firstseg", "structures"),
    ):
        fake_fsl.record(tool, f"{name}.nii.gz", recorded_labels()[labels], oblique)
    made = label(tmp_path / "scan.nii.gz", transform=rotation)
    np.testing.assert_array_equal(made.structures.data, recorded_labels()["structures"][::-1])


def test_labels_are_resampled_to_the_templates_grid(fake_fsl, scan):
    one_voxel = nib.affines.from_matvec(np.eye(3), [0, 8, 0])  # a shift of 8 mm from template to scan
    made = label(scan, transform=one_voxel)
    np.testing.assert_array_equal(made.tissue.data[:, :-1], recorded_labels()["tissue"][::-1, 1:])
    coarse = label(scan, grid=GRID.coarsened(16))
    assert coarse.tissue.data.shape == (10, 12, 9)
    pairs = {value for value, name in STRUCTURES.items() if name != "brain stem"}  # which is in two coarse voxels
    assert set(np.unique(coarse.structures.data)) == {0, *pairs}
    assert all((coarse.structures.data == value).sum() == 1 for value in pairs)


def test_no_file_is_left_behind(fake_fsl, scan, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    before, here = sorted(os.listdir(scan.parent)), os.getcwd()
    label(scan)
    assert os.getcwd() == here
    assert not os.listdir(tmp_path / "scratch")
    assert sorted(os.listdir(scan.parent)) == before


@pytest.mark.parametrize(
    ("tool", "body", "words"),
    [
        ("bet", "exit 0", "FSL's bet wrote no brain.nii.gz, brain_mask.nii.gz"),
        ("bet", "echo ERROR: could not open >&2", "FSL's bet failed (ERROR: could not open)"),
        ("fast", "echo out of memory >&2; exit 1", "FSL's fast failed (out of memory)"),
        ("fast", 'cp "$FSLDIR/recorded/fast/"* .; exit 1', "FSL's fast failed"),
        ("fast", "exit 0", "FSL's fast wrote no "),
        ("run_first_all", "exit 0", "FSL's run_first_all wrote no "),
    ],
)
def test_a_failing_tool_is_one_sentence_and_its_output_is_logged(fake_fsl, scan, tmp_path, tool, body, words):
    fake_fsl.script(tool, body)
    with pytest.raises(SystemExit) as ended, job.running("label_scan_fsl", tmp_path / "job.log"):
        label(scan)
    message = str(ended.value)
    assert f"{scan}: {words}" in message
    assert "exclude it" in message
    assert "\n" not in message
    for printed in ("out of memory", "could not open"):
        assert (printed in body) == (printed in (tmp_path / "job.log").read_text())


@pytest.mark.parametrize("end", ["bvars", "vtk"])
def test_a_structure_that_first_could_not_segment_is_named_by_its_file(fake_fsl, scan, end):
    (fake_fsl.root / f"recorded/run_first_all/first-L_Accu_first.{end}").unlink()
    with pytest.raises(UserError, match=f"run_first_all wrote no first-L_Accu_first.{end}, see the job's log; check"):
        label(scan)


@pytest.mark.parametrize(
    "words",
    [
        "bash: warning: setlocale: LC_ALL: cannot change locale (xx_YY)",
        "ERROR: ld.so: object 'a.so' from LD_PRELOAD cannot be preloaded: ignored.",
    ],
)
def test_warnings_beside_bets_work_are_no_failure(fake_fsl, scan, words):
    fake_fsl.script("bet", f'echo "{words}" >&2; cp "$FSLDIR/recorded/bet/"* .')
    assert label(scan).brain.data.any()


def test_the_tools_run_in_a_locale_that_every_machine_has(fake_fsl, scan, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    label(scan)
    assert {fake_fsl.environment(tool)["LC_ALL"] for tool in fsl.TOOLS} == {"C"}


@pytest.mark.parametrize("body", ["kill -9 $$", "sh -c 'kill -9 $$'; exit 137", "echo line 9: Killed >&2"])
@pytest.mark.parametrize("tool", fsl.TOOLS)
def test_a_tool_that_was_killed_is_not_blamed_on_the_scan(fake_fsl, scan, tool, body):
    fake_fsl.script(tool, body)
    with pytest.raises(UserError, match=f"FSL's {tool} was killed, most likely because memory ran out; run again with"):
        label(scan)


@pytest.mark.parametrize("kind", ["NIFTI", "NIFTI_PAIR", "ANALYZE", "anything"])
def test_another_output_type_of_the_user_changes_nothing(fake_fsl, scan, monkeypatch, kind):
    monkeypatch.setenv("FSLOUTPUTTYPE", kind)
    label(scan)
    assert {fake_fsl.environment(tool)["FSLOUTPUTTYPE"] for tool in fsl.TOOLS} == {"NIFTI_GZ"}


def test_bet_never_gets_values_that_are_not_numbers(fake_fsl, tmp_path):
    data = stored_as("LAS").get_fdata(dtype=np.float32)
    data[0, 0, :3] = np.nan, np.inf, -np.inf
    nib.save(nib.Nifti1Image(data, LAS), tmp_path / "scan.nii.gz")
    label(tmp_path / "scan.nii.gz")
    assert np.isfinite(nib.load(fake_fsl.root / "seen.nii.gz").get_fdata()).all()


@pytest.mark.parametrize("name", ["12345[3].master", "a,b", "a b", "it's", "star*", "dollar$HOME"])
def test_temporary_folders_may_have_any_name(fake_fsl, scan, tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
    np.testing.assert_array_equal(label(scan).tissue.data, recorded_labels()["tissue"][::-1])


def test_missing_and_unknown_labels_are_detected(fake_fsl, scan):
    structures = recorded_labels()["structures"]
    # FIRST adds 100 to the value of a voxel on a border until it has decided on a structure.
    marked = np.where(structures == 17, np.int16(117), structures)
    fake_fsl.record("run_first_all", "first_all_fast_firstseg.nii.gz", marked)
    with pytest.raises(UserError, match="run_first_all found no left hippocampus; check the scan"):
        label(scan)
    marked[12, 4, 8] = 17
    fake_fsl.record("run_first_all", "first_all_fast_firstseg.nii.gz", marked)
    assert set(np.unique(label(scan).structures.data)) <= {0, *STRUCTURES}
    fake_fsl.record("fast", "fast_seg.nii.gz", np.minimum(recorded_labels()["tissue"], 2))
    with pytest.raises(UserError, match="fast found no WM"):
        label(scan)


def test_an_output_on_another_grid_is_refused(fake_fsl, scan):
    fake_fsl.record("fast", "fast_seg.nii.gz", recorded_labels()["tissue"], RAS)
    with pytest.raises(UserError, match="FSL's fast changed the scan's grid"):
        label(scan)


def test_fsl_is_found_by_its_variable_or_by_the_path(fake_fsl, monkeypatch, tmp_path):
    assert fsl.is_installed()
    assert fsl.locate() == fake_fsl.root
    monkeypatch.delenv("FSLDIR")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert not fsl.is_installed()
    with pytest.raises(UserError, match="FSL was not found by FSLDIR or PATH; install FSL and set FSLDIR"):
        fsl.locate()
    monkeypatch.setenv("PATH", f"{fake_fsl.root / 'bin'}:/usr/bin:/bin")
    assert fsl.is_installed()
    assert fsl.locate() == fake_fsl.root
    monkeypatch.setenv("HOME", str(fake_fsl.root.parent))
    monkeypatch.setenv("FSLDIR", f"~/{fake_fsl.root.name}")
    assert fsl.locate() == fake_fsl.root
    monkeypatch.delenv("FSLDIR")
    (fake_fsl.root / "bin/fast").unlink()
    with pytest.raises(UserError, match="lacks fast in its bin"):
        fsl.locate()
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    with pytest.raises(UserError, match="lacks bet, fast, run_first_all in its bin"):
        fsl.locate()


def test_the_version_is_that_of_fsl_or_of_its_conda_packages(fake_fsl):
    assert fsl.version(fake_fsl.root) == "6.0.7.4"
    (fake_fsl.root / "etc/fslversion").unlink()
    assert fsl.version(fake_fsl.root) == "of unknown version"
    (fake_fsl.root / "conda-meta").mkdir()
    for package in ("fsl-bet2-2111.4-h2bc3f7f_0", "fsl-first-2203.0-h2bc3f7f_0", "fsl-first_lib-1.0-0"):
        (fake_fsl.root / f"conda-meta/{package}.json").touch()
    assert fsl.version(fake_fsl.root) == "fsl-bet2-2111.4, fsl-first-2203.0"


@pytest.mark.parametrize("stripped", [False, True])
def test_the_script_writes_labels_and_sidecars(fake_fsl, scan, tmp_path, run_script, stripped):
    identity = np.r_[np.eye(3).ravel(), np.zeros(3)][:, np.newaxis]
    savemat(tmp_path / "xfm.mat", {"AffineTransform_double_3_3": identity, "fixed": np.zeros((3, 1))}, format="4")
    job.write_json(tmp_path / "qc.json", {"stripped": stripped})
    names = ("tissue", "structures", "brain")
    output = SimpleNamespace(
        **{name: tmp_path / f"{name}.nii.gz" for name in names},
        sidecars=[tmp_path / f"{name}.json" for name in names],
    )
    run_script(
        "label_scan_fsl",
        SimpleNamespace(t1w=scan, transform=tmp_path / "xfm.mat", quality=tmp_path / "qc.json"),
        {"voxel_mm": 8, "settings": CONFIG["label"]["fsl"]},
        output,
    )
    structures = images.read(output.structures, None)
    assert structures.grid.matches(template.grid(8))
    assert structures.data.dtype == np.uint8
    assert {10, 49} <= set(np.unique(structures.data))
    for sidecar in output.sidecars:
        metadata = job.read_json(sidecar)
        assert metadata["BackendVersion"] == "FSL 6.0.7.4"
        assert [line.split()[0] for line in metadata["CommandLines"]] == list(fsl.TOOLS)[stripped:]
