"""Public datasets, in the folders in which they are distributed."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.datasets.scan import (
    Scan,
    alphanumeric,
    find_files,
    find_folders,
    image_names,
    is_image,
    only_image,
    only_labels,
    walk_files,
)
from headstart.job import UserError

# The layouts of sets of scans as they are released; each has the name of its set.
SETS = frozenset({"atlas-r1", "lesjak", "miccai2012", "oasis1"})
# The tables of participants, as they are distributed.
LESJAK_TABLE = {"file": "patient_info.csv", "subject": "patient_id"}
OASIS1_TABLE = {"file": "oasis_cross-sectional.csv", "subject": "ID", "age": "Age", "sex": "M/F"}
_NII = r"\.nii(?:\.gz)?"
_ATLAS_T1 = re.compile(rf"(.+?)_t1w(?:_deface)?(_stx)?{_NII}", re.IGNORECASE)
_ATLAS_LESION = re.compile(rf"(.+?)_Lesion(Smooth|Raw)(?:_\d+)?(_stx)?{_NII}", re.IGNORECASE)
_MICCAI_FOLDERS = "(training|testing)-(images|labels)"
_LESJAK_PATIENT = r"patient\d+"
_OASIS1_VISIT = r"OAS1_(\d{4})_MR(\d)"
_ATLAS_CASE = re.compile(r"(c\d+s\d+(?=t)|.+)(t\d+)?")
_OASIS1_IMAGES = {
    "subject": ("PROCESSED/MPRAGE/SUBJ_111", r".+_anon_sbj_111\.img"),
    "atlas": ("PROCESSED/MPRAGE/T88_111", r".+_anon_111_t88_gfc\.img"),
    "brain": ("PROCESSED/MPRAGE/T88_111", r".+_anon_111_t88_masked_gfc\.img"),
    "raw": ("RAW", r".+_mpr-1_anon\.img"),
}
# Second scans of MICCAI 2012, and the first scan of the same person. Which five these are is in MIRTK's REPEAT
# (etc/dataset/oasis.sh); that each belongs to the number twenty less follows from the numbers that remain.
_SECOND_SCANS = {str(number): str(number - 20) for number in (1023, 1024, 1025, 1038, 1039)}


def atlas_r1(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """ATLAS R1.1 and R1.2, stroke (Liew 2018, doi 10.1038/sdata.2018.11).

    R1.1 and the standard-space part of R1.2: ``Site1/031768/t01/031768_t1w_deface_stx.nii.gz``; R1.2:
    ``c0001/c0001s0004t01/c0001s0004t01_t1w_stx.nii.gz``, in native space without ``_stx``. Beside it are the primary
    lesion ``*_LesionSmooth_stx.nii.gz`` and any further ones ``*_LesionSmooth_1_stx.nii.gz``, ..., which are united.
    The tracing before smoothing (``LesionRaw``) is used only if there is no smoothed one.
    """
    images, lesions = defaultdict(list), defaultdict(lambda: defaultdict(list))
    for path in walk_files(folder):
        if match := _ATLAS_T1.fullmatch(path.name):
            images[path.parent, match[1]].append((path, bool(match[2])))
        elif match := _ATLAS_LESION.fullmatch(path.name):
            lesions[path.parent, match[1], bool(match[3])][match[2].capitalize()].append(path)
    found = []
    for (place, case), paths in images.items():
        t1w = only_image([path for path, _ in paths], "keep native and standard space in separate folders")
        kinds = lesions[place, case, paths[0][1]]
        person, session = _ATLAS_CASE.fullmatch(case).groups()
        session = session or (place.name if re.fullmatch(r"t\d+", place.name) else None)
        above = (folder.name, *place.relative_to(folder).parts)
        found.append(
            Scan(
                name,
                alphanumeric(person) + (session or ""),
                f"atlas-{person}",
                t1w,
                tuple(kinds["Smooth"] or kinds["Raw"]),
                masks=True,
                session=session,
                site=next((part for part in above if re.fullmatch(r"Site\d+|c\d{4}", part)), None),
            )
        )
    return found


def lesjak(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """3D-MR-MS, multiple sclerosis (Lesjak 2018, doi 10.1007/s12021-017-9348-7).

    ``patient01/patient01_T1W.nii.gz`` and ``patient01_consensus_gt.nii.gz``, or the same without the patient's name,
    as github.com/muschellij2/open_ms_data has them; patients may be one folder deeper (``patient01-05/``). All
    ``images`` of the entry are named likewise, such as ``patient01_FLAIR.nii.gz``, in capitals or not. The longitudinal
    set, ``study1_T1W.nii.gz`` and ``study2_T1W.nii.gz``, is of other patients and has no lesion mask: its ``gt.nii.gz``
    holds what changed between the two.
    """
    first, *further = image_names(entry)
    found = []
    for patient in _nested(folder, _LESJAK_PATIENT):
        of_further = {image: _by_study(patient, image) for image in further}
        masks = [path for path, _ in find_files(patient, rf"(?:{patient.name}_)?consensus_gt{_NII}")]
        for study, paths in _by_study(patient, first).items():
            subject = patient.name + (f"study{study}" if study else "")
            # An excluded scan is only listed; nothing has to be chosen for it.
            excluded = subject in entry["exclude"]
            others = {image: of_scan[study] for image, of_scan in of_further.items() if study in of_scan}
            found.append(
                Scan(
                    name,
                    subject,
                    f"lesjak-{'longitudinal-' if study else ''}{patient.name}",
                    paths[0] if excluded else only_image(paths, "keep one", first),
                    () if study or excluded else only_labels(masks),
                    others={
                        image: only_image(of_scan, "keep one", image)
                        for image, of_scan in others.items()
                        if not excluded
                    },
                    masks=True,
                    session=study,
                    listed_as=patient.name[len("patient") :],
                    first_name=first,
                )
            )
    return found


def _by_study(patient: Path, image: str) -> dict[str | None, list[Path]]:
    """A patient's images of one kind, by the number of their study; None: of a patient who has one."""
    found = defaultdict(list)
    for path, match in find_files(patient, rf"(?:{patient.name}_)?(?:study(\d)_)?{re.escape(image)}{_NII}"):
        found[match[1]].append(path)
    return found


