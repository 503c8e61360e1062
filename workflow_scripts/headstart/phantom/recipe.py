"""What a made-up cohort is made of, and where its files lie. Imports nothing heavy."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

from headstart.job import UserError

LESIONS = ("none", "stroke", "ms")
_AXES = ("LR", "PA", "IS")


@dataclass(frozen=True)
class Recipe:
    """How the people of one dataset differ and how they are scanned. Ranges are (lowest, highest), drawn per person.

    lesions: ``none``, ``stroke`` (one large in one arterial territory, up to two small) or ``ms`` (many small,
        around the ventricles).
    voxel_mm: range of the in-plane voxel size; the same along both in-plane axes.
    slice_mm: range of the slice thickness along the axis nearest inferior-superior; ``None`` for isotropic voxels.
    orientations: axis codes of the stored arrays, as nibabel writes them; one is drawn per person.
    noise: standard deviation of the noise in each of the two receiver channels, as a part of white matter's signal.
    bias: largest departure of the receiver's gain from 1 over the image.
    warp_mm: root mean square length of the velocity field whose exponential is the warp; the displacements' own root
        mean square is within some per cent of it.
    rotation_deg: largest turn of the head in the scanner about each axis.
    oblique_deg: largest turn of the image's box against the scanner's axes, about each axis.
    origin_mm: largest distance of the head from the scanner's origin along each axis.
    neck_mm: range of how far the image reaches below the brain.
    landmarks: number of points whose true place in the template is recorded.
    """

    lesions: str = "none"
    voxel_mm: tuple[float, float] = (0.9, 1.1)
    slice_mm: tuple[float, float] | None = None
    orientations: tuple[str, ...] = ("RAS", "LAS", "LPI", "PSR", "ASL")
    noise: float = 0.03
    bias: float = 0.2
    warp_mm: float = 5.0
    rotation_deg: float = 6.0
    oblique_deg: float = 4.0
    origin_mm: float = 30.0
    neck_mm: tuple[float, float] = (15.0, 45.0)
    landmarks: int = 500

    def __post_init__(self) -> None:
        if self.lesions not in LESIONS:
            raise UserError(f"lesions is {self.lesions!r}; give one of {', '.join(LESIONS)}.")
        for name in ("voxel_mm", "slice_mm"):
            bounds = getattr(self, name)
            if bounds is not None and not 0 < bounds[0] <= bounds[1]:
                raise UserError(f"{name} is {bounds}; give the lowest and the highest size in mm, both above 0.")
        if not self.orientations:
            raise UserError("orientations is empty; give at least one axis code such as RAS.")
        for code in self.orientations:
            if not _is_axis_code(code):
                raise UserError(f"orientations holds {code!r}; give axis codes such as RAS or LPI.")


def _is_axis_code(code: str) -> bool:
    """Whether ``code`` names each anatomical axis once, in either direction."""
    return any(sorted(code) == sorted(choice) for choice in product(*_AXES))


def subject_paths(dataset_folder: str | Path, subject: str) -> dict[str, Path]:
    """Where one person's scan and truth lie in the BIDS dataset; ``subject`` is the label without ``sub-``.

    Keys: ``t1w``, ``sidecar``, ``brain``, ``tissue``, ``structures``, ``anatomy``, ``lesion``, ``landmarks``.
    """
    name = f"sub-{subject}"
    raw = Path(dataset_folder) / name / "anat"
    truth = Path(dataset_folder) / "derivatives" / "ground_truth" / name / "anat"
    return {
        "t1w": raw / f"{name}_T1w.nii.gz",
        "sidecar": raw / f"{name}_T1w.json",
        "brain": truth / f"{name}_desc-brain_mask.nii.gz",
        "tissue": truth / f"{name}_desc-tissue_dseg.nii.gz",
        "structures": truth / f"{name}_desc-subcortical_dseg.nii.gz",
        "anatomy": truth / f"{name}_desc-anatomy_dseg.nii.gz",
        "lesion": truth / f"{name}_label-lesion_mask.nii.gz",
        "landmarks": truth / f"{name}_desc-landmarks_points.tsv",
    }
