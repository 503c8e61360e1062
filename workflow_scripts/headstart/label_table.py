"""What the values of the label maps stand for from which synthetic images are made."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from headstart.job import UserError, read_table, write_table

# Value and label of what no image shows: air, and what lies beyond the border.
AIR = 0


@dataclass(frozen=True)
class Label:
    """One value of label maps.

    ``value``: from 1 to 255; ``name``: the same for both sides of a structure; ``material``: labels of one material are
    equally bright; ``t1``: how bright it is in T1-weighted images, from 0 (air) to 1; ``brain``: whether it remains
    when the brain is extracted.
    """

    value: int
    name: str
    material: str
    t1: float
    brain: bool


def write(path: str | os.PathLike, labels: Sequence[Label]) -> None:
    """Write labels as a table, one row each, next to the label maps that hold their values."""
    import pandas as pd

    write_table(path, pd.DataFrame([asdict(label) | {"brain": int(label.brain)} for label in labels]))


def read(path: str | os.PathLike) -> tuple[Label, ...]:
    """Read a table of :func:`write`, or one written by hand; raises :class:`UserError` naming what is wrong in it."""
    table = read_table(path, dtype={"name": str, "material": str})
    if missing := [column for column in Label.__annotations__ if column not in table]:
        raise UserError(f"{path} lacks the column {missing[0]}; it needs {', '.join(Label.__annotations__)}.")
    labels = []
    for row in table.itertuples(index=False):
        if row.value in {label.value for label in labels} or not 1 <= row.value <= 255:
            raise UserError(f"{path} has the value {row.value} twice, or it is not from 1 to 255; correct it.")
        if not 0 <= row.t1 <= 1:
            raise UserError(f"{path} says that {row.name} has the brightness t1 {row.t1}; give one from 0 to 1.")
        labels.append(Label(int(row.value), row.name, row.material, float(row.t1), bool(row.brain)))
    return tuple(labels)


def class_numbers(labels: Sequence[Label], classes: Mapping[str, Sequence[str]]) -> tuple[int, ...]:
    """The class of each label, counted from 1 in the order of ``classes``, and 0 of those that no class names.

    ``classes``: names of labels by the name of the class, as ``{"grey matter": ["cerebral cortex", "hippocampus"]}``.
    Raises :class:`UserError` for a name that no label has, and for one that two classes have.
    """
    known, number_of = {label.name for label in labels}, {}
    for number, (name, parts) in enumerate(classes.items(), 1):
        for part in parts:
            if part not in known:
                raise UserError(f"class {name!r} names {part!r}; give names among {', '.join(sorted(known))}.")
            if part in number_of:
                raise UserError(f"class {name!r} names {part!r}, which another class has; name it once.")
            number_of[part] = number
    return tuple(number_of.get(label.name, 0) for label in labels)


def dense_classes(labels: Sequence[Label]) -> dict[str, list[str]]:
    """A class for each name in the brain, both sides in one, for :func:`class_numbers`: all that label maps know."""
    return {label.name: [label.name] for label in labels if label.brain}
