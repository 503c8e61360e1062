"""Evaluate 104 synthetic predictions of the size of the paper's stroke test set: 160 slices of 233 x 197 at 1 mm.

    python benchmarks/lesions.py --processes 1 2

Scores, distances, lesions of both connectivities, and their numbers at every cutoff of the default study, in one
process; then the whole evaluation of a model as a study does it, which reads predictions and ground truth from files,
by several numbers of processes. The ground truth is a stroke with satellites whose borders are roughened by smooth
noise; the prediction is the same shifted and cut, with false positives all over the brain. The time to generate them is
not included. Overwrites benchmarks/lesions.tsv.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from record import keep
from scipy import ndimage

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from headstart import job  # noqa: E402
from headstart.evaluate import archive, run  # noqa: E402
from headstart.evaluate.scores import score_scan  # noqa: E402
from headstart.metrics import lesions  # noqa: E402
from headstart.slices import store  # noqa: E402

SHAPE = (160, 233, 197)
VOXEL_MM = 1.0
TOLERANCE_MM = 2.0
NAMES = ["background", "lesion"]
COARSE = 4
# Radii of stroke, satellites and false positives, in mm, and the numbers of the latter two.
STROKE_MM, SATELLITE_MM, FALSE_MM = (12, 32), (3, 7), (1, 5)
SATELLITES, FALSE = 3, 30


def smooth_noise(rng: np.random.Generator) -> np.ndarray:
    """Noise of standard deviation 1, smooth over a few voxels: float32, ``SHAPE``."""
    coarse = ndimage.gaussian_filter(rng.standard_normal([-(-n // COARSE) for n in SHAPE], np.float32), 1)
    fine = ndimage.zoom(coarse, COARSE, order=1)[tuple(slice(n) for n in SHAPE)]
    return fine / fine.std()


def balls(rng: np.random.Generator, count: int, radii_mm: tuple[float, float], noise: np.ndarray) -> np.ndarray:
    """Balls with borders roughened by the noise, in the middle half of the grid: bool, ``SHAPE``."""
    mask = np.zeros(SHAPE, bool)
    for _ in range(count):
        centre, radius = rng.uniform(0.25, 0.75, 3) * SHAPE, rng.uniform(*radii_mm)
        box = tuple(
            slice(max(int(c - 2 * radius), 0), min(int(c + 2 * radius) + 1, n))
            for c, n in zip(centre, SHAPE, strict=True)
        )
        away = np.sqrt(sum((axis - c) ** 2 for axis, c in zip(np.ogrid[box], centre, strict=True)))
        mask[box] |= away < radius * (1 + 0.2 * noise[box])
    return mask


def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and its ground truth, each ``SHAPE`` uint8."""
    rng = np.random.default_rng(seed)
    noise = smooth_noise(rng)
    truth = balls(rng, 1, STROKE_MM, noise) | balls(rng, SATELLITES, SATELLITE_MM, noise)
    prediction = np.roll(truth, 2, axis=1) & (noise < 1) | balls(rng, FALSE, FALSE_MM, noise)
    return prediction.astype(np.uint8), truth.astype(np.uint8)


def at_cutoffs(table: pd.DataFrame, cutoffs: dict) -> pd.DataFrame:
    """Numbers of lesions and false positives at every cutoff."""
    pairs = [(overlap, volume_ml) for overlap in cutoffs["overlap"] for volume_ml in cutoffs["volume_ml"]]
    return pd.concat([lesions.count(table, *cutoff) for cutoff in pairs])


def now() -> np.ndarray:
    """Wall-clock time and processor time of this process, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def measure_steps(scans: int, cutoffs: dict) -> pd.DataFrame:
    """One row per step: wall-clock and processor time in seconds for all scans, and the numbers of lesions."""
    taken = {step: np.zeros(2) for step in ("scores and distances", "lesions", "cutoffs")}
    tables = []
    for scan in range(scans):
        prediction, truth = pair(scan)
        started = now()
        score_scan(prediction, truth, NAMES, str(scan), VOXEL_MM, TOLERANCE_MM)
        scored = now()
        tables.append(lesions.of_scan(prediction, truth, VOXEL_MM**3 / 1000, str(scan)))
        taken["scores and distances"] += scored - started
        taken["lesions"] += now() - scored
    table = pd.concat(tables, ignore_index=True)
    started = now()
    at_cutoffs(table, cutoffs)
    taken["cutoffs"] = now() - started
    taken["all"] = sum(taken.values())
    kinds = table.groupby(["connectivity", "kind"]).size()
    return pd.DataFrame(
        [{"step": step, "seconds": wall, "processor_s": busy} for step, (wall, busy) in taken.items()]
    ).assign(
        scans=scans,
        processes=1,
        **{f"{connectivity}_{kind}": number for (connectivity, kind), number in kinds.items()},
    )


def measure_evaluation(scans: int, processes: list[int]) -> Iterator[dict]:
    """The whole evaluation of a model's predictions of these scans, for each number of processes."""
    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder) / "predictions.npz"
        labels = {str(scan): Path(folder) / f"{scan}_dseg.npy" for scan in range(scans)}

        def made() -> Iterator[tuple[str, np.ndarray]]:
            for scan, path in labels.items():
                prediction, truth = pair(int(scan))
                store.write_labels(path, truth)
                yield scan, prediction

        archive.write(predictions, made())
        scoring = run.Scoring(NAMES, VOXEL_MM, dict.fromkeys(labels, TOLERANCE_MM), lesions=True)
        for count in processes:
            started = time.perf_counter()
            with run.processes(count) as apply:
                run.score(predictions, labels, scoring, apply)
            taken = time.perf_counter() - started
            yield {"step": "evaluation of a model", "seconds": taken, "scans": scans, "processes": count}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=104)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8])
    asked = parser.parse_args()
    job.keep_freed_memory()
    cutoffs = yaml.safe_load((ROOT / "config.yaml").read_text())["evaluate"]["lesions"]
    evaluations = pd.DataFrame(measure_evaluation(asked.scans, asked.processes))
    steps = measure_steps(asked.scans, cutoffs).convert_dtypes()  # numbers of lesions stay whole beside n/a
    keep(pd.concat([steps, evaluations], ignore_index=True), __file__)
