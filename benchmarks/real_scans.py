"""The real scans of the benchmarks, and the settings of the default study; docs/data.md has sources of the scans."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class RealScan:
    """A T1 scan: its name, its file, and its manual labels and tissues from FAST if it has any."""

    name: str
    t1w: Path
    labels: Path | None = None
    fast: Path | None = None


def parser(description: str) -> argparse.ArgumentParser:
    """A parser of the arguments that benchmarks on real scans share: ``scans``, their folder, and ``--threads``."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("scans", type=Path, help="folder of the real scans")
    made.add_argument("--threads", type=int, default=2)
    return made


def default_study() -> dict:
    """The configuration of the default study."""
    return yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8"))


def patients(folder: Path) -> dict[str, Path]:
    """The folders of the patients of ``lesjak-ms/mni`` in ``folder`` by number; ends the program if there are none."""
    found = {path.name[-2:]: path for path in sorted((folder / "lesjak-ms/mni").glob("patient*"))}
    if not found:
        raise SystemExit(f"headstart: {folder} has no lesjak-ms/mni; see docs/data.md.")
    return found


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
