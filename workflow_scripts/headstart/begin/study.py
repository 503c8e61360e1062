"""Write the file of a study for a folder of scans, and say what was found in it.

    python -m headstart.begin.study --name mine --folder ~/my-bids [--labels PART] [--entry 'KEY: VALUE'] [--force]

run in the project's folder, writes ``studies/mine.yaml``. ``--labels``: which label files, of several kinds, by a part
of their names; ``--entry``: keys of the dataset's entry (docs/data.md); ``--force``: overwrite the file.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from headstart import settings
from headstart.begin import contents, describe, design, folder, write
from headstart.job import UserError, write_text
from headstart.training.devices import choose_device

_NEXT = """\
change it as you like; then
  snakemake plan --cores 2 --configfile {path}   says how many hours it takes
  make run STUDY={path}                          runs it and writes its report"""


def begin(name: str, place: str, labels: str | None, entry: str | None, *, force: bool, gpu: bool) -> Path:
    """Write the file of a study ``name`` for the scans in ``place``, say what was found, and return the file's path.

    ``labels``, ``entry``, ``force``: as the command's options; ``gpu``: whether networks will be trained on one. Raises
    :class:`UserError` for what the user has to change first.
    """
    if not name or not place:
        raise UserError("give a name and the folder of your scans: make study NAME=mine FOLDER=~/my-bids.")
    path = Path("studies", f"{name}.yaml")
    given = _parsed(entry)
    folder.completed(name, {"layout": "bids", "folder": "x"})  # refuses a name that no study can have
    if path.exists() and not force:
        raise UserError(f"{path} exists; choose another NAME, or overwrite it with FORCE=1.")
    where = Path(os.path.abspath(os.path.expanduser(place)))
    found = folder.look(name, where, given, labels or None, _note)
    held = contents.read(found.scans, given.get("mask_above"))
    if not held.volumes:
        raise UserError(f"the label files of all {len(found.labelled)} scans in {where} are empty; add their labels.")
    _say(describe.found(where, found, held))
    made = design.make(where, found.scans, held, gpu=gpu)
    text = write.text(name, found, held, made, gpu=gpu)
    settings.resolve("config.yaml", "rules/schemas/config.schema.yaml", yaml.safe_load(text))
    write_text(path, text)
    _say([f"wrote {path}", *describe.planned(made, design.classes(held), gpu=gpu), _NEXT.format(path=path)])
    return path


def _parsed(entry: str | None) -> dict:
    """The keys of an entry, written as YAML within a line."""
    if not entry:
        return {}
    try:
        # One key needs no braces, several do within a line.
        given = yaml.safe_load(entry if entry.lstrip().startswith("{") else f"{{{entry}}}")
    except yaml.YAMLError:
        given = None
    if not isinstance(given, dict) or None in given.values():
        raise UserError(
            f"ENTRY is {entry!r}, not keys and values such as 'labels_suffix: dseg, exclude: [\"07\"]'; correct it."
        )
    return given


def _note(sentence: str) -> None:
    print(f"note: {sentence}", file=sys.stderr)


def _say(lines: Sequence[str]) -> None:
    print("\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m headstart.begin.study", description=__doc__.partition("\n")[0])
    parser.add_argument("--name", default="", help="of the study and of its file")
    parser.add_argument("--folder", default="", help="of the scans")
    parser.add_argument("--labels", default="", help="part of the names of the label files, if there are several kinds")
    parser.add_argument("--entry", default="", help="keys of the dataset's entry, such as 'labels_suffix: dseg'")
    parser.add_argument("--force", action="store_true", help="overwrite the file of the study")
    options = parser.parse_args(arguments)
    try:
        gpu = choose_device().type == "cuda"
        begin(options.name, options.folder, options.labels, options.entry, force=options.force, gpu=gpu)
    except UserError as error:
        # Messages of the datasets' readers name keys of an entry that is not written yet.
        keys = f"\n(keys of datasets.{folder.DATASET} are given with ENTRY='key: value, ...')"
        named = any(word in str(error) for word in ("datasets.", "entry", "exclude"))
        sys.exit(f"headstart: study: {error}{keys if named else ''}")


if __name__ == "__main__":
    main()
