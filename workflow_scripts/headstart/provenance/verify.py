"""Check whether a study's results, and what they were made from, still match its provenance.json.

    python -m headstart.provenance.verify [--configfile studies/yours.yaml] [--repair]

prints one line per difference and ends with status 1 if there are any. ``--repair`` deletes damaged outputs; ``make run
REPAIR=1`` then makes all missing files again, and what depends on them.
"""

import argparse
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart import job, settings
from headstart.provenance import record
from headstart.provenance.record import ROOT, Places

PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class Difference:
    """A difference from the provenance: what differs and how; ``file``: the output to make again, if it is one."""

    what: str
    how: str
    file: Path | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.how}"


def differences(root: Path, places: Places, config: Mapping) -> Iterator[Difference]:
    """Differences from a study's provenance: code, lock, packages, configuration, inputs, intermediates, outputs.

    ``root``: the project's folder; ``config``: the study's resolved configuration. Raises :class:`job.UserError` if the
    study has no provenance.
    """
    path = Path(places.study, PROVENANCE)
    if not path.exists():
        raise job.UserError(f"{path} does not exist; run the study to its end first.")
    try:
        recorded = job.read_json(path)
    except ValueError:
        raise job.UserError(f"{path} is damaged; delete it and run the study again.") from None
    if not places.data and any(name.startswith("<data>/") for name in recorded["inputs"]):
        raise job.UserError(
            "the study's scans are in a data folder; set data in the configuration, or the variable HEADSTART_DATA."
        )
    yield from _code_differences(root, recorded)
    for name in sorted(_changed_keys(recorded["configuration"], record.configuration(config, places))):
        yield Difference(f"configuration key {name}", "differs from the one that the results were made with")
    yield from _file_differences(recorded["inputs"], places, made=False)
    yield from _image_differences(recorded["pictures"], places)
    yield from _file_differences({**recorded["intermediates"], **recorded["outputs"]}, places, made=True)


def repair(found: Iterable[Difference]) -> list[Path]:
    """Delete the outputs that differ; returns their paths."""
    damaged = [each.file for each in found if each.file and each.file.exists()]
    for path in damaged:
        path.unlink()
    return damaged


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the study that the arguments name, and print the differences; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m headstart.provenance.verify", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--configfile", type=Path, help="the study (default: the default study)")
    parser.add_argument(
        "--repair", action="store_true", help="delete damaged outputs, which make run REPAIR=1 then makes again"
    )
    options = parser.parse_args(arguments)
    try:
        config = settings.of_project(ROOT, options.configfile)
        places = Places(f"{config['results']}/{config['study']}", settings.data_folder(config))
        found = list(differences(ROOT, places, config))
    except (job.UserError, OSError) as error:
        sys.exit(f"headstart: verify: {error}")
    for difference in found:
        print(difference)
    if options.repair:
        for path in repair(found):
            print(f"deleted {path}")
    elif any(difference.file for difference in found):
        print("make run REPAIR=1 deletes the outputs that differ and makes them again")
    print(f"{places.study}: {f'{len(found)} difference(s)' if found else 'everything is unchanged'}")
    return 1 if found else 0


def _code_differences(root: Path, recorded: Mapping) -> Iterator[Difference]:
    python = recorded["host"]["python"]
    # The text of a syntax tree depends on the version of Python.
    if python.rpartition(".")[0] != record.host()["python"].rpartition(".")[0]:
        yield Difference("Python", f"{platform.python_version()}, was {python}; code was not compared")
    else:
        was, now = recorded["code"], record.code(root)
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                yield Difference(name, "missing" if name not in now else "changed" if name in was else "new")
    lock = root / record.LOCK
    if recorded["lock"] != (job.sha256(lock) if lock.exists() else None):
        yield Difference(record.LOCK, "changed")
    installed = record.packages(lock)
    for name, version in recorded["packages"].items():
        if name in installed and installed[name] != version:
            yield Difference(name, f"{installed[name]} is installed, was {version}")


def _changed_keys(was: object, now: object, path: str = "") -> set[str]:
    """The keys, joined by dots, at which two configurations differ."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        keys = {key: f"{path}.{key}".strip(".") for key in was.keys() | now.keys()}
        return set().union(*(_changed_keys(was.get(key), now.get(key), name) for key, name in keys.items()))
    return set() if was == now else {path}


def _file_differences(recorded: Mapping[str, Mapping], places: Places, made: bool) -> Iterator[Difference]:
    """Files that differ. Sizes are compared first, which is cheap. Synthetic scans among the inputs are outputs too."""
    for name, was in recorded.items():
        path = places.find(name)
        file = path if made or name.startswith("<study>/") else None
        if not path.exists():
            yield Difference(name, "missing", file)
        elif path.stat().st_size != was["bytes"]:
            yield Difference(name, f"{path.stat().st_size} bytes, was {was['bytes']}", file)
        elif job.sha256(path) != was["sha256"]:
            yield Difference(name, "changed", file)


def _image_differences(recorded: Mapping[str, Mapping], places: Places) -> Iterator[Difference]:
    for name, was in recorded.items():
        table = Path(places.study, "derivatives", name, "pictures.tsv")
        try:
            if record.summarise_images(table, places) != was:
                yield Difference(f"images of {name}", "not those that the study used")
        except OSError as error:
            yield Difference(f"images of {name}", f"{places.name(error.filename)} is missing")


if __name__ == "__main__":
    sys.exit(main())
