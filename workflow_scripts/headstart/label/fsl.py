"""The ``fsl`` back end: BET (Smith 2002), FAST (Zhang 2001) and FIRST (Patenaude 2011) of FSL, called through nipype.

The tools work on a copy of the scan on its own grid; their labels are resampled to template space with one
interpolation. nipype takes a second to import, so it is imported only when a scan is labelled.
"""

import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from headstart import images, job
from headstart.datasets import intake
from headstart.images import Grid, Volume
from headstart.job import UserError, logger, shown
from headstart.label.labels import Labels
from headstart.template.template import STRUCTURES, TISSUES

if TYPE_CHECKING:
    from nipype.interfaces.base import Bunch
    from nipype.interfaces.fsl.base import FSLCommand

TOOLS = ("bet", "fast", "run_first_all")
# The conda packages that contain them.
_PACKAGES = ("fsl-bet2", "fsl-fast4", "fsl-first")
# Exit statuses of a tool that was killed by SIGKILL, and of a shell whose tool was.
_KILLED = (-9, 137)
# Lines on standard error that are no errors.
_WARNING = re.compile(r"\b(warning|ignored)\b", re.IGNORECASE)
# Missing files that a message names.
_NAMED = 3
_REMEDY = "install FSL and set FSLDIR, run with --sdm apptainer (docs/fsl.md), or set label.backend to ants."


@dataclass(frozen=True)
class FslLabelSettings:
    """How the back end works: the section ``label.fsl`` of the configuration.

    fractional_threshold, robust: BET's options ``-f`` and ``-R``.
    """

    fractional_threshold: float
    robust: bool


def label(
    path: str | os.PathLike,
    transform: np.ndarray,
    grid: Grid,
    settings: FslLabelSettings,
    *,
    stripped: bool,
    threads: int,
) -> Labels:
    """Label a T1 scan.

    Parameters
    ----------
    path
        File of the scan.
    transform
        (4, 4) from RAS+ mm of the template to RAS+ mm of the scan.
    grid
        Grid of the labels, in template space.
    settings
        How to label.
    stripped
        Whether the scan is skull-stripped: its brain is then where it is not zero, and BET is not run.
    threads
        Number of structures that FIRST works on at a time.

    Raises
    ------
    UserError
        If FSL is not found, a tool fails, or one of the labels is missing from its output.
    """
    root = locate()
    scan = as_fsl_stores(intake.read_image(path)[0])
    fsl = _Fsl(root, threads, path)
    with job.scratch_folder():
        images.write("scan.nii.gz", scan, np.float32)
        head = stripped_scan = "scan.nii.gz"
        if stripped:
            brain = Volume((scan.data != 0).astype(np.uint8), scan.affine)
        else:
            stripped_scan = "brain.nii.gz"
            fsl.run(
                "BET",
                in_file=head,
                out_file=stripped_scan,
                mask=True,
                frac=settings.fractional_threshold,
                robust=settings.robust,
            )
            brain = fsl.read("bet", "brain_mask.nii.gz", scan.grid, {1: "brain"})
        fsl.run(
            "FAST",
            in_files=[stripped_scan],
            out_basename="fast",
            number_classes=3,
            img_type=1,
            output_biasfield=True,
        )
        tissue = fsl.read("fast", "fast_seg.nii.gz", scan.grid, TISSUES)
        fsl.run("FIRST", in_file=head, out_file="first", brain_extracted=stripped)
        structures = fsl.read("run_first_all", "first_all_fast_firstseg.nii.gz", scan.grid, STRUCTURES)
    return Labels(
        tissue=images.resample_labels(tissue, grid, transform),
        structures=images.resample_labels(structures, grid, transform),
        brain=images.resample_labels(brain, grid, transform),
        made_by={"Backend": "fsl", "BackendVersion": f"FSL {fsl.version}", "CommandLines": fsl.command_lines},
    )


def is_installed() -> bool:
    """Whether FSL's tools are installed on this machine."""
    try:
        locate()
    except UserError:
        return False
    return True


def locate() -> Path:
    """FSL's folder: the variable FSLDIR, or the installation of the tools on the PATH.

    Raises :class:`UserError` if there is none, or it lacks one of the tools.
    """
    named = os.environ.get("FSLDIR")
    root = Path(os.path.expanduser(named)).absolute() if named else _on_path()
    if root is None:
        raise UserError(f"FSL was not found by FSLDIR or PATH; {_REMEDY}")
    missing = [tool for tool in TOOLS if shutil.which(tool, path=root / "bin") is None]
    if missing:
        raise UserError(f"FSL in {root} lacks {', '.join(missing)} in its bin; {_REMEDY}")
    return root


def version(root: Path) -> str:
    """FSL's version from its version file, or, in an installation by conda without one, those of the packages."""
    stated = root / "etc/fslversion"
    if stated.is_file():
        return stated.read_text(encoding="utf-8").strip()
    records = [record.stem for name in _PACKAGES for record in (root / "conda-meta").glob(f"{name}-[0-9]*.json")]
    return ", ".join(record.rpartition("-")[0] for record in records) or "of unknown version"


