"""Checks of scans and labels that are faulty, unusual, or stored in another way."""

import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from bad_inputs import ACCEPTED, AFFINE, CLASSES, REFUSED, Case, head, lesion, row, write
from settings_of import REGISTRATION

from headstart import images
from headstart.datasets import intake
from headstart.images import Volume
from headstart.job import UserError, checksum, read_json
from headstart.register.affine import register
from headstart.register.manual_labels import target_labels
from headstart.template import template

NAME = {"ids": lambda case: case.name}


def check_by_script(run_script, rows, record):
    """Check scans and their labels by the script of the rule; returns the records."""
    run_script("check_scans", [], {"scans": rows, "classes": CLASSES}, [record])
    return read_json(record)


@pytest.mark.parametrize("case", REFUSED, **NAME)
def test_a_fault_that_cannot_be_repaired_is_one_sentence_and_no_output(case, tmp_path, run_script):
    scan, record = row(case, tmp_path), tmp_path / "record.json"
    with pytest.raises(SystemExit) as ended:
        check_by_script(run_script, [scan], record)
    sentence = ended.value.code  # a text: the process ends with the status 1
    assert case.message in sentence
    assert (scan["labels"] or [scan["first"]])[0] in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert not record.exists()
    assert all("Traceback" not in log.read_text() for log in tmp_path.glob("check_*.log"))


@pytest.mark.parametrize("case", REFUSED, **NAME)
def test_registration_refuses_the_same_inputs_before_any_work(case, tmp_path):
    scan, grid = row(case, tmp_path), template.grid(8)
    with pytest.raises(UserError):
        if scan["labels"]:
            target_labels(scan["labels"], scan["first"], np.eye(4), grid, {1: 1}, case.read_as)
        else:
            register(scan["first"], None, None, grid, REGISTRATION, threads=1)


def test_all_scans_to_repair_are_named_at_once(tmp_path, run_script):
    scans = [row(case, tmp_path) for case in (*REFUSED, *ACCEPTED)]
    with pytest.raises(SystemExit) as ended:
        check_by_script(run_script, scans, tmp_path / "record.json")
    sentences = ended.value.code.splitlines()
    assert len(sentences) == len(REFUSED)
    for case, sentence in zip(REFUSED, sentences, strict=True):
        assert case.message in sentence
        assert case.name in sentence
    assert not (tmp_path / "record.json").exists()


