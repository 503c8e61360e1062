"""What the label stage gives for its time: deep structures of real scans, deformed more and less finely.

    python benchmarks/tradeoff.py ~/scans

Means over the first ``--scans`` scans with manual labels, as benchmarks/labels.py measures them, at the paper's 1 mm.
Overwrites benchmarks/tradeoff.tsv.
"""

import argparse
import itertools
from pathlib import Path

import labels
import pandas as pd
import real_scans
import yaml
from labels import ROOT, atlases, job, register
from record import keep

# Voxel size of the deformation in mm, and its steps at 4, 2 and 1 times that.
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
    asked = parser.parse_args()
    job.keep_freed_memory()
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())["register"]
    del settings["threads"]
    reference = atlases.build(labels.OTHER_PEOPLE, asked.threads)
    rows = []
    for scan in itertools.islice((one for one in real_scans.scans(asked.folder) if one.labels), asked.scans):
        found = register.register(
            scan.t1w, reference.t1, reference.brain, labels.GRID, threads=asked.threads, **settings
        )
        for tried in SETTINGS:
            measured = labels.measure_structures(scan, found, reference, asked.threads, tried)
            steps = " ".join(map(str, tried["warp_iterations"]))
            kept = {name: measured[name] for name in ("seconds", "mean_dice", "presence_f1")}
            rows.append({"warp_mm": tried["warp_mm"], "warp_iterations": steps, **kept})
            print(scan.name, rows[-1], flush=True)
    means = pd.DataFrame(rows).groupby(["warp_mm", "warp_iterations"], sort=False).mean().reset_index()
    keep(means.assign(scans=asked.scans, threads=asked.threads, atlases=" ".join(labels.OTHER_PEOPLE)), __file__)
