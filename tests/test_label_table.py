"""The table of labels from which synthetic images are made, and the classes that it is divided into."""

import re

import pytest

from headstart import label_table
from headstart.job import UserError
from headstart.label_table import Label, class_numbers, dense_classes

LABELS = (
    Label(10, "thalamus", "thalamus", 0.65, brain=True),
    Label(49, "thalamus", "thalamus", 0.65, brain=True),
    Label(2, "white matter", "white", 0.78, brain=True),
    Label(66, "skin", "skin", 0.5, brain=False),
)


def test_a_table_is_read_as_it_was_written(tmp_path):
    label_table.write(tmp_path / "labels.tsv", LABELS)
    assert label_table.read(tmp_path / "labels.tsv") == LABELS


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("10\tputamen\tputamen\t0.5\t1", "value 10"),
        ("0\tair\tair\t0\t0", "value 0"),
        ("256\tputamen\tputamen\t0.5\t1", "value 256"),
        ("12\tputamen\tputamen\t1.5\t1", "putamen.*1.5"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, row, says):
    path = tmp_path / "labels.tsv"
    label_table.write(path, LABELS)
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(UserError, match=f"{re.escape(str(path))}.*{says}"):
        label_table.read(path)


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "labels.tsv"
    path.write_text("value\tname\tt1\tbrain\n2\twhite matter\t0.8\t1\n")
    with pytest.raises(UserError, match="column material"):
        label_table.read(path)


def test_labels_get_the_class_that_names_them_and_others_are_background():
    assert class_numbers(LABELS, {"tissue": ["white matter"], "deep": ["thalamus"]}) == (2, 2, 1, 0)
    assert class_numbers(LABELS, dense_classes(LABELS)) == (1, 1, 2, 0)


@pytest.mark.parametrize(
    ("classes", "says"),
    [({"deep": ["thalamos"]}, "'thalamos'.*skin, thalamus"), ({"one": ["skin"], "two": ["skin"]}, "'two'.*'skin'")],
)
def test_classes_of_unknown_or_shared_names_are_refused(classes, says):
    with pytest.raises(UserError, match=says):
        class_numbers(LABELS, classes)
