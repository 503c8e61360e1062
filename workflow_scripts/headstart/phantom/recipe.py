"""The parameters of a synthetic dataset and the paths of its files. Imports nothing heavy."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from headstart.job import UserError

LESIONS = ("none", "stroke", "ms")
# The images that a subject can have.
IMAGES = ("T1w", "FLAIR")
_AXES = ("LR", "PA", "IS")


@dataclass(frozen=True)
class Recipe:
    """How the subjects of a dataset vary, and how they are scanned.

    The first three and ``images`` are set in the configuration. Ranges are (lowest, highest); a value is drawn for each
    subject.

    lesions: ``none``, ``stroke`` (one large one in one arterial territory, and up to two small ones) or ``ms`` (many
        small ones around the ventricles).
    voxel_mm: range of the in-plane voxel size, which is the same along both axes.
    slice_mm: range of the slice thickness, along the axis closest to inferior-superior; None for isotropic voxels.
    orientations: axis codes of the stored arrays in nibabel's notation, of which one is drawn for each subject.
    noise: standard deviation of the noise in each of the two receiver channels, relative to white matter's signal.
    bias: largest deviation of the receiver's gain from 1.
    warp_mm: root mean square length of the velocity field whose exponential is the warp; that of the displacements
        differs from it by a few per cent.
    rotation_deg: largest rotation of the head in the scanner about each axis.
    oblique_deg: largest rotation of the image's box against the scanner's axes, about each axis.
    origin_mm: largest distance of the head from the scanner's origin along each axis.
    neck_mm: range of the extent of the image below the brain.
    landmarks: number of points whose true position in the template is recorded.
    images: the images of each subject, one or both of :data:`IMAGES`; ground truth lies on the grid of the first.
    further_slice_mm: range of the slice thickness of the second image; all else about it varies as in the first.
    movement_deg: largest rotation of the head about each axis between the two images.
    movement_mm: largest shift of the head along each axis between them.
    """

    lesions: str
    voxel_mm: tuple[float, float]
    slice_mm: tuple[float, float] | None
    orientations: tuple[str, ...] = ("RAS", "LAS", "LPI", "PSR", "ASL")
    noise: float = 0.03
    bias: float = 0.2
    warp_mm: float = 5.0
    rotation_deg: float = 6.0
    oblique_deg: float = 4.0
    origin_mm: float = 30.0
    neck_mm: tuple[float, float] = (15.0, 45.0)
    landmarks: int = 500
    images: tuple[str, ...] = ("T1w",)
    further_slice_mm: tuple[float, float] = (2.0, 4.0)
    movement_deg: float = 3.0
    movement_mm: float = 4.0

    def __post_init__(self) -> None:
        if self.lesions not in LESIONS:
            raise UserError(f"lesions is {self.lesions!r}; give one of {', '.join(LESIONS)}.")
        for name in ("voxel_mm", "slice_mm", "further_slice_mm"):
            bounds = getattr(self, name)
            if bounds is not None and not 0 < bounds[0] <= bounds[1]:
                raise UserError(f"{name} is {bounds}; give the lowest and the highest size in mm, both above 0.")
        if not self.orientations:
            raise UserError("orientations is empty; give at least one axis code such as RAS.")
        for code in self.orientations:
            if not _is_axis_code(code):
                raise UserError(f"orientations holds {code!r}; give axis codes such as RAS or LPI.")


def _is_axis_code(code: str) -> bool:
    """Whether ``code`` has each anatomical axis once, in either direction."""
    return any(sorted(code) == sorted(choice) for choice in product(*_AXES))


def subject_paths(dataset_folder: str | Path, subject: str, images: Sequence[str] = ("T1w",)) -> dict[str, Path]:
    """Paths of a subject's scan and ground truth in the BIDS dataset; ``subject`` is the label without ``sub-``.

    Keys: ``first``, ``sidecar``, ``brain``, ``tissue``, ``structures``, ``anatomy``, ``lesion``, ``landmarks``; with a
    second image also ``second``, ``second_sidecar`` and ``movement``, which leads from the first to it.
    """
    first, *second = images
    name = f"sub-{subject}"
    raw = Path(dataset_folder) / name / "anat"
    ground_truth = Path(dataset_folder) / "derivatives" / "ground_truth" / name / "anat"
    paths = {
        "first": raw / f"{name}_{first}.nii.gz",
        "sidecar": raw / f"{name}_{first}.json",
        "brain": ground_truth / f"{name}_desc-brain_mask.nii.gz",
        "tissue": ground_truth / f"{name}_desc-tissue_dseg.nii.gz",
        "structures": ground_truth / f"{name}_desc-subcortical_dseg.nii.gz",
        "anatomy": ground_truth / f"{name}_desc-anatomy_dseg.nii.gz",
        "lesion": ground_truth / f"{name}_label-lesion_mask.nii.gz",
        "landmarks": ground_truth / f"{name}_desc-landmarks_points.tsv",
    }
    for image in second:
        paths |= {
            "second": raw / f"{name}_{image}.nii.gz",
            "second_sidecar": raw / f"{name}_{image}.json",
            "movement": ground_truth / f"{name}_from-{first}_to-{image}_mode-image_xfm.txt",
        }
    return paths
