"""Known faults of folders, names of files and tables: ``make bad-inputs`` writes each and prints what headstart says.

Those of weights and settings are in ``bad_settings.py``; the tests hold each to its message.
"""

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.datasets import layouts
from headstart.datasets.scan import Scan
from headstart.job import UserError, logger

# Defaults that the schema has for single layouts.
BY_LAYOUT = {"flat": {"masks": False}, "oasis1": {"image": "subject"}}
Say = Callable[[str], None]


class Folder:
    """A dataset's folder of empty files, and what is read from it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def touch(self, *names: str) -> None:
        for name in names:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).touch()

    def write(self, name: str, *lines: str) -> None:
        self.touch(name)
        (self.path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def scans(self, layout: str, say: Say = logger.warning, drop=lambda *_: None, **entry) -> list[Scan]:
        """The scans of a dataset ``d`` whose folder is given relative to its parent, as the data folder."""
        defaults = {"exclude": [], "lesions": "none", **BY_LAYOUT.get(layout, {})}
        entry = {"layout": layout, "folder": self.path.name, **defaults, **entry}
        return layouts.scans("d", entry, "made", self.path.parent, say, drop)

    def within(self, *paths: Path) -> list[str]:
        return [path.relative_to(self.path).as_posix() for path in paths]


@dataclass(frozen=True)
class Case:
    """A faulty or unusual input, what is read of it, and what headstart says about it.

    read: what is read, as text; None if the input is refused.
    message: part of the error, or of the line that is logged; None if nothing is said.
    ask: writes the input into a folder and reads it, passing on what is said meanwhile; returns what was read.
    """

    name: str
    read: str | None
    message: str | None
    ask: Callable[[Path, Say], str]

    def answer(self, folder: Path) -> tuple[str | None, list[str]]:
        """Write the input into a folder of its own; returns what is read of it, and the sentences about it."""
        place = folder / self.name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        said: list[str] = []
        try:
            return self.ask(place, said.append), said
        except UserError as error:
            return None, [str(error)]


def files(*names: str, links: Mapping[str, str] | None = None, layout: str = "bids", **entry):
    """A folder of empty files and links; the keys of its entry are ``layout`` and those of ``entry``."""

    def ask(place: Path, say: Say) -> str:
        folder = Folder(place)
        folder.touch(*names)
        for name, target in (links or {}).items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).symlink_to(target)
        return ", ".join(described(scan) for scan in folder.scans(layout, say, **entry))

    return ask


def table(*lines: str, people: Sequence[str] = ("01", "02"), name: str = "participants.tsv", **entry):
    """A BIDS folder of some people with a table of these lines."""

    def ask(place: Path, say: Say) -> str:
        Folder(place).write(name, *lines)
        return files(*map(t1, people), **entry)(place, say)

    return ask


def described(scan: Scan) -> str:
    """A scan's subject, and what else is known: age, sex, and the names of its label files."""
    known = [None if scan.age is None else f"{scan.age:g}", scan.sex, *(path.name for path in scan.target)]
    return " ".join([scan.subject, *filter(None, known)])


def t1(person: str) -> str:
    return f"sub-{person}/anat/sub-{person}_T1w.nii.gz"


def masks(*names: str):
    """The T1 of sub-01 and files of labels in a derivative."""
    return files(t1("01"), *(f"derivatives/{name}.nii.gz" for name in names), labels_suffix="*mask")


ANAT = "sub-01/anat/sub-01_"
IN_X = "x/sub-01/anat/sub-01_"
HEAD, FIRST, SECOND = "participant_id\tage\tsex", "sub-01\t20\tF", "sub-02\t30\tM"
UNREAD = "people or sessions without a T1 that is read: 1"
BOTH_KNOWN = "01 20 F, 02 30 M"
ASKED = {"participants": {"file": "participants.tsv"}}
DOUBLED = (f"{HEAD}\tage", f"{FIRST}\t21", f"{SECOND}\t31")
UNCLOSED = ("participant_id,age,sex", 'sub-01,"20,F', "sub-02,30,M")
MICCAI = {"layout": "miccai2012"}
OASIS = "OAS1_0001_MR1/PROCESSED/MPRAGE/SUBJ_111/OAS1_0001_MR1_mpr_n4_anon_sbj_111.img"

