"""The ``fsl`` back end: BET (Smith 2002), FAST (Zhang 2001) and FIRST (Patenaude 2011) of FSL, called through nipype.

The tools work on a copy of the scan on its own grid; their labels are brought to the template's in one interpolation.
nipype, which takes a second to load, is loaded when a scan is labelled.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from headstart import images
from headstart.datasets import intake
from headstart.images import Grid, Volume
from headstart.job import UserError, logger
from headstart.label.labels import Labels
from headstart.template.template import STRUCTURES, TISSUES

if TYPE_CHECKING:
    from nipype.interfaces.fsl.base import FSLCommand

TOOLS = ("bet", "fast", "run_first_all")
# The conda packages that hold them.
_PACKAGES = ("fsl-bet2", "fsl-fast4", "fsl-first")
_REMEDY = "install FSL and set FSLDIR, run with --sdm apptainer (docs/fsl.md), or set label.backend to ants."


def label(
    path: str | os.PathLike,
    transform: np.ndarray,
    grid: Grid,
    *,
    stripped: bool,
    fractional_threshold: float = 0.5,
    robust: bool = True,
    threads: int = 1,
) -> Labels:
    """Label the T1 scan in ``path``, whose ``transform`` (4, 4) maps template RAS+ mm to its own; labels on ``grid``.

    ``stripped``: the scan comes without skull, so that its brain is where it is not zero, and BET is left out.
    ``fractional_threshold``, ``robust``: BET's ``-f`` and ``-R``. ``threads``: FIRST's structures at a time. Raises
    :class:`UserError` if FSL is not found, a tool fails, or one leaves out a label.
    """
    root = locate()
    scan = as_fsl_stores(intake.read_t1(path)[0])
    fsl = _Fsl(root, threads, path)
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        images.write("scan.nii.gz", scan, np.float32)
        head = alone = "scan.nii.gz"
        if stripped:
            brain = Volume((scan.data != 0).astype(np.uint8), scan.affine)
        else:
            alone = "brain.nii.gz"
            fsl.run("BET", in_file=head, out_file=alone, mask=True, frac=fractional_threshold, robust=robust)
            brain = fsl.read("bet", "brain_mask.nii.gz", scan.grid, {1: "brain"})
        fsl.run("FAST", in_files=[alone], out_basename="fast", number_classes=3, img_type=1, output_biasfield=True)
        tissue = fsl.read("fast", "fast_seg.nii.gz", scan.grid, TISSUES)
        fsl.run("FIRST", in_file=head, out_file="first", brain_extracted=stripped)
        structures = fsl.read("run_first_all", "first_all_fast_firstseg.nii.gz", scan.grid, STRUCTURES)
    return Labels(
        tissue=images.resample_labels(tissue, grid, transform),
        structures=images.resample_labels(structures, grid, transform),
        brain=images.resample_labels(brain, grid, transform),
        made_by={"Backend": "fsl", "BackendVersion": f"FSL {fsl.version}", "CommandLines": fsl.command_lines},
    )


def found() -> bool:
    """Whether FSL's tools are on this machine."""
    try:
        locate()
    except UserError:
        return False
    return True


def locate() -> Path:
    """FSL's folder: the variable FSLDIR, or the installation that the tools on the PATH belong to.

    Raises :class:`UserError` if there is none, or one without the tools that are needed.
    """
    named = os.environ.get("FSLDIR")
    root = Path(named).absolute() if named else _on_path()
    if root is None:
        raise UserError(f"FSL was not found by FSLDIR or PATH; {_REMEDY}")
    lacking = [tool for tool in TOOLS if shutil.which(tool, path=root / "bin") is None]
    if lacking:
        raise UserError(f"FSL in {root} lacks {', '.join(lacking)} in its bin; {_REMEDY}")
    return root


