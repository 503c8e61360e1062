"""How the scans and labels of a folder that is not BIDS are named: the regular expressions of the layout ``flat``.

Scans and labels are two kinds of files with the same subjects. Words tell which is which.
"""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from headstart.begin import kinds
from headstart.begin.kinds import ENDING, Kind
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
# Those of them that a study can have as the first image.
_FIRST_WORD = re.compile(r"t2.*|flair|pdw?", re.IGNORECASE)
_WHICH_SCANS = "ENTRY='pattern: ..., labels_pattern: ...' (docs/data.md)"
# Most files of a folder that may be those of one person.
_OF_ONE = 20
Pair = tuple[Kind, Kind]


class SeveralLabelsError(UserError):
    """Several kinds of label files are as likely."""


def patterns(folder: Path, images: Iterable[Path], chosen: str | None) -> dict[str, str]:
    """``pattern`` and ``labels_pattern`` of a folder's entry, from the names of its ``images`` alone.

    ``chosen``: text that the names of the label files have, of several kinds. Raises :class:`UserError` if no two kinds
    of files have the same subjects, or if it is not clear which of several are meant.
    """
    paths = [path.relative_to(folder).as_posix() for path in images]
    paths = [path for path in paths if ENDING.search(path)]
    pairs = _pairs(paths, chosen)
    if not pairs:
        raise UserError(_no_pairs(folder, paths, chosen))
    scans, labels = _taken(pairs, chosen)
    alike = [other for other, same in pairs if same is labels[0] and other.has(_T1_WORD) == scans.has(_T1_WORD)]
    # What says which scans says which labels, too.
    if rivals := [other for other in alike if _compete(scans, other, labels[0])]:
        raise UserError(_several(folder, [scans, *rivals], labels[0], "T1 scans", _WHICH_SCANS))
    if len(labels) > 1:
        raise SeveralLabelsError(_several(folder, labels, scans, "label files", _which_labels(paths, scans, labels)))
    shape = kinds.shape(subject for subject, _ in _shared(scans, labels[0]))
    found = {"pattern": kinds.expression(scans, shape), "labels_pattern": kinds.expression(labels[0], shape)}
    of_labels = {path for path in paths if re.fullmatch(found["labels_pattern"], path)} | scans.others
    if both := [path for path in paths if path in of_labels and re.fullmatch(found["pattern"], path)]:
        raise UserError(f"{folder}: by its name, {both[0]} is a T1 scan or labels; say which with {_WHICH_SCANS}.")
    return found


def _pairs(paths: Sequence[str], chosen: str | None) -> list[Pair]:
    """Kinds of scans and of labels with the same subjects, of those that are ``chosen`` by their names."""
    # What looks like a session may be the only thing that tells people apart.
    for sessions in (True, False):
        if pairs := _pairs_of(kinds.of(paths, sessions=sessions, fewest=2), chosen, fewest=2):
            return pairs
    if len(paths) > _OF_ONE:
        return []
    # Of one person. Two of several people's files may have the same name by chance.
    scans = {path for path in paths if not any(map(_is_no_scan, kinds.words(path)))}
    pairs = _pairs_of(kinds.of(paths, sessions=True, fewest=1), chosen, fewest=1)
    return [(scan, label) for scan, label in pairs if scans <= set(scan.files.values())]


def _pairs_of(found: Sequence[Kind], chosen: str | None, fewest: int) -> list[Pair]:
    """The pairs of the first sort of label files that has some: with a word for labels, of the whole brain, any."""
    scans = [kind for kind in found if not any(map(_is_no_scan, kind.words))]
    worded = [kind for kind in found if kind.has(_LABEL_WORD)]
    sorts = [[kind for kind in worded if not _WHOLE.fullmatch(kind.around)]]
    if chosen:
        named = [kind for kind in found if _is_named(kind, chosen)]
        sorts += [worded, [kind for kind in named if not any(map(_is_t1, kind.files.values()))]]
    for labels in sorts:
        pairs = _alike(scans, labels, fewest)
        if kept := [pair for pair in pairs if not chosen or _is_named(pair[1], chosen)]:
            return kept
    return []


def _alike(scans: Sequence[Kind], labels: Sequence[Kind], fewest: int) -> list[Pair]:
    """The pairs of these kinds that share at least so many subjects, without files of labels among the scans."""
    of_labels = {path for _, label in _sharing(scans, labels, fewest) for path in label.files.values()}
    return _sharing([scan.without(of_labels) for scan in scans], labels, fewest)