FOLDERS = [
    Case("t1-beside-sessions", "01, 01ses1", None, files(t1("01"), "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz")),
    Case("person-without-t1", "01", f"{UNREAD} (sub-02 with anat/", files(t1("01"), "sub-02/anat/sub-02_T2w.nii.gz")),
    Case(
        "session-without-t1",
        "01ses1",
        f"{UNREAD} (sub-01/ses-2 with anat/sub-01_ses-2_T2w.nii.gz)",
        files("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", "sub-01/ses-2/anat/sub-01_ses-2_T2w.nii.gz"),
    ),
    Case("person-in-a-site", "01", f"{UNREAD} (site2/sub-02 with anat/", files(t1("01"), f"site2/{t1('02')}")),
    Case("person-without-hyphen", "01", f"{UNREAD} (sub02 with anat/", files(t1("01"), "sub02/anat/sub02_T1w.nii.gz")),
    Case(
        "two-t1-of-other-acquisitions",
        None,
        "both the T1 of one scan; choose with datasets.d.entities, {acq: hi} or {acq: lo}",
        files(f"{ANAT}acq-hi_T1w.nii.gz", f"{ANAT}acq-lo_T1w.nii.gz"),
    ),
    Case(
        "two-t1-one-of-a-run",
        None,
        "both the T1 of one scan; choose with datasets.d.entities, {run: null} or {run: 2}",
        files(f"{ANAT}T1w.nii.gz", f"{ANAT}run-2_T1w.nii.gz"),
    ),
    Case("two-t1-run-1-and-01", None, "keep one", files(f"{ANAT}run-1_T1w.nii.gz", f"{ANAT}run-01_T1w.nii.gz")),
    Case("phase-alone", None, f"(it holds {ANAT}part-phase_T1w.nii.gz)", files(f"{ANAT}part-phase_T1w.nii.gz")),
    Case("phase-and-magnitude", "01", None, files(f"{ANAT}part-phase_T1w.nii.gz", f"{ANAT}part-mag_T1w.nii.gz")),
    Case("unit1-alone", None, f"(it holds {ANAT}UNIT1.nii.gz)", files(f"{ANAT}UNIT1.nii.gz")),
    Case("unit1-asked-for", "01", None, files(f"{ANAT}UNIT1.nii.gz", entities={"suffix": "UNIT1"})),
    Case(
        "t1-in-anothers-folder",
        None,
        "is in the folder of sub-01, but its name says sub-02; rename or move it",
        files("sub-01/anat/sub-02_T1w.nii.gz"),
    ),
    Case("zeros-in-a-folder-only", "01", None, files("sub-01/anat/sub-1_T1w.nii.gz")),
    Case("capitals-in-endings", "01, 02", None, files(f"{ANAT}t1w.nii.gz", "sub-02/anat/sub-02_T1W.NII.GZ")),
    Case("capitals-in-folders", "01", None, files("Sub-01/Anat/Sub-01_T1w.nii.gz")),
    Case("folder-like-an-image", None, "is a folder, not an image; move the image in it", files(f"{t1('01')}/a.nii")),
    Case("names-like-missing-values", "012, NA, nan", None, files(*map(t1, ("NA", "nan", "012")))),
    Case("names-alike-but-punctuation", None, "are both subject 'a1'", files(t1("a1"), t1("a_1"))),
    Case("long-subject", None, "has 210 characters, and names of files in the results leave", files(t1("a1" * 105))),
    Case("subject-repeats-itself", None, "ends in 'a' 20 times or more", files(t1("a" * 20))),
    Case("brace-in-a-name", None, "has a brace, or a character that cannot be printed", files(t1("{a}"))),
    Case("t1-not-fetched", None, "is missing, or a link to a missing file", files(links={t1("01"): "gone"})),
    Case("folder-linked-to-itself", None, "sub-02 leads nowhere", files(t1("01"), links={"sub-02": "sub-02"})),
    Case("folder-empty", None, "is empty; it should hold sub-*/anat/*_T1w.nii.gz", files()),
    Case("folder-missing", None, "the folder /nowhere does not exist", files(folder="/nowhere")),
    Case(
        "subject-to-exclude-missing", None, "exclude names 02, which the folder lacks", files(t1("01"), exclude=["02"])
    ),
    Case("hidden-companions", "01", None, files(t1("01"), "sub-01/anat/._sub-01_T1w.nii.gz")),
    Case(
        "masks-by-two-raters",
        None,
        "both label one scan; narrow datasets.d.labels_suffix",
        masks(f"{IN_X}desc-a_mask", f"{IN_X}desc-b_mask"),
    ),
    Case(
        "masks-in-two-derivatives",
        None,
        "both label one scan; say which derivative with datasets.d.labels",
        masks(f"{IN_X}label-l_mask", "y/sub-01/anat/sub-01_label-l_mask"),
    ),
    Case(
        "mask-of-another-person",
        None,
        "sub-02_label-l_mask.nii.gz is there, but its name is not that of sub-01_T1w.nii.gz",
        masks("x/sub-01/anat/sub-02_label-l_mask"),
    ),
    Case(
        "masks-native-and-mni",
        "01 sub-01_label-l_mask.nii.gz",
        None,
        masks(f"{IN_X}label-l_mask", f"{IN_X}space-MNI152NLin6Asym_label-l_mask"),
    ),
    Case(
        "masks-of-two-hemispheres",
        "01 sub-01_hemi-L_mask.nii.gz sub-01_hemi-R_mask.nii.gz",
        None,
        masks(f"{IN_X}hemi-L_mask", f"{IN_X}hemi-R_mask"),
    ),
    Case("masks-nowhere", None, "no scan has labels *_*mask.nii[.gz] in", masks()),
    Case(
        "miccai-of-the-challenge",
        "1000 1000_3_glm.nii.gz",
        None,
        files("training-images/1000_3.nii.gz", "training-labels/1000_3_glm.nii.gz", **MICCAI),
    ),
    Case("miccai-labels-of-the-head", "1000 1000_3_glm.nii", None, files("1000_SS.nii", "1000_3_glm.nii", **MICCAI)),
    Case("miccai-without-number", None, "is not named like 1000_SS.nii.gz", files("subject_SS.nii.gz", **MICCAI)),
    Case("miccai-of-another-number", "1000", "is read: 1 (2000_3.nii)", files("1000_SS.nii", "2000_3.nii", **MICCAI)),
    Case(
        "flat-image-passed-over",
        "a",
        "images that match no pattern and are not read: 1 (b.nii)",
        files("a.nii.gz", "b.nii", layout="flat", pattern=r"(?P<subject>\w)\.nii\.gz"),
    ),
    Case("oasis-without-header", None, "lacks its header", files(OASIS, layout="oasis1")),
]