def test_a_refusal_is_exit_status_1(tmp_path):
    (tmp_path / "bad.nii.gz").write_text("not an image")
    code = """
from headstart import job
from headstart.datasets import intake
with job.running("check_scans", "log"):
    intake.check_scan("bad.nii.gz")
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("headstart: check_scans: bad.nii.gz cannot be read")


@pytest.mark.parametrize("case", ACCEPTED, **NAME)
def test_a_fault_that_can_be_repaired_is_repaired_and_recorded(case, tmp_path, run_script):
    scan = row(case, tmp_path)
    (found,) = check_by_script(run_script, [scan], tmp_path / "record.json")
    assert found["files"] == [{"file": path, **checksum(path)} for path in (scan["first"], *(scan["labels"] or ()))]
    record = found["labels" if scan["labels"] else "scan"]
    messages = record["repairs"] + record["warnings"]
    assert case.message in messages[0] if case.message else messages == []
    if scan["labels"]:
        assert record["label_voxels"]["lesion"] == 36 or "above" in case.name
    else:
        assert record["voxel_mm"] == [6, 6, 6]
        assert record["shape"] == [20, 24, 18]
    read, _ = intake.read_image(scan["first"])
    assert np.isfinite(read.data).all()
    assert read.grid.shape == (20, 24, 18)


def test_labels_that_no_class_names_are_counted(tmp_path):
    (case,) = (case for case in ACCEPTED if case.name == "labels-of-another-class-too")
    (found,) = intake.check([row(case, tmp_path)], CLASSES)
    record = found["labels"]
    assert record["label_voxels"] == {"lesion": 36}
    assert set(record["other_labels"]) == {"2"}
    assert record["other_labels"]["2"] == (head() > 600).sum()


def test_rounding_restores_masks_and_labels(tmp_path):
    for name in ("mask-rounded", "labels-rounded", "mask-of-255"):
        (case,) = (case for case in ACCEPTED if case.name == name)
        t1w, labels = case.make(tmp_path)
        read, _ = intake.read_labels(labels, t1w, case.read_as)
        np.testing.assert_array_equal(read.data, lesion())


def oblique(degrees=20):
    rotation = nib.eulerangles.euler2mat(z=np.deg2rad(degrees), x=0.1)
    affine = AFFINE.copy()
    affine[:3, :3] = rotation @ AFFINE[:3, :3]
    return affine


@pytest.mark.parametrize("code", ["RAS", "LAS", "LPI", "ASL", "SAR", "PIR"])
def test_any_order_and_handedness_of_axes_is_accepted_with_the_same_fingerprint(tmp_path, code):
    upright = nib.Nifti1Image(head(), AFFINE)
    wanted = nib.orientations.axcodes2ornt(tuple(code))
    stored = upright.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(AFFINE), wanted))
    write(tmp_path / "a.nii.gz", np.asarray(stored.dataobj), stored.affine)
    record = intake.check_scan(tmp_path / "a.nii.gz")
    assert record["axes"] == code
    assert record["placed_by"] == "sform"
    assert record["repairs"] == record["warnings"] == []
    assert record["sha256"] == intake.fingerprint(Volume(head().astype(np.float32), AFFINE))


def test_oblique_scans_are_accepted_with_either_form(tmp_path):
    for sform, qform in ((1, 0), (0, 1), (2, 1)):
        write(tmp_path / "a.nii.gz", head(), oblique(), sform=sform, qform=qform)
        record = intake.check_scan(tmp_path / "a.nii.gz")
        assert record["placed_by"] == ("sform" if sform else "qform")
        assert record["warnings"] == []


def test_the_affine_of_an_image_in_metres_is_in_mm(tmp_path):
    for case in ACCEPTED:
        if case.name in ("metres", "micrometres", "metres-but-mm"):
            t1w, _ = case.make(tmp_path)
            np.testing.assert_allclose(images.read(t1w).affine, AFFINE, rtol=1e-4)


def test_a_mirror_image_has_another_fingerprint():
    data = head().astype(np.float32)
    assert intake.fingerprint(Volume(data, AFFINE)) != intake.fingerprint(Volume(data[::-1], AFFINE))


def scan(dataset, subject, person, sha256="a"):
    file, role = f"{person}/{subject}.nii.gz", f"datasets.{dataset}: {subject}, which tests"
    return {
        "dataset": dataset, "subject": subject, "person": person, "file": file, "role": role, "sha256": sha256
    }  # fmt: skip


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        (scan("stroke", "02", "q"), True),  # another person
        (scan("stroke", "02", "p"), False),  # two entries of one folder
        (scan("cohort", "02", "p"), True),  # two visits, one image
        (scan("stroke", "02", "q", "b"), False),
    ],
)
def test_one_image_under_two_names_is_refused(other, refused):
    rows = [scan("cohort", "01", "p"), other]
    if not refused:
        return intake.check_duplicates(rows)
    with pytest.raises(UserError) as caught:
        intake.check_duplicates(rows)
    for named in ("p/01.nii.gz", other["file"], "which tests", f"datasets.{other['dataset']}.exclude"):
        assert named in str(caught.value)


@pytest.mark.parametrize(
    ("image", "header"),
    [
        ("a.img", "a.hdr"),
        ("a.img.gz", "a.hdr.gz"),
        ("A.IMG", "A.HDR"),
        ("A.IMG.GZ", "A.HDR.GZ"),
        ("a.img.bz2", "a.hdr.bz2"),
    ],
)
def test_the_header_of_an_image_in_two_files_is_among_its_checksums(image, header, tmp_path):
    for name in (image, header, "b.nii.gz"):
        (tmp_path / name).write_bytes(name.encode())
    found = intake.checksums([tmp_path / image, tmp_path / "b.nii.gz"])
    assert [row["file"] for row in found] == [str(tmp_path / name) for name in (image, header, "b.nii.gz")]
    assert found[1]["sha256"] == checksum(tmp_path / header)["sha256"]


def test_the_comparison_of_scans_stops_the_study_with_both_names(tmp_path, run_script):
    scans = [row(Case(name, None), tmp_path) for name in ("a", "b")]
    check_by_script(run_script, scans, tmp_path / "records.json")
    about = [
        {"dataset": "bad", "subject": name, "person": name, "role": f"{name} {use}"}
        for name, use in (("a", "trains"), ("b", "tests"))
    ]
    with pytest.raises(SystemExit) as ended:
        run_script(
            "compare_scans", [tmp_path / "records.json"], {"scans": about, "dropped": []}, [tmp_path / "images.tsv"]
        )
    assert "a/T1w.nii.gz (a trains) and" in ended.value.code
    assert "b/T1w.nii.gz (b tests)" in ended.value.code
    assert not (tmp_path / "images.tsv").exists()


def further(tmp_path, **images_by_name):
    """A row for the check of a scan with further images, of these voxels (X, Y, Z)."""
    scan = {"dataset": "ms", "subject": "07", "labels": None, "label_format": {"masks": False, "mask_above": None}}
    scan["first"] = str(tmp_path / "T1w.nii.gz")
    images.write(scan["first"], Volume(head(), AFFINE), np.float32)
    scan["images"] = {}
    for name, voxels in images_by_name.items():
        scan["images"][name] = str(tmp_path / f"{name}.nii.gz")
        images.write(scan["images"][name], Volume(voxels, AFFINE), np.float32)
    return scan


def test_further_images_are_checked_and_recorded_like_a_t1(tmp_path, run_script):
    scan = further(tmp_path, FLAIR=head()[:, :, ::-1])
    (record,) = check_by_script(run_script, [scan], tmp_path / "record.json")
    assert record["images"]["FLAIR"]["file"] == scan["images"]["FLAIR"]
    assert record["images"]["FLAIR"].keys() == record["scan"].keys()
    assert [file["file"] for file in record["files"]] == [scan["first"], scan["images"]["FLAIR"]]
    about = {"dataset": "ms", "subject": "07", "person": "07", "role": "datasets.ms: 07, which tests"}
    left_out = about | {"subject": "other", "role": "left out since it lacks FLAIR"}
    params = {"scans": [about], "dropped": [left_out]}
    run_script("compare_scans", [tmp_path / "record.json"], params, [tmp_path / "images.tsv"])
    *_, last = lines = (tmp_path / "images.tsv").read_text().splitlines()
    assert len(lines) == 4
    assert last.split("\t") == ["ms", "other", "07", "left out since it lacks FLAIR", "n/a", "n/a"]


def test_the_record_of_a_t1_alone_has_no_further_images(tmp_path, run_script):
    scan = further(tmp_path)
    del scan["images"]
    (record,) = check_by_script(run_script, [scan], tmp_path / "record.json")
    assert set(record) == {"dataset", "subject", "scan", "files"}


@pytest.mark.parametrize("same", [True, False], ids=["the T1 again", "broken"])
def test_a_further_image_that_is_refused_is_one_sentence(same, tmp_path, run_script):
    image = head() if same else np.zeros_like(head())
    with pytest.raises(SystemExit) as ended:
        check_by_script(run_script, [further(tmp_path, FLAIR=image)], tmp_path / "record.json")
    sentence = ended.value.code
    assert "FLAIR.nii.gz" in sentence
    assert ("is the same image as the scan's first" in sentence) == same
    assert "\n" not in sentence
