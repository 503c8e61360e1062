"""Kinds of files in a folder: those whose paths are the same but for a subject, and the regular expressions of these.

Each file's path is cut in all ways into a subject and what is around it. Files with the same text around their
subjects are of one kind.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ENDING = re.compile(r"\.nii(\.gz)?", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
# A session within a path, of which the first group is kept and the second is its name: any word after a hyphen, or a
# number.
_SESSION = re.compile(
    r"(?<![^\W_])((?:ses|session|visit)-|(?:(?:ses|session|visit|timepoint|tp)[-_]?|v)(?=\d+(?![^\W_])))([^\W_]+)",
    re.IGNORECASE,
)
# Stand for subject, session and any ending in the text around a subject.
_SUBJECT_MARK, _SESSION_MARK, _ENDING_MARK = "\0", "\1", "\2"
# A word that may be of a subject: not that before a session.
_OF_SUBJECT = re.compile(rf"[^\W_]+(?![^\W_])(?![-_]?{_SESSION_MARK})")


@dataclass(frozen=True)
class Kind:
    """Files with the same text around their subjects.

    around: their path with marks in place of subject, session and, if they have several, ending; files: path by subject
    and session; others: files that were taken out (:meth:`without`).
    """

    around: str
    files: dict[tuple[str, str | None], str]
    others: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """What is around the subjects, with an ending."""
        return self.around.replace(_ENDING_MARK, ".nii.gz")

    @property
    def words(self) -> list[str]:
        """The words around the subjects."""
        return words(self.around)

    def has(self, word: re.Pattern) -> bool:
        """Whether one of the words around the subjects matches."""
        return any(map(word.fullmatch, self.words))

    @property
    def parts(self) -> list[str]:
        """The texts between the marks, without separators at their ends."""
        return [part for part in (text.strip("-_./ ") for text in re.split(r"[\0-\1]", self.text)) if part]

    @property
    def copies(self) -> int:
        """How often the path names the subject."""
        return self.around.count(_SUBJECT_MARK)

    def without(self, paths: set[str]) -> "Kind":
        """The kind without some of its files."""
        kept = {key: path for key, path in self.files.items() if path not in paths}
        return Kind(self.around, kept, frozenset(self.files.values()) & paths)


def words(path: str) -> list[str]:
    """The words of a path without its ending."""
    return _WORD.findall(ENDING.sub("", path))


def of(paths: Sequence[str], *, sessions: bool, fewest: int) -> list[Kind]:
    """The kinds of which there are files of at least ``fewest`` subjects.

    ``sessions``: whether what names a session is taken for one.
    """
    files: dict[str, dict] = defaultdict(dict)
    for path in paths:
        session = _SESSION.search(path) if sessions else None
        name = session[2] if session else None
        marked = path if session is None else _mark(path, name)
        for subject, around in _cuts(marked):
            files[around][subject, name] = path
    alike = _any_ending(files).items()
    return [Kind(around, members) for around, members in alike if len({subject for subject, _ in members}) >= fewest]


def many(some: int, most: int) -> bool:
    """Whether so many files, of a kind with ``most``, are more than single ones that were left behind."""
    return some > 1 and 10 * some > most


def in_text(text: str, path: str) -> bool:
    """Whether a path has a text from one end of a word to another, in any case."""
    return re.search(rf"(?<![^\W_]){re.escape(text)}(?![^\W_])", path, re.IGNORECASE) is not None


def shape(subjects: Iterable[str]) -> str:
    """A regular expression of the subjects: words between the separators that they have."""
    shapes = {_separated(subject) for subject in subjects}
    return "|".join(sorted(shapes, key=lambda shape: (-len(shape), shape)))


def expression(kind: Kind, shape: str) -> str:
    """The regular expression of a kind's paths, with the groups ``subject`` and, if they have one, ``session``."""
    files = {key: path for key, path in kind.files.items() if re.fullmatch(shape, key[0])}
    numbered = all(session is None or session.isdecimal() for _, session in files)
    endings = {path[ENDING.search(path).start() :] for path in files.values()}
    around = kind.around.replace(_ENDING_MARK, endings.pop()) if len(endings) == 1 else kind.around
    written = re.sub(r"\\([-/ ])", r"\1", re.escape(around)).replace(re.escape(_ENDING_MARK), r"\.nii(\.gz)?")
    for mark, name, form in (
        (_SUBJECT_MARK, "subject", shape),
        (_SESSION_MARK, "session", r"\d+" if numbered else r"[^\W_]+"),
    ):
        mark = re.escape(mark)
        written = written.replace(mark, f"(?P<{name}>{form})", 1).replace(mark, f"(?P={name})")
    return written


def _mark(path: str, session: str) -> str:
    return _SESSION.sub(lambda match: match[1] + _SESSION_MARK if match[2] == session else match[0], path)


def _cuts(path: str) -> Iterable[tuple[str, str]]:
    """Each part of a path, from word to word within a name, that may be a subject, and the path with a mark for it."""
    words = [match.span() for match in _OF_SUBJECT.finditer(path, 0, ENDING.search(path).start())]
    for number, (first, _) in enumerate(words):
        for _, last in words[number:]:
            subject = path[first:last]
            if "/" in subject or _SESSION_MARK in subject:
                break
            around = path[:first] + _SUBJECT_MARK + path[last:]
            if subject in around:  # where folder and file both name the subject, it is the same in both
                around = re.sub(rf"(?<![^\W_]){re.escape(subject)}(?![^\W_])", _SUBJECT_MARK, around)
            yield subject, around


def _any_ending(files: dict[str, dict]) -> dict[str, dict]:
    """The same files by what is around their subjects, where kinds that differ in their endings alone are one.

    Not if one has nobody whom the other lacks, or many subjects have a file of both: these may be copies.
    """
    alike = defaultdict(list)
    for around in files:
        alike[re.sub(rf"(?:{ENDING.pattern})$", _ENDING_MARK, around, flags=re.IGNORECASE)].append(around)
    found = {}
    for marked, arounds in alike.items():
        pairs = itertools.permutations((files[around].keys() for around in arounds), 2)
        if len(arounds) == 1 or any(one <= other or many(len(one & other), len(one)) for one, other in pairs):
            found |= {around: files[around] for around in arounds}
        else:
            found[marked] = {key: path for around in arounds for key, path in files[around].items()}
    return found


def _separated(subject: str) -> str:
    parts = re.split(r"([\W_]+)", subject)
    return "".join(re.escape(part) if number % 2 else r"[^\W_]+" for number, part in enumerate(parts))
