"""A stand-in for FSL: shell scripts that record how they are called and write prepared outputs."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from headstart.template.template import STRUCTURES

# Grid of the scan that FSL gets in these tests, and of its outputs: axes left, anterior, superior.
SHAPE = (20, 24, 18)
LAS = np.array([[-8.0, 0, 0, 76], [0, 8, 0, -100], [0, 0, 8, -60], [0, 0, 0, 1]])
SIDES = ("L", "R")
PARTS = ("Accu", "Amyg", "Caud", "Hipp", "Pall", "Puta", "Thal")


def recorded_labels() -> dict[str, np.ndarray]:
    """Outputs of BET, FAST and FIRST for a synthetic head: 15 cubes of 2 x 2 x 2 voxels, left ones on its left."""
    brain, tissue, structures = (np.zeros(SHAPE, np.int16) for _ in range(3))
    brain[3:17, 3:21, 3:15] = 1
    tissue[brain > 0] = 1
    tissue[4:16, 4:20, 4:14] = 2
    tissue[6:14, 6:18, 6:12] = 3
    pairs = zip([10, 11, 12, 13, 17, 18, 26], [49, 50, 51, 52, 53, 54, 58], strict=True)
    for step, (left, right) in enumerate(pairs):
        at = (slice(4 + 2 * step, 6 + 2 * step), slice(8, 10))
        structures[12:14, *at], structures[6:8, *at] = left, right
    structures[9:11, 4:6, 4:6] = 16
    assert set(np.unique(structures)) == {0, *STRUCTURES}
    return {"brain": brain, "tissue": tissue, "structures": structures}


@dataclass
class FakeFsl:
    """An FSLDIR with scripts; ``recorded/<tool>`` has their outputs, ``seen.nii.gz`` is the scan that they got."""

    root: Path

    def calls(self) -> list[str]:
        """Command lines of the tools, in order."""
        return (self.root / "calls").read_text().splitlines()

    def environment(self, tool: str) -> dict[str, str]:
        """The environment in which a tool ran."""
        lines = (self.root / f"{tool}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def record(self, tool: str, name: str, data: np.ndarray, affine: np.ndarray = LAS) -> None:
        """Add an image to the outputs of a tool."""
        path = self.root / "recorded" / tool / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(data, affine), path)

    def script(self, tool: str, body: str) -> None:
        """Replace a tool by another script."""
        path = self.root / "bin" / tool
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)


def install(root: Path) -> FakeFsl:
    """Install the scripts as FSL 6.0.7.4 in the folder ``root``."""
    fake = FakeFsl(root)
    for folder in ("bin", "etc", "data/standard"):
        (fake.root / folder).mkdir(parents=True)
    (fake.root / "etc/fslversion").write_text("6.0.7.4\n")
    labels = recorded_labels()
    fake.record("bet", "brain.nii.gz", labels["brain"])
    fake.record("bet", "brain_mask.nii.gz", labels["brain"])
    for name in ("seg", "pveseg", "pve_0", "pve_1", "pve_2", "mixeltype", "bias"):
        fake.record("fast", f"fast_{name}.nii.gz", labels["tissue"].astype(np.float32))
    for name in ("firstseg", "origsegs"):
        fake.record("run_first_all", f"first_all_fast_{name}.nii.gz", labels["structures"])
    for structure in ["BrStem", *(f"{side}_{part}" for side in SIDES for part in PARTS)]:
        for suffix in ("vtk", "bvars"):
            (fake.root / f"recorded/run_first_all/first-{structure}_first.{suffix}").touch()
    for tool in ("bet", "fast", "run_first_all"):
        note = f'echo "{tool} $*" >> "$FSLDIR/calls"; env > "$FSLDIR/{tool}.env"; cp scan.nii.gz "$FSLDIR/seen.nii.gz"'
        fake.script(tool, f'{note}; cp "$FSLDIR/recorded/{tool}/"* .')
    return fake
