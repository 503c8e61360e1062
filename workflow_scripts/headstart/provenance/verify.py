"""Whether a study's results, and what they were made from, are still what its provenance.json says.

    python -m headstart.provenance.verify [--configfile studies/yours.yaml] [--repair]

prints a line for each thing that differs and ends with status 1 if there is one. ``--repair`` deletes outputs that are
damaged; ``make run REPAIR=1`` then makes anew whatever is missing, and what hangs on it.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from headstart import job, settings
from headstart.provenance import record
from headstart.provenance.record import ROOT, Places

PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was. ``file``: the output to make anew, None where nothing can be remade."""

    what: str
    how: str
    file: Path | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.how}"


def differences(root: Path, places: Places, config: Mapping) -> Iterator[Difference]:
    """What differs from the provenance of a study: code, lock, packages, configuration, inputs, what was made.

    ``root``: the project's folder; ``config``: the study's resolved configuration. Raises :class:`job.UserError` if the
    study has no provenance.
    """
    path = Path(places.study, PROVENANCE)
    if not path.exists():
        raise job.UserError(f"{path} does not exist; run the study to its end first.")
    try:
        told = job.read_json(path)
    except ValueError:
        raise job.UserError(f"{path} is damaged; delete it and run the study again.") from None
    if not places.data and any(name.startswith("<data>/") for name in told["inputs"]):
        raise job.UserError("the study's scans lie in a data folder; set data in the configuration, or HEADSTART_DATA.")
    yield from _of_code(root, told)
    for name in sorted(_changed(told["configuration"], record.configuration(config, places))):
        yield Difference(f"configuration key {name}", "not what the results were made with")
    yield from _of_files(told["inputs"], places, made=False)
    yield from _of_pictures(told["pictures"], places)
    yield from _of_files({**told["intermediates"], **told["outputs"]}, places, made=True)


def repair(found: Iterable[Difference]) -> list[Path]:
    """Delete the outputs that differ; returns what was deleted."""
    damaged = [each.file for each in found if each.file and each.file.exists()]
    for path in damaged:
        path.unlink()
    return damaged


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the study that the arguments name, printing what differs; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m headstart.provenance.verify", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--configfile", type=Path, help="the study; without it the default study")
    parser.add_argument(
        "--repair", action="store_true", help="delete damaged outputs, for make run REPAIR=1 to make anew"
    )
    asked = parser.parse_args(arguments)
    try:
        study = yaml.safe_load(asked.configfile.read_text(encoding="utf-8")) if asked.configfile else None
        config = settings.resolve(ROOT / "config.yaml", ROOT / "rules/schemas/config.schema.yaml", study)
        data = config["data"] or os.environ.get("HEADSTART_DATA")
        places = Places(f"{config['results']}/{config['study']}", data)
        found = list(differences(ROOT, places, config))
    except (job.UserError, OSError) as error:
        sys.exit(f"headstart: verify: {error}")
    for difference in found:
        print(difference)
    if asked.repair:
        for path in repair(found):
            print(f"deleted {path}")
    elif any(difference.file for difference in found):
        print("make run REPAIR=1 deletes the outputs that differ and makes them anew")
    print(f"{places.study}: {f'things that differ: {len(found)}' if found else 'everything is as it was'}")
    return 1 if found else 0


def _of_code(root: Path, told: Mapping) -> Iterator[Difference]:
    python = told["host"]["python"]
    # Syntax trees read differently from one Python to the next.
    if python.rpartition(".")[0] != record.host()["python"].rpartition(".")[0]:
        yield Difference("Python", f"{platform.python_version()}, was {python}; code was not compared")
    else:
        now = record.code(root)
        for name in sorted(told["code"].keys() | now.keys()):
            if told["code"].get(name) != now.get(name):
                yield Difference(name, "missing" if name not in now else "changed" if name in told["code"] else "new")
    lock = root / record.LOCK
    if told["lock"] != (job.sha256(lock) if lock.exists() else None):
        yield Difference(record.LOCK, "another lock")
    installed = record.packages(lock)
    for name, version in told["packages"].items():
        if name in installed and installed[name] != version:
            yield Difference(name, f"{installed[name]} is installed, was {version}")


def _changed(was: object, now: object, path: str = "") -> set[str]:
    """The keys, with dots between their steps, at which two configurations differ."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        keys = {key: f"{path}.{key}".strip(".") for key in was.keys() | now.keys()}
        return set().union(*(_changed(was.get(key), now.get(key), name) for key, name in keys.items()))
    return set() if was == now else {path}


def _of_files(told: Mapping[str, Mapping], places: Places, made: bool) -> Iterator[Difference]:
    """Files that differ. Sizes are compared first, since that costs nothing; made-up scans are outputs as well."""
    for name, was in told.items():
        path = places.find(name)
        file = path if made or name.startswith("<study>/") else None
        if not path.exists():
            yield Difference(name, "missing", file)
        elif path.stat().st_size != was["bytes"]:
            yield Difference(name, f"{path.stat().st_size} bytes, was {was['bytes']}", file)
        elif job.sha256(path) != was["sha256"]:
            yield Difference(name, "changed", file)


def _of_pictures(told: Mapping[str, Mapping], places: Places) -> Iterator[Difference]:
    for name, was in told.items():
        table = Path(places.study, "derivatives", name, "pictures.tsv")
        try:
            if record.listing(table, places) != was:
                yield Difference(f"pictures of {name}", "not those that the study used")
        except OSError as error:
            yield Difference(f"pictures of {name}", f"{places.name(error.filename)} is missing")


if __name__ == "__main__":
    sys.exit(main())
