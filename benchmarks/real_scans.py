"""The real scans that benchmarks and tests measure on; docs/data.md says where to get them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RealScan:
    """A T1 scan: its ``name``, its file, and its manual labels and FAST's tissues where it has them."""

    name: str
    t1w: Path
    labels: Path | None = None
    fast: Path | None = None


def scans(folder: Path) -> Iterator[RealScan]:
    """Every scan of the sets ``oasis-miccai2012/``, ``lesjak-ms/`` and ``mni152-head/`` in ``folder``."""
    for path in sorted((folder / "oasis-miccai2012").glob("*_SS.nii.gz")):
        fast = path.parent / "fast" / path.name.replace("_SS", "_seg")
        labels = path.with_name(path.name.replace("_SS", "_glm"))
        yield RealScan(f"oasis {path.name[:4]}", path, labels, fast if fast.exists() else None)
    for path in sorted((folder / "lesjak-ms").glob("*/patient*/*T1*.nii.gz")):
        kind = "head" if path.parts[-3] == "heads" else "brain"
        yield RealScan(f"lesjak {kind} {path.parent.name[-2:]} {path.name.split('_')[0]}", path)
    for path in (folder / "mni152-head").glob("*_head.nii.gz"):
        yield RealScan("mni152 head", path)
