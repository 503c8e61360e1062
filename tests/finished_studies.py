"""Finished studies for tests of comparisons: the files of their results that a comparison reads, without a training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from headstart.job import write_json, write_table, write_text

TESTED = [f"t{k}" for k in range(10)]
POOL = [f"p{k:02d}" for k in range(12)]
SIZES = (1, 2, 4)
# Mean score by set size; standard deviations of scans, training sets and noise.
MEANS = {1: 0.4, 2: 0.5, 4: 0.6}
SPREAD = {"scan": 0.05, "resample": 0.004, "noise": 0.004}
RATER = {"rater": {"pattern": r"(?P<subject>\w+)\.nii\.gz"}}
SETTINGS = {
    "template": {"voxel_mm": 2.5},
    "network": {"decoder": "unet"},
    "datasets": {"heads": {"discard_mm": {"top": 11, "bottom": 50}}},
    "targets": {"anatomy": {"dataset": "heads"}},
    "evaluate": {"margin": 0.02, "empty": "skip"},
}


def training_set(size: int, resample: int, seed: int) -> list[str]:
    """The training scans of a resample; ``seed``: of the study."""
    chosen = np.random.default_rng([seed, size, resample]).choice(len(POOL), size, replace=False)
    return sorted(POOL[k] for k in chosen)


def scores_of(
    means: Mapping[str, Mapping[int, float]], tested: Sequence[str], resamples: int, seed: int, target: str, metric: str
) -> pd.DataFrame:
    """Scores whose scans are as hard in each study, and whose training sets are as good if they are the same."""
    rows, noise = [], np.random.default_rng([seed, 7])
    for source, of_size in means.items():
        for size, mean in of_size.items():
            for resample in range(1, resamples + 1):
                drawn = [POOL.index(name) for name in training_set(size, resample, seed)]
                luck = np.random.default_rng([size, *drawn]).normal(0, SPREAD["resample"])
                for scan in tested:
                    ease = np.random.default_rng(int(scan[1:])).normal(0, SPREAD["scan"])
                    score = mean + luck + ease + noise.normal(0, SPREAD["noise"])
                    rows.append([target, source, size, resample, metric, scan, "volume", score, 1])
    columns = ["target", "source", "size", "resample", "metric", "scan", "level", "total", "count"]
    return pd.DataFrame(rows, columns=columns)


def save_study(
    results: Path,
    name: str,
    means: Mapping[str, Mapping[int, float]] | None = None,
    *,
    tested: Sequence[str] = TESTED,
    resamples: int = 4,
    seed: int = 1,
    prefix: str = "",
    labels: int = 100,
    target: str = "anatomy",
    metric: str = "miou",
    settings: Mapping = SETTINGS,
    native: bool = False,
    external: Mapping[str, Mapping] | None = None,
    others: Mapping[str, Mapping[str, Mapping[int, float]]] | None = None,
) -> Path:
    """A finished study in ``results/name``; returns its folder.

    means: mean score by source and set size; without it, that of one source, scratch.
    tested: its test scans; the others of TESTED are training scans of every set if they are not among them.
    seed: of the training sets, which are the same for studies with the same one, and of the noise.
    prefix: of the hashes of the images, which are those of other people if it differs.
    labels: voxels of the one class in the manual labels.
    native: whether scores on the scans' own grids were kept, 0.1 lower than on the study's.
    external: the target's competitors from elsewhere, with which its scores are on the scans' own grids.
    others: means of further targets, by their names, with the same training sets and classes.
    """
    folder = results / name
    by_target = {target: means or {"scratch": MEANS}, **(others or {})}
    scores = pd.concat(
        [scores_of(of_target, tested, resamples, seed, title, metric) for title, of_target in by_target.items()],
        ignore_index=True,
    )
    (folder / "tables").mkdir(parents=True)
    scores.to_parquet(folder / "tables/scan_scores.parquet")
    entry = {"dataset": "heads", **({"external": external} if external else {})}
    targets = {title: entry for title in by_target}
    write_json(folder / "provenance.json", {"configuration": {"study": name, **settings, "targets": targets}})
    scans = [*TESTED, *POOL]
    records = [
        {"dataset": "heads", "subject": scan, "scan": {"sha256": f"{prefix}{scan}"},
         "labels": {"label_voxels": {"brain": labels}}} for scan in scans
    ]  # fmt: skip
    write_json(folder / "intake/heads/part-0000.json", records)
    for title, size, resample in scores[["target", "size", "resample"]].drop_duplicates().itertuples(index=False):
        trained = {*training_set(size, resample, seed), *(scan for scan in TESTED if scan not in tested)}
        rows = [(scan, "train" if scan in trained else "test" if scan in tested else "unused") for scan in scans]
        text = "subject\trole\n" + "".join(f"{scan}\t{role}\n" for scan, role in rows)
        write_text(folder / f"splits/{title}/size-{size}_resample-{resample}.tsv", text)
    if native:
        last = scores[scores["size"] == scores["size"].max()]
        table = last[["source", "resample", "scan", "target", "size"]].assign(
            dice=last["total"], dice_native=last["total"] - 0.1, ceiling_dice=0.9, score=last["total"] - 0.1
        )
        write_table(folder / f"evaluate/{target}/size-{scores['size'].max()}_native.tsv", table)
    return folder
