"""The manual labels of BIDS datasets: which files in a derivative label which scan, by its first image."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from headstart.datasets.bids_names import agree, entities, own_spaces, stem
from headstart.datasets.scan import Scan, find_files, find_folders, image_names, labels_folder, some_file
from headstart.job import UserError

# Entities that distinguish the images of a session; where labels name one, the image must have the same value.
_IMAGE_ENTITIES = ("acq", "ce", "rec", "run", "inv", "part", "echo")
# Entities that folders name as well; where both files name one, the values must be the same.
_FOLDERS = ("sub", "ses")
# Entities in which the masks of one lesion, or of one scan's lesions, may differ: these are united.
_PARTS = ("hemi-", "label-")


def is_mask(path: Path) -> bool:
    """Whether the name of a label file is that of a mask, which is 0 or one other value."""
    return stem(path).casefold().endswith(("_mask", "_roi"))


class Labels:
    """The label files of the dataset ``name`` in ``folder``, as ``labels`` and ``labels_suffix`` of its entry say."""

    def __init__(self, name: str, folder: Path, entry: Mapping) -> None:
        self._name, self._folder, self._entry = name, folder, entry
        self._suffix = entry.get("labels_suffix")
        named = labels_folder(name, folder, entry, "labels_suffix")
        places = find_folders(folder, "derivatives") if self._suffix else []
        self._derivatives = [named] if named else [inner for place in places for inner in find_folders(place)]
        # The folders in a folder of labels, by their name without capitals (:func:`_folded`).
        self._folders: dict[Path, dict[str, Path]] = {}
        # A label file and an image at the same place whose names are of different images, for a message.
        self._unlike: tuple[Path, Path] | None = None

    def of(self, first: Path) -> tuple[Path, ...]:
        """The labels of an image in one of the derivatives: a label map, or any number of masks; none if it has none.

        Raises :class:`UserError` if it cannot be known which of several are meant.
        """
        by_derivative = [kept for derivative in self._derivatives if (kept := self._in_derivative(derivative, first))]
        if len(by_derivative) > 1:
            raise UserError(
                f"{by_derivative[0][0]} and {by_derivative[1][0]} both label one scan; say which derivative with "
                f"datasets.{self._name}.labels."
            )
        labels = tuple(by_derivative[0]) if by_derivative else ()
        if len(labels) > 1 and not _can_be_united(labels):
            raise UserError(
                f"{labels[0]} and {labels[1].name} both label one scan; narrow datasets.{self._name}.labels_suffix "
                "(united are only masks, named *_mask or *_roi, that differ in hemi- or label- alone)."
            )
        return labels

    def check_found(self, scans: Sequence[Scan]) -> None:
        """Raise :class:`UserError` if labels are asked for and no scan has any."""
        if self._suffix is None or not scans or any(scan.target for scan in scans):
            return
        named = "labels" in self._entry
        places = [self._folder / self._entry["labels"]] if named else find_folders(self._folder, "derivatives")
        there = next(filter(None, map(some_file, places)), None)
        unlike = f"; {there} is there" if there else ""
        if self._unlike:
            unlike = f"; {self._unlike[0]} is there, but its name is not that of {self._unlike[1].name}"
        raise UserError(
            f"datasets.{self._name}: no scan has labels *_{self._suffix}.nii[.gz] in "
            f"{self._folder / self._entry.get('labels', 'derivatives/*')}; check labels and labels_suffix{unlike}."
        )

    def candidates(self, first: Path) -> list[Path]:
        """The images in all derivatives that can be labels of an image by their names, in whatever space they are."""
        return [path for derivative in self._derivatives for path in self._of_image(derivative, first)]

    def _of_image(self, derivative: Path, first: Path) -> list[Path]:
        """The files of a derivative with the suffix asked for whose names can be of the same image."""
        place = self._same_place(derivative, first)
        named = [path for path, _ in find_files(place, r".+\.nii(\.gz)?") if self._has_suffix(path)]
        kept = [path for path in named if _same_image(path, first)]
        if named and not kept:
            self._unlike = named[0], first
        return kept

    def _in_derivative(self, derivative: Path, first: Path) -> list[Path]:
        """The files of a derivative that can label an image, of those in its own space if there are any."""
        kept = self._of_image(derivative, first)
        spaces = [entities(path).get("space") for path in kept]
        own = entities(first).get("space")
        for alike in ((own,), own_spaces(image_names(self._entry)[0])):
            if any(space in alike for space in spaces):
                return [path for path, space in zip(kept, spaces, strict=True) if space in alike]
        # Labels that name another space may still lie on the image's grid, as those of ATLAS do; this is checked later.
        return kept

    def _same_place(self, derivative: Path, first: Path) -> Path:
        """The folder of a derivative for that of an image, whose name may have other capitals (``Sub-01/Anat``)."""
        within = first.parent.relative_to(self._folder)
        place = derivative / within
        if place.is_dir():
            return place
        place = derivative
        for part in within.parts:
            if place not in self._folders:
                self._folders[place] = {_folded(inner.name): inner for inner in find_folders(place)}
            place = self._folders[place].get(_folded(part), place / part)
        return place

    def _has_suffix(self, path: Path) -> bool:
        """Whether a name ends in the suffix asked for, or is it as a whole, with wildcards and in any case."""
        name, suffix = stem(path).casefold(), self._suffix.casefold()
        return fnmatchcase(name, f"*_{suffix}") or fnmatchcase(name, suffix)


def _folded(name: str) -> str:
    """A folder's name in small letters but for the value of an entity: ``Sub-A`` is ``sub-A``, not ``sub-a``."""
    entity, hyphen, value = name.partition("-")
    return entity.casefold() + hyphen + value


def _same_image(labels: Path, first: Path) -> bool:
    """Whether the names of a label file and an image can be of the same image."""
    of_labels, of_first = entities(labels), entities(first)
    compared = [key for key in _IMAGE_ENTITIES if key in of_labels]
    compared += [key for key in _FOLDERS if key in of_labels and key in of_first]
    return all(agree(key, of_labels[key], of_first.get(key)) for key in compared)


def _can_be_united(labels: Sequence[Path]) -> bool:
    """Whether all files are masks of different parts of the same labelling, by their names."""
    stems = {stem(path).casefold() for path in labels}
    rests = {tuple(part for part in name.split("_") if not part.startswith(_PARTS)) for name in stems}
    return all(map(is_mask, labels)) and len(stems) == len(labels) and len(rests) == 1
