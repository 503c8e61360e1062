"""What the results of a finished study say, for a comparison: scores, scans, training sets and settings.

The study's configuration file and its data are not needed, and nothing of it is run again.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from headstart.compare.files import JOINT
from headstart.evaluate.tables import COLLECTED, LEVEL, of_fine_tuned
from headstart.external import find
from headstart.job import UserError, read_json, read_table, sha256

SCORES, PROVENANCE = "tables/scan_scores.parquet", "provenance.json"
_EXAMPLE = "snakemake compare --config 'studies=[one, another]' or 'studies={one: [its-target, another-target]}'"
_UNFINISHED = "run that study to its end first"
# The key ``studies`` of the configuration: names of studies, or by its name the target, or targets, of each.
Studies = Sequence[str] | Mapping[str, str | Sequence[str]]


class Scan(NamedTuple):
    """What a scan is, whatever its name.

    ``image``: SHA-256 of the voxels of its first image; ``labels``: numbers of voxels of the classes in its manual
    labels, ascending, on its own grid.
    """

    image: str
    labels: tuple[int, ...]


@dataclass(frozen=True)
class OfTarget:
    """The scores of a study on one target.

    Attributes
    ----------
    study, target
        Their names; that of the study is followed by the target's, as in ``ms.t1``, where the study has several here.
    settings
        The study's whole configuration.
    scores
        Rows of :func:`headstart.evaluate.tables.collect` of whole volumes and fine-tuned models.
    native
        The same rows of the Dice on the scans' own grids, at the largest set size; None without them.
    scans
        The scans of the target's dataset by name.
    trained
        The names of the training scans by set size and resample.
    """

    study: str
    target: str
    settings: Mapping
    scores: pd.DataFrame
    native: pd.DataFrame | None
    scans: Mapping[str, Scan]
    trained: Mapping[tuple[int, int], frozenset[str]]

    @property
    def untrained(self) -> frozenset[str]:
        """The competitors from elsewhere that were not trained on the training sets, and have no learning curve."""
        external = self.settings["targets"][self.target].get("external") or {}
        return frozenset(name for name, entry in external.items() if not find.is_trained(entry))


def name_of(studies: Studies) -> str:
    """The name of a comparison, which is also its folder in ``<results>/compare``."""
    return JOINT.join(_names(studies))


def digests(studies: Studies, results: str) -> dict[str, str]:
    """SHA-256 of the scores and of the provenance of each study: they change with its results.

    ``results``: the folder of all studies. Raises :class:`UserError` for fewer than two studies, but for one with
    several targets, for one that does not exist or is not finished, and for targets that are not there or not shared.
    """
    names = _names(studies)
    if len(names) < 2:
        named = f"names {', '.join(names)} alone" if studies else "is not set"
        raise UserError(f"studies {named}; name two finished studies or more, or several targets of one: {_EXAMPLE}.")
    for name in studies:
        _check_finished(name, results)
    _targets(studies, _settings(studies, results))
    return {f"{name}/{file}": sha256(Path(results, name, file)) for name in studies for file in (SCORES, PROVENANCE)}


def _check_finished(name: str, results: str) -> None:
    folder = Path(results, name)
    if not folder.is_dir():
        known = sorted(path.parents[1].name for path in Path(results).glob(f"*/{SCORES}"))
        close = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"finished studies there: {', '.join(known) or 'none'}"
        raise UserError(f"studies names {name}, but {folder} does not exist; correct it ({hint}).")
    for file in (SCORES, PROVENANCE):
        if not (folder / file).is_file():
            raise UserError(f"{folder / file} does not exist; {_UNFINISHED}.")


def _names(studies: Studies) -> list[str]:
    """The names of the parts of a comparison."""
    return list(_named_targets(studies) if isinstance(studies, Mapping) else studies)


def _named_targets(studies: Mapping[str, str | Sequence[str]]) -> dict[str, tuple[str, str]]:
    """Study and target of each part of a comparison, by the part's name: a study's, or ``study.target`` of several."""
    parts = {}
    for study, targets in studies.items():
        if isinstance(targets, str):
            parts[study] = study, targets
        else:
            parts |= {f"{study}.{target}": (study, target) for target in targets}
    return parts


def read(studies: Studies, results: str) -> dict[str, list[OfTarget]]:
    """The scores to compare, by the name of the target; arguments as for :func:`digests`.

    Named as a list, studies are compared on each target whose name several of them have. Raises :class:`UserError` if
    there is none, or a study lacks what is asked for.
    """
    settings = _settings(studies, results)
    return {
        title: [_of_target(name, Path(results, study), settings[study], target)
                for name, (study, target) in named.items()]
        for title, named in _targets(studies, settings).items()
    }  # fmt: skip


def _settings(studies: Studies, results: str) -> dict[str, Mapping]:
    """The configuration of each study, as it was run."""
    return {name: read_json(Path(results, name, PROVENANCE))["configuration"] for name in studies}


def _targets(studies: Studies, settings: Mapping[str, Mapping]) -> dict[str, Mapping[str, tuple[str, str]]]:
    """What is compared on each target: study and target of each part, by its name; ``settings``: of each study."""
    known = {study: list(settings[study]["targets"]) for study in studies}
    if isinstance(studies, Mapping):
        parts = _named_targets(studies)
        for study, target in parts.values():
            if target not in known[study]:
                raise UserError(
                    f"studies.{study} names {target}, but its targets are {', '.join(known[study])}; name one of them."
                )
        return {" / ".join(dict.fromkeys(target for _, target in parts.values())): parts}
    names = dict.fromkeys(target for listed in known.values() for target in listed)
    having = {target: {study: (study, target) for study in studies if target in known[study]} for target in names}
    shared = {target: named for target, named in having.items() if len(named) > 1}
    if not shared:
        listed = "; ".join(f"{study} has {', '.join(targets)}" for study, targets in known.items())
        raise UserError(
            f"the studies have no target of the same name ({listed}); name the target of each: snakemake compare "
            "--config 'studies={one: its-target, another: its-target}'."
        )
    return shared


def _of_target(name: str, folder: Path, configuration: Mapping, target: str) -> OfTarget:
    scores = of_fine_tuned(pd.read_parquet(folder / SCORES))
    scores = scores[(scores["target"] == target) & (scores["level"] == LEVEL)]
    if scores.empty:
        raise UserError(f"{folder / SCORES} has no score of a fine-tuned model on {target}; {_UNFINISHED}.")
    draws = scores[["size", "resample"]].drop_duplicates().itertuples(index=False)
    return OfTarget(
        name,
        target,
        configuration,
        scores,
        _native(folder / f"evaluate/{target}/size-{scores['size'].max()}_native.tsv"),
        _scans(folder / "intake" / configuration["targets"][target]["dataset"]),
        {(size, number): _trained(folder, target, size, number) for size, number in draws},
    )


def _scans(folder: Path) -> dict[str, Scan]:
    """The scans of a dataset, from the records of :func:`headstart.datasets.intake.check`."""
    records = [row for path in sorted(folder.glob("*.json")) for row in read_json(path)]
    if not records:
        raise UserError(f"{folder} has no record of the study's scans; {_UNFINISHED}.")
    return {
        row["subject"]: Scan(row["scan"]["sha256"], tuple(sorted(row["labels"]["label_voxels"].values())))
        for row in records
    }


def _trained(folder: Path, target: str, size: int, resample: int) -> frozenset[str]:
    path = folder / f"splits/{target}/size-{size}_resample-{resample}.tsv"
    if not path.is_file():
        raise UserError(f"{path} does not exist; {_UNFINISHED}.")
    split = read_table(path)
    return frozenset(split.loc[split["role"] == "train", "subject"])


def _native(path: Path) -> pd.DataFrame | None:
    """The rows of a table of :func:`headstart.evaluate.native.score`, as if the Dice there were the target's metric."""
    if not path.is_file():
        return None
    table = read_table(path, {"scan": str})
    known = table["dice_native"].notna().astype(int)
    made = table.assign(metric="dice", level=LEVEL, total=table["dice_native"].fillna(0), count=known)
    return made[COLLECTED]