def atlas_r1_unread(folder: Path, entry: Mapping, found: Sequence[Scan]) -> list[Path]:
    """The images that are neither a T1 nor a lesion by their names, and the lesions of no T1."""
    read = {path for scan in found for path in scan.files}
    cases = {scan.first.parent for scan in found}
    images = (path for path in walk_files(folder) if is_image(path) and path not in read)
    return [path for path in images if path.parent not in cases or not _ATLAS_LESION.fullmatch(path.name)]


def lesjak_unread(folder: Path, entry: Mapping, found: Sequence[Scan]) -> list[Path]:
    """The patients' folders without the first image."""
    read = {scan.first.parent for scan in found}
    return [patient for patient in _nested(folder, _LESJAK_PATIENT) if patient not in read]


def miccai2012(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """MICCAI 2012 multi-atlas labelling (OASIS): ``1000_SS.nii.gz``, with labels ``1000_glm.nii.gz``.

    Or as the challenge distributed them, with the skull: ``1000_3.nii.gz`` and ``1000_3_glm.nii.gz``, together or in
    ``training-images/`` and ``training-labels/``. Of both, the T1 without the skull is taken. 35 scans of 30 people:
    five of the challenge's test set were scanned twice (:data:`_SECOND_SCANS`).
    """
    stripped, heads, labels = (defaultdict(list) for _ in range(3))
    for place in (folder, *find_folders(folder, _MICCAI_FOLDERS)):
        for path, match in find_files(place, rf"(.*?)(_3)?(_SS|_glm)?{_NII}"):
            number = re.fullmatch(r"1[01]\d\d", match[1])
            kind = (match[3] or "").casefold()
            if kind == "_ss" and not number:
                raise UserError(f"{path} is not named like 1000_SS.nii.gz; rename or remove it.")
            if number and (kind or match[2]):
                {"_ss": stripped, "_glm": labels, "": heads}[kind][match[1]].append(path)
    found = []
    for subject in sorted({**stripped, **heads}):
        t1w = only_image(stripped[subject] or heads[subject], "keep one")
        person = _SECOND_SCANS.get(subject, subject)
        found.append(Scan(name, subject, f"oasis-{person}", t1w, only_labels(labels[subject])))
    return found


def miccai2012_unread(folder: Path, entry: Mapping, found: Sequence[Scan]) -> list[Path]:
    """One image of each number that has images, here or in a folder, but no T1."""
    read = {scan.subject for scan in found}
    places = (folder, *find_folders(folder))
    files = [pair for place in places for pair in find_files(place, r"(\d{4})(?!\d).*") if is_image(pair[0])]
    return list({match[1]: path for path, match in files if match[1] not in read}.values())


def oasis1(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """OASIS-1, cross-sectional (Marcus 2007, doi 10.1162/jocn.2007.19.9.1498): ``[disc1/]OAS1_0001_MR1/``.

    ``image`` of the entry chooses the image of a session: ``subject`` (default), the average of its three or
    four scans at 1 mm; ``atlas``, the same in Talairach space, bias-corrected; ``brain``, without the skull; ``raw``,
    the first scan. MR2 is a second visit of the same person. Images are Analyze pairs.
    """
    place, pattern = _OASIS1_IMAGES[entry["image"]]
    found = []
    for visit in _nested(folder, _OASIS1_VISIT):
        person, session = re.fullmatch(_OASIS1_VISIT, visit.name, re.IGNORECASE).groups()
        if paths := [path for path, _ in find_files(visit / place, pattern)]:
            t1w = only_image(paths, "keep one")
            if not find_files(t1w.parent, rf"{re.escape(t1w.stem)}\.hdr"):
                raise UserError(f"{t1w} lacks its header {t1w.stem}.hdr; unpack the visit again.")
            found.append(
                Scan(
                    name,
                    f"OAS1{person}MR{session}",
                    f"oasis1-{person}",
                    t1w,
                    session=f"MR{session}",
                    listed_as=visit.name,
                )
            )
    return found


def oasis1_unread(folder: Path, entry: Mapping, found: Sequence[Scan]) -> list[Path]:
    """The visits without the image asked for."""
    read = {scan.listed_as for scan in found}
    return [visit for visit in _nested(folder, _OASIS1_VISIT) if visit.name not in read]


def _nested(folder: Path, pattern: str) -> list[Path]:
    """The folders that ``pattern`` matches, in a folder or, if there are none, in the folders in it."""
    return find_folders(folder, pattern) or [
        nested for group in find_folders(folder) for nested in find_folders(group, pattern)
    ]