def as_fsl_stores(scan: Volume) -> Volume:
    """The scan with its axes flipped and swapped to run left, anterior, superior, like those of FSL's templates.

    No voxel changes its value or position. FIRST expects this order, which FSL calls radiological.
    """
    turn = nib.orientations.ornt_transform(nib.io_orientation(scan.affine), nib.orientations.axcodes2ornt("LAS"))
    affine = scan.affine @ nib.orientations.inv_ornt_aff(turn, scan.data.shape)
    return Volume(nib.apply_orientation(scan.data, turn), affine)


def _on_path() -> Path | None:
    """FSL's folder: the one above a tool on the PATH that holds FSL's templates."""
    tool = shutil.which(TOOLS[-1])
    above = Path(tool).resolve().parents if tool else ()
    return next((folder for folder in above if (folder / "data/standard").is_dir()), None)


class _Fsl:
    """Runs the tools of an installation of FSL on one scan, in the current folder."""

    def __init__(self, root: Path, threads: int, path: str | os.PathLike):
        self.version = version(root)
        self.command_lines: list[str] = []
        self._path = path
        self._environment = {
            "FSLDIR": str(root),
            "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
            # Or else shells warn of a locale that a machine does not have, and numbers may have decimal commas.
            "LC_ALL": "C",
            # FIRST's parts run in this job, not as separate jobs of a cluster, for which nothing would wait.
            "FSLSUBALREADYRUN": "true",
            "SGE_ROOT": "",
            "FSLSUB_PARALLEL": str(threads),
        }

    def run(self, name: str, **inputs: object) -> None:
        """Run nipype's interface ``name``; its command line, version and running time are logged."""
        tool = _interface(name, **inputs)
        tool.inputs.environ.update(self._environment)
        self.command_lines.append(tool.cmdline)
        logger.info("FSL %s: %s", self.version, tool.cmdline)
        started = time.monotonic()
        result = tool.run(ignore_exception=True).runtime
        logger.info("%s: %.1f s", tool.cmd, time.monotonic() - started)
        for text in (result.stdout, result.stderr, getattr(result, "traceback", None)):
            if text:
                logger.info("%s: %s", tool.cmd, text)
        self._check(tool, result)

    def _check(self, tool: "FSLCommand", result: "Bunch") -> None:
        """Raise :class:`UserError` unless a tool did its work; ``result``: its ``returncode`` and what it printed."""
        if result.returncode in _KILLED or re.search(r"\bKilled\b", result.stderr):
            raise UserError(
                f"{self._path}: FSL's {tool.cmd} was killed, most likely because memory ran out; run again with more "
                "memory (mem_mb) for the job, or fewer jobs at once."
            )
        # BET ends with status 0 whatever happens; its errors are what it prints to standard error, beside warnings of
        # the shell that runs it.
        printed = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        errors = [line for line in printed if not _WARNING.search(line)] if tool.cmd == "bet" else []
        if result.returncode or errors:
            told = f" ({(errors or printed)[-1][:200]})" if printed else ""
            raise self._error(tool.cmd, f"failed{told}, see the job's log")
        if missing := [path.name for path in _expected(tool) if not path.exists()]:
            raise self._error(tool.cmd, f"wrote no {shown(missing, _NAMED)}, see the job's log")

    def read(self, tool: str, name: str, grid: Grid, labels: Mapping[int, str]) -> Volume:
        """Read the labels that a tool wrote on the scan's ``grid``, uint8; each of ``labels`` must occur."""
        made = images.read(name)
        if not made.grid.matches(grid):
            raise self._error(tool, "changed the scan's grid")
        missing = [title for value, title in labels.items() if not (made.data == value).any()]
        if missing:
            raise self._error(tool, f"found no {', '.join(missing)}")
        return Volume(np.where(np.isin(made.data, list(labels)), made.data, 0).astype(np.uint8), made.affine)

    def _error(self, tool: str, problem: str) -> UserError:
        return UserError(f"{self._path}: FSL's {tool} {problem}; check the scan and exclude it, or repair FSL.")


def _expected(tool: "FSLCommand") -> list[Path]:
    """The files that a tool should write, as nipype lists them: file names, lists of these, or undefined values."""
    listed = tool._list_outputs().values()
    names = [name for value in listed for name in (value if isinstance(value, list) else [value])]
    return [Path(name) for name in names if isinstance(name, str)]


def _interface(name: str, **inputs: object) -> "FSLCommand":
    """The interface of nipype to a tool of FSL, with its output captured and ``.nii.gz`` as its format."""
    os.environ["NO_ET"] = "1"  # or else nipype asks a server for its newest version
    from nipype.interfaces import fsl

    fsl.FSLCommand.set_default_output_type("NIFTI_GZ")
    return getattr(fsl, name)(terminal_output="allatonce", **inputs)
