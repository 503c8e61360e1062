"""Which subjects can be written in the results."""

import os
from pathlib import Path

import pytest

from headstart.datasets import derivatives
from headstart.datasets.scan import Scan
from headstart.job import UserError
from headstart.template.template import SPACE


def check(subject, folder):
    derivatives.check_subject(Scan("mine", subject, subject, Path("images/scan.nii.gz")), folder)


def varied(length):
    """A name without an end that repeats."""
    return ("".join(map(str, range(1000))) + "x")[-length:]


def test_a_subject_is_as_long_as_the_names_of_its_files_allow(tmp_path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") - len(f"sub-_space-{SPACE}_desc-subcortical_dseg.nii.gz")
    check(varied(longest), tmp_path / "results")
    with pytest.raises(
        UserError, match=f"scan.nii.gz: its subject .* has {longest + 1} characters.*leave {longest} for"
    ):
        check(varied(longest + 1), tmp_path / "results")


@pytest.mark.parametrize("end", ["a", "12"])
def test_an_end_that_snakemake_refuses_is_named(tmp_path, end):
    check("x" + 19 * end, tmp_path)
    check("x" + 30 * end + "yz", tmp_path)
    with pytest.raises(UserError, match=f"ends in '{end}' 20 times or more, which Snakemake refuses; rename it"):
        check("x" + 20 * end, tmp_path)
