"""From masks in a folder to the verdict: planted competitors, one better than the baseline and one equal to it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from headstart import images, job
from headstart.evaluate import answer, native, tables
from headstart.images import Volume
from headstart.slices import cut
from headstart.template import template

GRID = template.grid(8)
NOTHING = {"top": 0, "bottom": 0}
SIZE, SCANS, RESAMPLES = 2, [f"s{number}" for number in range(8)], [1, 2, 3, 4]
IDENTITY = {"AffineTransform_double_3_3": np.array([*np.eye(3).ravel(), 0, 0, 0])[:, None], "fixed": np.zeros((3, 1))}


def volume(data):
    return Volume(data, GRID.affine)


def without(truth, count, rng):
    """A mask that misses some of a lesion's voxels."""
    found = truth.copy()
    places = np.argwhere(found)
    found[tuple(places[rng.permutation(len(places))[:count]].T)] = 0
    return found


@pytest.fixture
def planted(tmp_path):
    """Scans with a lesion of 60 voxels, of which scratch misses 30, a better method 10, and an equal one 30 others."""
    rng = np.random.default_rng(5)
    savemat(tmp_path / "affine.mat", IDENTITY, format="4")
    images.write(tmp_path / "t1.nii.gz", volume(np.ones(GRID.shape, np.float32)), np.float32)
    truths = {}
    for scan in SCANS:
        corner = rng.integers(4, 14, 3)
        truths[scan] = np.zeros(GRID.shape, np.uint8)
        truths[scan][tuple(slice(n, n + side) for n, side in zip(corner, (5, 4, 3), strict=True))] = 1
        images.write(tmp_path / f"{scan}.nii.gz", volume(truths[scan]), np.uint8)
    masks = {"better": {}, "equal": {}}
    for resample in RESAMPLES:
        missed = {scan: int(rng.integers(27, 34)) for scan in SCANS}
        predicted = {scan: without(truths[scan], missed[scan], rng) for scan in SCANS}
        slices = {scan: cut.whole(volume(found), 32) for scan, found in predicted.items()}
        np.savez_compressed(tmp_path / f"scratch_{resample}.npz", **slices)
        for name, fewer in (("better", 20), ("equal", 0)):
            masks[name][resample] = {}
            for scan in SCANS:
                path = tmp_path / f"{name}_{resample}_{scan}.nii.gz"
                images.write(path, volume(without(truths[scan], missed[scan] - fewer, rng)), np.uint8)
                masks[name][resample][scan] = str(path)
    np.save(tmp_path / "labels.npy", np.concatenate([cut.whole(volume(truths[scan]), 32) for scan in SCANS]))
    depth = GRID.shape[2]
    rows = [{"subject": scan, "first": n * depth, "last": (n + 1) * depth} for n, scan in enumerate(SCANS)]
    job.write_table(tmp_path / "scans.tsv", pd.DataFrame(rows))
    return masks


SPACE = {"discard_mm": NOTHING, "size": 32, "voxel_mm": 8, "tested": SCANS}


def scans_of(folder):
    """First image and transform of each scan."""
    return {"first": [folder / "t1.nii.gz"] * len(SCANS), "transforms": [folder / "affine.mat"] * len(SCANS)}


def carry(run_script, folder, external, runs):
    """Bring the masks of competitors to the form of predictions, a file for each run."""
    files = SimpleNamespace(**scans_of(folder), labels=[folder / "labels.npy"], index=[folder / "scans.tsv"])
    carried = [folder / f"{name}_{resample}.npz" for name, resample in runs]
    params = {**SPACE, "external": external, "runs": runs, "classes": 1}
    run_script("carry_external", files, params, SimpleNamespace(predictions=carried))


@pytest.mark.parametrize(("axis", "name"), [(0, "first"), (1, "second"), (2, "third")])
def test_a_mask_on_the_studys_grid_that_is_mirrored_is_refused_by_the_axis_of_its_file(
    axis, name, run_script, planted, tmp_path
):
    def beside_the_middle(path):
        return abs(np.argwhere(images.read(path, np.uint8).data)[:, axis].mean() - (GRID.shape[axis] - 1) / 2)

    path = max(planted["better"][1].values(), key=beside_the_middle)
    images.write(path, volume(np.flip(images.read(path, np.uint8).data, axis)), np.uint8)
    with pytest.raises(SystemExit) as ended:
        carry(run_script, tmp_path, {"better": {"masks": planted["better"], "values": None}}, [("better", 1)])
    assert f"{path} is mirrored along its {name} axis" in ended.value.code


def test_planted_competitors_get_the_right_words(run_script, planted, tmp_path):
    external = {name: {"masks": masks, "values": None} for name, masks in planted.items()}
    runs = [(name, resample) for name in external for resample in RESAMPLES]
    carry(run_script, tmp_path, external, runs)
    every = [("scratch", resample) for resample in RESAMPLES] + runs
    files = SimpleNamespace(
        **scans_of(tmp_path),
        predictions=[tmp_path / f"{name}_{resample}.npz" for name, resample in every],
        labels=[tmp_path / f"{scan}.nii.gz" for scan in SCANS],
    )
    params = {
        **SPACE,
        "external": external,
        "about": {"target": "t", "size": SIZE},
        "runs": [(*run, SCANS) for run in every],
        "label_files": [(1, {"masks": False, "mask_above": None})] * len(SCANS),
        "classes": {"lesion": [1]},
        "metric": "dice",
        "empty": "skip",
    }
    run_script("score_native", files, params, SimpleNamespace(scores=tmp_path / "native.tsv", lesions=[]))
    scored = job.read_table(tmp_path / "native.tsv", {"scan": str})
    # The study's grid is the scans' own, so that nothing is lost in between.
    assert scored["score"].tolist() == pytest.approx(scored["dice"].tolist())
    collected = scored.assign(metric="dice", level="volume", total=0.0, count=1)
    collected = native.replaced(collected[tables.COLLECTED], scored)
    cells = list(tables.cells(collected, 4000, 1))
    (verdict,) = answer.compared(cells, 0.03, {}, "these")["verdict"].to_dict("records")
    assert verdict["significantly_better"] == "better"
    assert verdict["equivalent"] == "equal"
    assert verdict["gain"] == pytest.approx(2 * 50 / 110 - 2 * 30 / 90, abs=0.01)
