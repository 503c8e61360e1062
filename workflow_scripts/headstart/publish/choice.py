"""Which model of a finished study is published, and what the study's tables say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from headstart.evaluate.tables import LEVEL, METRICS
from headstart.job import UserError, read_json, read_table

WEIGHTS, METADATA = "model.safetensors", "model.json"
# A resample chosen by its score on the test scans would have a score that flatters it.
_RESAMPLE = 1
_UNFINISHED = "run the study first, without publish at the end of the command"


@dataclass(frozen=True)
class Choice:
    """The model to publish, one resample of a target, source and set size.

    reason: how it was chosen, in words.
    model: its folder; metadata: its ``model.json``.
    pretrained: the folder of the encoder that it started from.
    measure: of the scores, in words.
    scores: for each set size and level the mean ``score`` of the source with its 95 % confidence interval (``low``,
        ``high``), over ``resamples`` and ``scans``, and the ``gain`` over the baseline with ``gain_low``, ``gain_high``
        and ``p_adjusted``, NaN for the baseline.
    own: the score of this very model over whole volumes.
    verdict: the study's on the target, in a sentence.
    """

    target: str
    source: str
    size: int
    resample: int
    reason: str
    model: str
    metadata: Mapping
    pretrained: str
    measure: str
    scores: Sequence[Mapping]
    own: float
    verdict: str

    @property
    def name(self) -> str:
        """The name of the published folder."""
        return f"{self.target}-{self.source}"


def read_choice(settings: Mapping, targets: Mapping[str, Mapping], results: str) -> Choice:
    """The model that the section ``publish`` names; what it leaves open is the winner of the study.

    That is, on the first target, at the largest set size, the source with the highest mean score over whole volumes;
    of several equal ones the first by name. Raises :class:`UserError` if the study has not been run to its end, or has
    no such model.

    Parameters
    ----------
    settings
        The section of the configuration.
    targets
        The study's targets.
    results
        The study's folder.
    """
    tables = {name: _table(results, name) for name in ("summary", "gains", "scores", "verdict")}
    target = _named("target", settings["target"], list(targets)) or next(iter(targets))
    summary = _rows(tables["summary"], target=target)
    # Competitors from elsewhere have scores and no model.
    summary = summary[~summary["source"].isin(targets[target].get("external", ()))]
    if summary.empty:
        raise UserError(f"{results}/tables/summary.tsv has no score on {target}; {_UNFINISHED}.")
    sizes = sorted(int(size) for size in summary["size"].unique())
    asked = _named("size", settings["size"], sizes)
    size = sizes[-1] if asked is None else asked
    measure = METRICS[summary["metric"].iloc[0]]
    means = _rows(summary, size=size, level=LEVEL).set_index("source")["score"].sort_index()
    source, reason = _source(settings["source"], means, f"mean {measure} with {size} labelled scans")
    own = _rows(tables["scores"], target=target, source=source, size=size, level=LEVEL).set_index("resample")["score"]
    resample = _named("resample", settings["resample"], [int(number) for number in own.index]) or _RESAMPLE
    folder = f"{results}/finetune/{target}/{source}/size-{size}_resample-{resample}"
    metadata = read_json(f"{folder}/{METADATA}") if Path(folder, METADATA).is_file() else {}
    repeat = metadata.get("source_repeat", 1)
    pretrained = f"{results}/pretrain/{source}" + (f"/repeat-{repeat}" if repeat > 1 else "")
    for file in (f"{folder}/{WEIGHTS}", f"{folder}/{METADATA}", f"{pretrained}/{METADATA}"):
        if not Path(file).is_file():
            raise UserError(f"{file} does not exist; {_UNFINISHED}.")
    (verdict,) = _rows(tables["verdict"], target=target)["sentence"]
    scores = _scores(summary, tables["gains"], target, source)
    return Choice(target, source, size, resample, reason, folder, metadata, pretrained, measure, scores,
                  float(own[resample]), verdict)  # fmt: skip


def _source(asked: str | None, means: pd.Series, measure: str) -> tuple[str, str]:
    """The source that is asked for, or the best one, and why; ``means``: mean score by source, sorted by name."""
    named = _named("source", asked, list(means.index))
    if means.isna().all():
        best = "no source has a score"
        if named is None:
            raise UserError(f"publish.source is not set, and {best} ({measure}); name one.")
    else:
        best = f"`{means.idxmax()}` has the highest {measure} of {len(means)} source{'s' * (len(means) != 1)}"
    return named or str(means.idxmax()), f"the configuration names it ({best})" if named else best


def _table(results: str, name: str) -> pd.DataFrame:
    path = Path(results, "tables", f"{name}.tsv")
    if not path.is_file():
        raise UserError(f"{path} does not exist; {_UNFINISHED}.")
    return read_table(path)


def _named(key: str, value: object, known: Sequence) -> object:
    """The value of a key of the section, None if it is not set; raises :class:`UserError` if it is not a known one."""
    if value is not None and value not in known:
        has = ", ".join(map(str, known)) or "none"
        raise UserError(f"publish.{key} is {value!r}, for which the study has no score; take one that it has ({has}).")
    return value


def _rows(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows of a table with these values in these columns."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def _scores(summary: pd.DataFrame, gains: pd.DataFrame, target: str, source: str) -> list[dict]:
    """See :class:`Choice`."""
    columns = ["size", "level", "gain", "low", "high", "p_adjusted"]
    names = {"low": "gain_low", "high": "gain_high"}
    own_gains = _rows(gains, target=target, source=source)[columns].rename(columns=names)
    kept = _rows(summary, source=source)[["size", "level", "score", "low", "high", "resamples", "scans"]]
    merged = kept.merge(own_gains, how="left", on=["size", "level"]).sort_values(["level", "size"], ascending=False)
    return merged.to_dict("records")
