"""Write and read slices at the size of the paper's T1 source: 2001 scans of 128 slices of 256 x 256, 34 GB.

    python benchmarks/store.py /a/disk/with/space

Reads whole scans, like a fine-tuning run, and batches of random slices of all scans, like pre-training on a cohort that
does not fit into memory. The files are removed afterwards.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from record import keep

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))

from headstart.slices import store  # noqa: E402


def measure(folder: Path, scans: int, scans_per_file: int, shape: tuple[int, int, int], batches: int) -> pd.DataFrame:
    """One row per operation: the number of slices, and the time."""
    rng = np.random.default_rng(0)
    intensities = np.tile(rng.random(shape, np.float32), (scans_per_file, 1, 1))
    paths = [folder / f"part-{part:04d}_T1w.npy" for part in range(-(-scans // scans_per_file))]
    places = []
    for number in range(scans):
        file, place = divmod(number, scans_per_file)
        places.append(store.SliceRange(paths[file], place * shape[0], (place + 1) * shape[0]))
    rows = []

    def timed(operation: str, slices: int, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        gigabytes = slices * np.prod(shape[1:]) * store.IMAGE.itemsize / 1e9
        rows.append(
            {
                "operation": operation, "slices": slices, "seconds": seconds, "slices_per_s": slices / seconds,
                "gb": gigabytes, "gb_per_s": gigabytes / seconds,
            }
        )  # fmt: skip

    def random_batches() -> None:
        opened = [store.read(place) for place in places]
        for _ in range(batches):
            drawn = zip(rng.integers(scans, size=32), rng.integers(shape[0], size=32), strict=True)
            np.stack([opened[scan][number] for scan, number in drawn])

    everything = len(paths) * scans_per_file * shape[0]
    timed("write all scans", everything, lambda: [store.write_image(path, intensities) for path in paths])
    timed("read 100 scans whole", min(scans, 100) * shape[0], lambda: store.SliceArray(places[:100])[:])
    timed("read random batches of 32", batches * 32, random_batches)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return pd.DataFrame(rows).assign(scans=scans, scans_per_file=scans_per_file, peak_memory_gib=peak)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scans", type=int, default=2001)
    parser.add_argument("--scans-per-file", type=int, default=20)
    parser.add_argument("--batches", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        sizes = (arguments.scans, arguments.scans_per_file, (128, 256, 256), arguments.batches)
        keep(measure(Path(scratch), *sizes), __file__)
