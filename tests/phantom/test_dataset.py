"""The dataset on disk, as it is read back, and as the BIDS validator sees it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from settings_of import recipe

from headstart import images
from headstart.phantom.dataset import write_dataset, write_subject
from headstart.phantom.recipe import subject_paths
from headstart.phantom.subject import demographics, make_subject

VALIDATOR = Path(sys.executable).parent / "bids-validator-deno"
SEEDS = [("01", 0), ("02", 1)]


def errors_of_the_validator(folder):
    """Its errors; what it only recommends is left out."""
    done = subprocess.run([VALIDATOR, "--json", folder], capture_output=True, text=True, timeout=60)
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [issue for issue in issues if issue["severity"] == "error"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, strokes):
    folder = tmp_path_factory.mktemp("bids") / "strokes"
    write_dataset(folder, "Synthetic strokes", strokes[0].recipe, SEEDS)
    for subject, seed in SEEDS:
        write_subject(strokes[seed], folder, subject)
    return folder


def test_files_contain_the_subject(dataset, strokes):
    paths = subject_paths(dataset, "02")
    stored = nib.load(paths["first"])
    assert stored.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asarray(stored.dataobj), strokes[1].first.data)
    np.testing.assert_allclose(stored.affine, strokes[1].first.affine, atol=1e-4)
    for key in ("brain", "tissue", "structures", "anatomy", "lesion"):
        volume = images.read(paths[key], dtype=None)
        assert volume.data.dtype == np.uint8
        np.testing.assert_array_equal(volume.data, getattr(strokes[1], key).data)
    with open(paths["landmarks"], encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    np.testing.assert_allclose(
        [[float(value) for value in row.values()] for row in rows], strokes[1].landmarks, atol=1e-5
    )
    assert all(path.is_file() for path in paths.values())


def test_writing_twice_gives_the_same_bytes(dataset, strokes, tmp_path):
    again = write_subject(strokes[0], tmp_path, "01")
    first = subject_paths(dataset, "01")
    assert {key: path.read_bytes() for key, path in again.items()} == {k: p.read_bytes() for k, p in first.items()}


def test_participants_match_the_subjects(dataset, strokes):
    with open(dataset / "participants.tsv", encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert [row["participant_id"] for row in rows] == ["sub-01", "sub-02"]
    for row, (_, seed) in zip(rows, SEEDS, strict=True):
        drawn = demographics(recipe("stroke"), seed)
        assert (int(row["age"]), row["sex"]) == (drawn["age"], drawn["sex"])
        assert drawn == {"age": strokes[seed].age, "sex": strokes[seed].sex}


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("part", ["", "derivatives/ground_truth"])
def test_the_bids_validator_finds_no_error(dataset, part):
    assert errors_of_the_validator(dataset / part) == []


@pytest.fixture(scope="module")
def with_flair(template, coarse):
    return make_subject(template, recipe("stroke", images=("T1w", "FLAIR"), **coarse), 0)


@pytest.fixture(scope="module")
def flair_dataset(tmp_path_factory, with_flair):
    folder = tmp_path_factory.mktemp("bids") / "flair"
    write_dataset(folder, "Synthetic strokes", with_flair.recipe, SEEDS[:1])
    write_subject(with_flair, folder, "01")
    return folder


def test_files_contain_the_flair_and_the_exact_movement(flair_dataset, with_flair):
    paths = subject_paths(flair_dataset, "01", images=("T1w", "FLAIR"))
    stored = nib.load(paths["second"])
    assert stored.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asarray(stored.dataobj), with_flair.second.data)
    np.testing.assert_allclose(stored.affine, with_flair.second.affine, atol=1e-4)
    np.testing.assert_array_equal(np.loadtxt(paths["movement"]), with_flair.movement)
    thickness = json.loads(paths["second_sidecar"].read_text())["SliceThickness"]
    assert min(abs(with_flair.second.grid.spacing - thickness)) < 1e-4
    assert 2 <= thickness <= 4


def test_files_besides_those_of_the_flair_are_the_same_without_it(dataset, flair_dataset):
    plain = subject_paths(dataset, "01")
    assert {key: path.read_bytes() for key, path in subject_paths(flair_dataset, "01").items()} == {
        key: path.read_bytes() for key, path in plain.items()
    }
    assert not list(dataset.rglob("*FLAIR*"))
    for name in ("participants.tsv", "dataset_description.json"):
        lines = [(folder / name).read_text().splitlines()[:2] for folder in (dataset, flair_dataset)]
        assert lines[0] == lines[1]


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("part", ["", "derivatives/ground_truth"])
def test_the_bids_validator_finds_no_error_with_a_flair(flair_dataset, part):
    assert errors_of_the_validator(flair_dataset / part) == []