def _sharing(scans: Sequence[Kind], labels: Sequence[Kind], fewest: int) -> list[Pair]:
    # By subject, since of many people there are too many kinds to compare each with each.
    by_subject = defaultdict(list)
    for number, label in enumerate(labels):
        for key in label.files:
            by_subject[key].append(number)
    counts = [Counter(number for key in scan.files for number in by_subject.get(key, ())) for scan in scans]
    enough = ((label, scan) for scan, of in enumerate(counts) for label, count in of.items() if count >= fewest)
    return [(scans[scan], labels[label]) for label, scan in sorted(enough)]


def _shared(scans: Kind, labels: Kind) -> list[tuple[str, str | None]]:
    """Subjects and sessions that both kinds have."""
    return [key for key in scans.files if key in labels.files]


def _is_no_scan(word: str) -> bool:
    return any(form.fullmatch(word) for form in (_LABEL_WORD, _OTHER_WORD))


def _is_t1(path: str) -> bool:
    return any(map(_T1_WORD.fullmatch, kinds.words(path)))


def _is_named(kind: Kind, chosen: str) -> bool:
    return chosen.casefold() in kind.text.casefold()


def _taken(pairs: Sequence[Pair], chosen: str | None) -> tuple[Kind, list[Kind]]:
    """The likeliest kind of scans, and its likeliest kind of labels with those that label the same scans otherwise."""
    scans, labels = max(pairs, key=_rank)
    rivals = [other for same, other in pairs if same is scans and _compete(labels, other, scans)]
    found = [labels, *rivals]
    if not chosen:
        return scans, found
    found = [kind for kind in found if kinds.in_text(chosen, kind.text)] or found
    # ``lesion`` is the name of p1_lesion, and only a part of that of p1_lesion_auto.
    plain = [kind for kind in found if all(set(kind.words) <= set(other.words) for other in found)]
    return scans, plain if len(plain) == 1 else found


def _compete(taken: Kind, other: Kind, partner: Kind) -> bool:
    """Whether many subjects of the partner that have a file of the kind taken have another one of the other kind."""
    shared = [key for key in _shared(partner, taken) if taken.files[key] != other.files.get(key)]
    return kinds.many(sum(key in other.files for key in shared), len(_shared(partner, taken)))


def _rank(pair: Pair) -> tuple:
    """What makes a pair the likelier one: more labelled scans, a word for T1, more scans, more text around both."""
    scans, labels = pair
    return (
        len(_shared(scans, labels)),
        scans.has(_T1_WORD),
        len(scans.files),
        len(scans.around) + len(labels.around),
        scans.copies,
    )


def _several(folder: Path, found: Sequence[Kind], partner: Kind, what: str, remedy: str) -> str:
    examples = shown(sorted(min(kind.files[key] for key in _shared(partner, kind)) for kind in found))
    return f"{folder} has several kinds of {what} ({examples}); say which to use with {remedy}."


def _which_labels(paths: Sequence[str], scans: Kind, found: Sequence[Kind]) -> str:
    """How to say which of several kinds of labels to use: by a part of its name that chooses it and no other."""
    for kind in found:
        for text in (*reversed(kind.words), *kind.parts):
            pairs = _pairs(paths, text)
            if pairs and _taken(pairs, text) == (scans, [kind]):
                return f"LABELS={shlex.quote(text)}, for instance"
    return _WHICH_SCANS


def _no_pairs(folder: Path, paths: Sequence[str], chosen: str | None) -> str:
    held = f"{len(paths)} NIfTI images, such as {min(paths)}," if paths else "no NIfTI images (.nii, .nii.gz)"
    first = [path for path in paths if any(map(_FIRST_WORD.fullmatch, kinds.words(path)))]
    if first and not any(map(_is_t1, paths)):
        return (
            f"{folder} holds {len(paths)} NIfTI images, such as {first[0]}, and no T1 scans, which alone are looked "
            "for here; write the study of other scans yourself (docs/data.md, 'Without a T1')."
        )
    named = f" with {chosen!r} in their names" if chosen else ""
    return (
        f"{folder} holds {held} and no T1 scans of several people with label files{named}; name them "
        "sub-01/anat/sub-01_T1w.nii.gz and derivatives/labels/sub-01/anat/sub-01_label-lesion_mask.nii.gz (BIDS), or "
        "alike, such as p01_T1.nii.gz and p01_lesion.nii.gz."
    )
