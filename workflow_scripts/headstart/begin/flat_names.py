"""How the scans and labels of a folder that is not BIDS are named: the regular expressions of the layout ``flat``.

Each file's path is cut in all ways into a subject and what is around it. Files with the same text around their
subjects are of one kind; scans and labels are two kinds with the same subjects. Words tell which is which.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.job import UserError, shown

_LABEL_WORD = re.compile(
    r".*(lesion|label|mask|segment|annot|truth|manual|consensus).*|segs?|rois?|gt|glm|dseg|aseg|tumou?r", re.IGNORECASE
)
# Masks of the whole brain or head, by their own name or that of a folder of masks.
_WHOLE = re.compile(r".*(brain|skull|head|\bbet\b)[^/]*|.*(brain|skull|head)[^/]*mask.*", re.IGNORECASE)
_T1_WORD = re.compile(r"t1(w|n|gre|mprage)?|mprage|mpr|spgr|bravo|0000", re.IGNORECASE)
# Images of other contrasts, in words and by the channel numbers of nnU-Net.
_OTHER_WORD = re.compile(
    r"t2.*|flair|dwi|adc|pdw?|swi|bold|asl|cbf|ct|pet|t1(c|ce|gd|post).*|000[1-9]|probseg", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+")
# A session within a path, of which the first group is kept and the second is its name.
_SESSION = re.compile(r"(?<![^\W_])(ses[-_]?|session[-_]?|visit[-_]?|timepoint[-_]?|tp[-_]?|v)(\d+)(?![^\W_])", re.I)
_WHICH_SCANS = "ENTRY='pattern: ..., labels_pattern: ...' (docs/data.md)"
# Stand for subject and session in the text around a subject.
_SUBJECT_MARK, _SESSION_MARK = "\0", "\1"
# A word that may be of a subject: not that before a session.
_OF_SUBJECT = re.compile(rf"[^\W_]+(?![^\W_])(?![-_]?{_SESSION_MARK})")
_ENDING = re.compile(r"\.nii(\.gz)?", re.IGNORECASE)


@dataclass(frozen=True)
class Kind:
    """Files with the same text around their subjects.

    around: their path with marks in place of subject and session; files: path by subject and session.
    """

    around: str
    files: dict[tuple[str, str | None], str]

    def has(self, word: re.Pattern) -> bool:
        """Whether one of the words around the subjects matches."""
        return any(map(word.fullmatch, _WORD.findall(_ENDING.sub("", self.around))))

    @property
    def word(self) -> str:
        """The last of the words around the subjects; empty if there are none."""
        return next(reversed(_WORD.findall(_ENDING.sub("", self.around))), "")

    @property
    def example(self) -> str:
        """The path of one of the files."""
        return min(self.files.values())


def patterns(folder: Path, images: Iterable[Path], chosen: str | None) -> dict[str, str]:
    """``pattern`` and ``labels_pattern`` of a folder's entry, from the names of its ``images`` alone.

    ``chosen``: text that the names of the label files have, of several kinds. Raises :class:`UserError` if no two kinds
    of files have the same subjects, or if it is not clear which of several are meant.
    """
    paths = [path.relative_to(folder).as_posix() for path in images]
    paths = [path for path in paths if _ENDING.search(path)]
    # What looks like a session may be the only thing that tells people apart.
    pairs = _pairs(_kinds(paths, sessions=True), chosen) or _pairs(_kinds(paths, sessions=False), chosen)
    if not pairs:
        raise UserError(_no_pairs(folder, paths, chosen))
    scans, labels = max(pairs, key=_rank)
    others = [other for same, other in pairs if same == scans]
    _check_alone(folder, others, labels, "label files", f"LABELS={labels.word}, for instance")
    rivals = [other for other, same in pairs if same == labels and other.has(_T1_WORD) == scans.has(_T1_WORD)]
    _check_alone(folder, rivals, scans, "T1 scans", _WHICH_SCANS)
    shape = _shape([subject for subject, _ in _shared(scans, labels)])
    found = {"pattern": _expression(scans.around, shape), "labels_pattern": _expression(labels.around, shape)}
    if both := [path for path in paths if all(re.fullmatch(form, path) for form in found.values())]:
        raise UserError(f"{folder}: by its name, {both[0]} is a T1 scan or labels; say which with {_WHICH_SCANS}.")
    return found


def _pairs(found: Sequence[Kind], chosen: str | None) -> list[tuple[Kind, Kind]]:
    """Kinds of scans and of labels with the same subjects."""
    labels = [kind for kind in found if kind.has(_LABEL_WORD) and not _WHOLE.fullmatch(kind.around)]
    if chosen:
        labels = [kind for kind in found if chosen.casefold() in kind.around.casefold()]
    scans = [kind for kind in found if not kind.has(_LABEL_WORD) and not kind.has(_OTHER_WORD)]
    alike = ((scan, label) for label in labels for scan in scans if scan.files.keys() & label.files.keys())
    return [(scan, label) for scan, label in alike if len(_shared(scan, label)) > 1]


def _shared(scans: Kind, labels: Kind) -> list[tuple[str, str | None]]:
    """Subjects and sessions that both kinds have, each with a file of its own."""
    label_files = set(labels.files.values())
    return [key for key, path in scans.files.items() if key in labels.files and path not in label_files]


def _kinds(paths: Sequence[str], *, sessions: bool) -> list[Kind]:
    """The kinds of which there are at least two files; ``sessions``: whether what names a session is taken for one."""
    files: dict[str, dict] = defaultdict(dict)
    for path in paths:
        session = _SESSION.search(path) if sessions else None
        name = session[2] if session else None
        marked = path if session is None else _mark(path, name)
        for subject, around in _cuts(marked):
            files[around][subject, name] = path
    return [Kind(around, members) for around, members in files.items() if len(members) > 1]


def _mark(path: str, session: str) -> str:
    return _SESSION.sub(lambda match: match[1] + _SESSION_MARK if match[2] == session else match[0], path)


def _cuts(path: str) -> Iterable[tuple[str, str]]:
    """Each part of a path, from word to word within a name, that may be a subject, and the path with a mark for it."""
    words = [match.span() for match in _OF_SUBJECT.finditer(path, 0, _ENDING.search(path).start())]
    for number, (first, _) in enumerate(words):
        for _, last in words[number:]:
            subject = path[first:last]
            if "/" in subject or _SESSION_MARK in subject:
                break
            around = path[:first] + _SUBJECT_MARK + path[last:]
            if subject in around:  # where folder and file both name the subject, it is the same in both
                around = re.sub(rf"(?<![^\W_]){re.escape(subject)}(?![^\W_])", _SUBJECT_MARK, around)
            yield subject, around


def _rank(pair: tuple[Kind, Kind]) -> tuple:
    """What makes a pair the likelier one: more labelled scans, a word for T1, more scans, more text around both."""
    scans, labels = pair
    return (
        len(_shared(scans, labels)),
        scans.has(_T1_WORD),
        len(scans.files),
        len(scans.around) + len(labels.around),
        scans.around.count(_SUBJECT_MARK),
    )


def _check_alone(folder: Path, kinds: Sequence[Kind], taken: Kind, what: str, remedy: str) -> None:
    """Raise :class:`UserError` if other kinds, with files of their own, are as likely as the one taken."""
    own = set(taken.files.values())
    others = [kind for kind in kinds if not own & set(kind.files.values()) and 2 * len(kind.files) >= len(own)]
    if others:
        examples = shown(sorted({kind.example for kind in (taken, *others)}))
        raise UserError(f"{folder} has several kinds of {what} ({examples}); say which to use with {remedy}.")


def _shape(subjects: Sequence[str]) -> str:
    """A regular expression of the subjects: words between the separators that they have."""
    shapes = {_separated(subject) for subject in subjects}
    return "|".join(sorted(shapes, key=lambda shape: (-len(shape), shape)))


def _separated(subject: str) -> str:
    parts = re.split(r"([\W_]+)", subject)
    return "".join(re.escape(part) if number % 2 else r"[^\W_]+" for number, part in enumerate(parts))


def _expression(around: str, shape: str) -> str:
    """The regular expression of a kind's paths, with the groups ``subject`` and, if they have one, ``session``."""
    written = re.sub(r"\\([-/ ])", r"\1", re.escape(around))
    for mark, name, form in ((_SUBJECT_MARK, "subject", shape), (_SESSION_MARK, "session", r"\d+")):
        mark = re.escape(mark)
        written = written.replace(mark, f"(?P<{name}>{form})", 1).replace(mark, f"(?P={name})")
    return written


def _no_pairs(folder: Path, paths: Sequence[str], chosen: str | None) -> str:
    held = f"{len(paths)} NIfTI images, such as {min(paths)}," if paths else "no NIfTI images (.nii, .nii.gz)"
    named = f" with {chosen!r} in their names" if chosen else ""
    return (
        f"{folder} holds {held} and no T1 scans of several people with label files{named}; name them "
        "sub-01/anat/sub-01_T1w.nii.gz and derivatives/labels/sub-01/anat/sub-01_label-lesion_mask.nii.gz (BIDS), or "
        "alike, such as p01_T1.nii.gz and p01_lesion.nii.gz."
    )
