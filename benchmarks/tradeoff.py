"""Accuracy and time of the label stage in real scans, for finer and coarser deformations of the atlas.

    python benchmarks/tradeoff.py ~/scans

Means over the first ``--scans`` scans with manual labels, measured as in benchmarks/labels.py, at the paper's 1 mm.
Overwrites benchmarks/tradeoff.tsv.
"""

import argparse
import dataclasses
import itertools
from pathlib import Path

import labels
import pandas as pd
import real_scans
from labels import affine, atlases, job
from record import keep

# Voxel size of the deformation in mm, and its numbers of steps at 4, 2 and 1 times that.
SETTINGS = [
    {"warp_mm": 4, "warp_iterations": (50, 0, 0)},
    {"warp_mm": 3, "warp_iterations": (100, 60, 30)},
    {"warp_mm": 2, "warp_iterations": (100, 60, 30)},
    {"warp_mm": 1, "warp_iterations": (100, 60, 0)},
    {"warp_mm": 1, "warp_iterations": (100, 60, 30)},
    {"warp_mm": 1, "warp_iterations": (200, 120, 60)},
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the real scans")
    parser.add_argument("--scans", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    job.keep_freed_memory()
    reference = atlases.build(labels.INDEPENDENT_ATLASES, arguments.threads)
    rows = []
    labelled = (scan for scan in real_scans.scans(arguments.folder) if scan.labels)
    for scan in itertools.islice(labelled, arguments.scans):
        registered = affine.register(
            scan.t1w, reference.t1, reference.brain, labels.GRID, labels.REGISTRATION, threads=arguments.threads
        )
        for changed in SETTINGS:
            settings = dataclasses.replace(labels.LABELS, **changed)
            measured = labels.measure_structures(scan, registered, reference, settings, arguments.threads)
            steps = " ".join(map(str, settings.warp_iterations))
            kept = {name: measured[name] for name in ("seconds", "mean_dice", "presence_f1")}
            rows.append({"warp_mm": settings.warp_mm, "warp_iterations": steps, **kept})
            print(scan.name, rows[-1], flush=True)
    means = pd.DataFrame(rows).groupby(["warp_mm", "warp_iterations"], sort=False).mean().reset_index()
    about = {"scans": arguments.scans, "threads": arguments.threads, "atlases": " ".join(labels.INDEPENDENT_ATLASES)}
    keep(means.assign(**about), __file__)
