"""The parts of a file's name in BIDS: ``sub-01_run-2_T1w.nii.gz`` has the entities ``sub`` and ``run``."""

from pathlib import Path

# Entities whose values are numbers, which may have zeros before them.
_INDICES = {"run", "inv", "echo", "flip", "split", "chunk"}


def stem(path: Path) -> str:
    """A file's name without ``.nii`` or ``.nii.gz``, in any case."""
    lower = path.name.lower()
    return path.name[: len(lower.removesuffix(".gz").removesuffix(".nii"))]


def entities(path: Path) -> dict[str, str]:
    """The values of a file's name by entity, whose names are in small letters."""
    pairs = (part.split("-", 1) for part in stem(path).split("_") if "-" in part)
    return {key.casefold(): value for key, value in pairs}


def own_spaces(image: str) -> tuple[str | None, ...]:
    """Values of the entity space for the own space of the image with this name; None where a name lacks it."""
    return None, "orig", image


def agree(entity: str, one: str | None, other: str | None) -> bool:
    """Whether two values of an entity, None where a name lacks it, are the same: run-1 is run-01, but acq-1 not."""
    if entity in _INDICES and one and other and one.isdecimal() and other.isdecimal():
        return int(one) == int(other)
    return one == other