TABLES = [
    Case("column-twice", "01, 02", "has two columns age and age; rename or remove one; until then", table(*DOUBLED)),
    Case(
        "column-twice-asked-for", None, "has two columns age and age; rename or remove one.", table(*DOUBLED, **ASKED)
    ),
    Case("quote-unclosed", "01, 02", "has a quotation mark without a second one", table(*UNCLOSED)),
    Case("quote-unclosed-asked-for", None, "has a quotation mark without a second one", table(*UNCLOSED, **ASKED)),
    Case(
        "quote-in-a-note", "01 20", None, table("participant_id\tage\tsex\tnote", 'sub-01\t20\tn/a\t"a', people=["01"])
    ),
    Case("spaces-for-tabs", BOTH_KNOWN, None, table(HEAD, FIRST.replace("\t", "  "), SECOND)),
    Case("aligned-by-spaces", BOTH_KNOWN, None, table(*(row.replace("\t", "   ") for row in (HEAD, FIRST, SECOND)))),
    Case("decimal-comma", "01 20.5 F, 02 30 M", None, table(HEAD, "sub-01\t20,5\tF", SECOND)),
    Case(
        "decimal-comma-between-commas",
        "01, 02 30 M",
        "the row is not understood and is unknown: 'sub-01 20 5 F' of 01",
        table("participant_id,age,sex", "sub-01,20,5,F", "sub-02,30,M"),
    ),
    Case(
        "age-minus-999",
        "01 F, 02 30 M",
        "the age is not understood and is unknown: '-999' of 01; write years",
        table(HEAD, "sub-01\t-999\tF", SECOND),
    ),
    Case("age-of-89-or-more", "01 89 F, 02 30 M", None, table(HEAD, "sub-01\t89+\tF", SECOND)),
    Case("sex-in-numbers", "01 20, 02 30 M", "the sex is not understood", table(HEAD, "sub-01\t20\t2", SECOND)),
    Case(
        "rows-that-contradict",
        "01, 02 30 M",
        "lists 01 (age 20, sex F; age 21, sex F) twice, with different values",
        table(HEAD, FIRST, "sub-01\t21\tF", SECOND),
    ),
    Case(
        "rows-that-contradict-of-an-absent-person",
        BOTH_KNOWN,
        None,
        table(HEAD, FIRST, SECOND, "sub-09\t1\tF", "sub-09\t2\tF"),
    ),
    Case("person-without-row", "01 20 F, 02", "has no row for 02; their age and sex are unknown", table(HEAD, FIRST)),
    Case(
        "table-not-fetched",
        "01",
        "participants.tsv is a link to a missing file; fetch it (datalad get) or remove it",
        files(t1("01"), links={"participants.tsv": ".git/annex/objects/gone"}),
    ),
    Case(
        "table-pointer", "01, 02", "is a pointer of git-annex, not the table", table("/annex/objects/MD5E-s12--x.tsv")
    ),
    Case("table-spreadsheet", "01, 02", "is neither .tsv nor .csv", table("PK", name="participants.xlsx")),
    Case("number-2.0-is-not-20", "2 35 M, 20 60 F", None, table(HEAD, "2.0\t35\tM", "20.0\t60\tF", people=["2", "20"])),
    Case("number-2.0-alone-is-not-20", "20", "has no row for 20", table(HEAD, "2.0\t35\tM", people=["20"])),
    Case("numbers-without-zeros", BOTH_KNOWN, None, table(HEAD, "1\t20\tF", "2\t30\tM")),
]


def show(folder: Path, cases: Sequence[Case]) -> None:
    """Print what headstart says about each case, and what it reads."""
    for case in cases:
        read, said = case.answer(folder)
        print(f"{case.name}: {'refused' if read is None else f'accepted ({read})'}: {' '.join(said) or 'no message'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    show(parser.parse_args().folder, [*FOLDERS, *TABLES])