def version(root: Path) -> str:
    """FSL's version, from its own file; of an installation by conda, which has none, that of the tools' packages."""
    stated = root / "etc/fslversion"
    if stated.is_file():
        return stated.read_text(encoding="utf-8").strip()
    records = [record.stem for name in _PACKAGES for record in (root / "conda-meta").glob(f"{name}-[0-9]*.json")]
    return ", ".join(record.rpartition("-")[0] for record in records) or "of unknown version"


def as_fsl_stores(scan: Volume) -> Volume:
    """The same scan with its axes flipped and swapped to run left, anterior, superior, as FSL's own templates do.

    No voxel changes its value or its place. FIRST expects its scans to lie as the templates; FSL calls this storage
    radiological.
    """
    turn = nib.orientations.ornt_transform(nib.io_orientation(scan.affine), nib.orientations.axcodes2ornt("LAS"))
    affine = scan.affine @ nib.orientations.inv_ornt_aff(turn, scan.data.shape)
    return Volume(nib.apply_orientation(scan.data, turn), affine)


def _on_path() -> Path | None:
    """FSL's folder, from a tool on the PATH: the one above it that holds FSL's templates."""
    tool = shutil.which(TOOLS[-1])
    above = Path(tool).resolve().parents if tool else ()
    return next((folder for folder in above if (folder / "data/standard").is_dir()), None)


class _Fsl:
    """An installation of FSL at work on one scan, in the current folder."""

    def __init__(self, root: Path, threads: int, path: str | os.PathLike):
        self.version = version(root)
        self.command_lines: list[str] = []
        self._path = path
        self._environment = {
            "FSLDIR": str(root),
            "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
            # FIRST's parts run here, not as jobs of their own in a cluster's queue, which nobody would wait for.
            "FSLSUBALREADYRUN": "true",
            "SGE_ROOT": "",
            "FSLSUB_PARALLEL": str(threads),
        }

    def run(self, name: str, **inputs: object) -> None:
        """Run nipype's interface ``name``; its command line, version and time go to the log."""
        tool = _interface(name, **inputs)
        tool.inputs.environ.update(self._environment)
        self.command_lines.append(tool.cmdline)
        logger.info("FSL %s: %s", self.version, tool.cmdline)
        started = time.monotonic()
        result = tool.run(ignore_exception=True).runtime
        logger.info("%s: %.1f s", tool.cmd, time.monotonic() - started)
        for words in (result.stdout, result.stderr, getattr(result, "traceback", None)):
            if words:
                logger.info("%s: %s", tool.cmd, words)
        # nipype notes here what went wrong: an exit status, words of BET's on standard error, an output that lacks.
        if hasattr(result, "traceback"):
            raise self._failed(tool.cmd, "failed; its own words are in the job's log")

    def read(self, tool: str, name: str, grid: Grid, labels: Mapping[int, str]) -> Volume:
        """Read the labels that a tool wrote on the scan's ``grid``, uint8; all of ``labels`` must be there."""
        if not Path(name).exists():
            raise self._failed(tool, f"wrote no {name}")
        made = images.read(name)
        if not made.grid.matches(grid):
            raise self._failed(tool, "changed the scan's grid")
        lost = [title for value, title in labels.items() if not (made.data == value).any()]
        if lost:
            raise self._failed(tool, f"found no {', '.join(lost)}")
        return Volume(np.where(np.isin(made.data, list(labels)), made.data, 0).astype(np.uint8), made.affine)

    def _failed(self, tool: str, how: str) -> UserError:
        return UserError(f"{self._path}: FSL's {tool} {how}; look at the scan and exclude it, or mend FSL.")


def _interface(name: str, **inputs: object) -> "FSLCommand":
    """An interface of nipype's to a tool of FSL, which keeps its output to itself and writes ``.nii.gz``."""
    os.environ["NO_ET"] = "1"  # nipype else asks a server for its newest version
    from nipype.interfaces import fsl

    fsl.FSLCommand.set_default_output_type("NIFTI_GZ")
    return getattr(fsl, name)(terminal_output="allatonce", **inputs)
