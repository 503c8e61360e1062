"""The draws of a target in tables of paths, for any program, and what to add to the study when its masks come back."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence

import pandas as pd

from headstart.export.draws import RUN_NNUNET, SCANS, Draw, Target
from headstart.export.scan import LABELS, SUFFIX

# Where run_nnunet.sh writes its masks, and how it names them.
_MASKS = "nnunet/predictions"
_PATTERN = r"size-(?P<size>\d+)_resample-(?P<resample>\d+)/(?P<subject>\w+)\.nii\.gz"


def draws(listed: Sequence[Draw]) -> pd.DataFrame:
    """The table of draws: ``draw``, ``size``, ``resample``, and the subjects of ``train`` and ``test``, with commas."""
    rows = [(draw.name, draw.size, draw.resample, ",".join(draw.train), ",".join(draw.test)) for draw in listed]
    return pd.DataFrame(rows, columns=["draw", "size", "resample", "train", "test"])


def scans(persons: Mapping[str, str], target: Target, listed: Sequence[Draw]) -> pd.DataFrame:
    """The table of scans: ``subject``, ``person``, path of each image and of ``labels``, and a column for each draw.

    Paths are relative to the folder of the target. A draw's column has ``train`` or ``test``, and ``unused`` for scans
    in neither. ``persons``: identity of the participant by subject.
    """
    table = pd.DataFrame({"subject": list(persons), "person": list(persons.values())})
    for name in [*target.images, LABELS]:
        table[name] = [f"{SCANS}/{subject}/{name}{SUFFIX}" for subject in persons]
    roles = {draw.name: dict.fromkeys(draw.train, "train") | dict.fromkeys(draw.test, "test") for draw in listed}
    return table.assign(**{name: [role.get(subject, "unused") for subject in persons] for name, role in roles.items()})


def next_steps(folder: str | os.PathLike, target: Target, scans: int, draws: int) -> str:
    """What was exported to ``folder``, how nnU-Net is trained there, and the keys that bring its masks back."""
    masks, script = json.dumps(os.path.abspath(os.path.join(folder, _MASKS))), os.path.join(folder, RUN_NNUNET.name)
    return (
        f"{target.name}: {scans} scans and {draws} draws are in {folder}; train nnU-Net with "
        f"bash {shlex.quote(script)}, then add to targets.{target.name}: "
        f"external: {{nnunet: {{folder: {masks}, pattern: '{_PATTERN}'}}}}"
    )
