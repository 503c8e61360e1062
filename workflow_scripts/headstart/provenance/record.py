"""The provenance of a study: code, packages, configuration, seeds, and every input, intermediate and output file.

Neither the time nor the name of a machine or user is written, so that equal runs give equal bytes.
"""

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart import job
from headstart.provenance import fingerprint
from headstart.slices import natural
from headstart.version import __version__

PathLike = str | os.PathLike
# The project's folder.
ROOT = Path(__file__).resolve().parents[3]
LOCK = "envs/requirements.txt"
# Suffixes of code, and of the templates and tables beside it.
_CODE = {".py", ".sh", ".jinja", ".yaml", ".tsv"}
# Folders of a study with files that one stage makes and another reads.
_STAGES = (
    "template",
    "datasets",
    "derivatives",
    "labeller",
    "ground_truth",
    "slices",
    "pretrain",
    "tuning",
    "finetune",
    "evaluate",
)
# Sections of the configuration that name places or are not part of the study.
_LEFT_OUT = ("results", "data", "predict", "publish", "studies")


@dataclass(frozen=True)
class Places:
    """Folders relative to which files are named, so that the provenance of a study does not depend on where it is.

    ``study``: the study's results; ``data``: the folder of the real scans, if there is one.
    """

    study: PathLike
    data: PathLike | None = None

    def name(self, path: PathLike) -> str:
        """``<study>/...``, ``<data>/...`` or ``~/...``; the absolute path for a file elsewhere."""
        whole = os.path.abspath(path)
        for name, folder in self._folders().items():
            if whole.startswith(folder.rstrip(os.sep) + os.sep):
                return f"{name}/{Path(whole).relative_to(folder).as_posix()}"
        return whole

    def find(self, name: str) -> Path:
        """The path for a name that :meth:`name` returned."""
        place, _, within = name.partition("/")
        folder = self._folders().get(place)
        return Path(folder, within) if folder else Path(name)

    def _folders(self) -> dict[str, str]:
        # In a container, a user may have no home folder.
        home = os.path.expanduser("~")
        given = {"<study>": self.study, "<data>": self.data, "~": home if os.path.isabs(home) else None}
        return {name: os.path.abspath(folder) for name, folder in given.items() if folder}


def write(
    path: PathLike,
    root: PathLike,
    places: Places,
    *,
    planned: Mapping,
    records: Sequence[PathLike],
    others: Sequence[PathLike],
    image_tables: Mapping[str, PathLike],
    outputs: Sequence[PathLike],
) -> None:
    """Write a study's provenance as JSON with sorted keys.

    Parameters
    ----------
    path
        File to write.
    root
        The project's folder.
    places
        Folders relative to which files are named.
    planned
        What is known before the study runs, see :func:`planned`.
    records
        Files with the records of :func:`headstart.datasets.intake.check`.
    others
        Further input files.
    image_tables
        Tables of natural images (:func:`headstart.slices.natural.tabulate`) by dataset.
    outputs
        Results in the study's folder. All other files that its stages left there are listed as ``intermediates``.
    """
    scans = (file for record in records for row in job.read_json(record) for file in row["files"])
    files = [*scans, *({"file": str(other), **job.checksum(other)} for other in others)]
    inputs = {places.name(row["file"]): {key: row[key] for key in ("bytes", "sha256")} for row in files}
    results = {places.name(output): output_checksum(output) for output in outputs}
    listed = inputs.keys() | results.keys() | {places.name(table) for table in image_tables.values()}
    job.write_json(
        path,
        {
            **planned,
            "headstart": __version__,
            "commit": commit(root),
            "packages": packages(Path(root, LOCK)),
            "host": host(),
            "inputs": inputs,
            "pictures": {name: summarise_images(table, places) for name, table in image_tables.items()},
            "outputs": results,
            "intermediates": {
                name: job.checksum(file)
                for file in stage_files(places.study)
                if (name := places.name(file)) not in listed
            },
        },
    )


def stage_files(study: PathLike) -> Iterator[str]:
    """Every file that the stages left in a study's folder, except those that a job is still writing."""
    for stage in _STAGES:
        for folder, _, names in os.walk(Path(study, stage)):
            yield from (os.path.join(folder, name) for name in names if not name.startswith(".partial-"))


def planned(root: PathLike, places: Places, config: Mapping, seeds: Mapping) -> dict:
    """What is known before a study runs: ``configuration``, ``seeds``, ``code`` and ``lock``.

    ``config``: as returned by :func:`headstart.settings.resolve`. As a rule's parameter, it has the provenance written
    again when any of these changes.
    """
    lock = Path(root, LOCK)
    return {
        "configuration": configuration(config, places),
        "seeds": seeds,
        "code": code(root),
        "lock": job.sha256(lock) if lock.exists() else None,
    }


def configuration(config: Mapping, places: Places) -> dict:
    """A resolved configuration without its places, with absolute paths named by :class:`Places`."""
    named = _named({key: value for key, value in config.items() if key not in _LEFT_OUT}, places)
    return json.loads(json.dumps(named))


@functools.cache
def code(root: PathLike) -> dict[str, str]:
    """A hash of each file of the workflow, by path, see :func:`headstart.provenance.fingerprint.of_file`."""
    scripts = sorted(path for path in Path(root, "workflow_scripts").rglob("*") if path.suffix in _CODE)
    rules = [Path(root, "Snakefile"), *sorted(Path(root, "rules").glob("*.smk"))]
    return {path.relative_to(root).as_posix(): fingerprint.of_file(path) for path in (*rules, *scripts)}


def commit(root: PathLike) -> dict[str, str | bool]:
    """The git commit of a checkout as ``id``, and whether tracked files differ from it as ``changed``.

    Outside a checkout, or without git, the id is ``unknown``.
    """
    try:
        # A project copied into a folder of another checkout does not belong to its commit.
        if _git(root, "rev-parse", "--show-prefix"):
            return {"id": "unknown"}
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
        return {"id": _git(root, "rev-parse", "HEAD"), "changed": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return {"id": "unknown"}


def packages(lock: PathLike) -> dict[str, str]:
    """Installed versions of the packages that a lock names; of all installed packages if there is no lock."""
    if not Path(lock).exists():
        return {each.name: each.version for each in importlib.metadata.distributions()}
    found = {}
    for name in locked(lock):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def locked(lock: PathLike) -> dict[str, str]:
    """The versions in a lock file, one ``name==version`` per line."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", Path(lock).read_text(encoding="utf-8"), re.M))


def host() -> dict[str, str]:
    """The type of machine: system, C library, architecture, processor, and Python."""
    return {
        "system": platform.system(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "machine": platform.machine(),
        "processor": _processor(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def summarise_images(table: PathLike, places: Places) -> dict[str, int | str]:
    """The natural images that a table lists, without reading millions of them.

    ``pictures`` and ``files`` (archives, or single images): their numbers; ``bytes`` of the files; ``sha256`` of the
    position of each image in its file and of the sizes of the files. The pixels are covered by ``data_sha256`` in the
    ``model.json`` of the networks trained on them. Raises FileNotFoundError for a missing file.
    """
    rows = natural.read_table(table)
    used = sorted(set(rows["image_file"].dropna()) | set(rows["labels_file"].dropna()))
    sizes = {path: os.path.getsize(path) for path in used}
    for column in ("image_file", "labels_file"):
        rows[column] = rows[column].map({path: places.name(path) for path in used})
    digest = hashlib.sha256(rows.to_csv(sep="\t", index=False).encode())
    digest.update(json.dumps([[places.name(path), size] for path, size in sizes.items()]).encode())
    return {
        "pictures": len(rows),
        "files": len(used),
        "bytes": sum(sizes.values()),
        "sha256": digest.hexdigest(),
    }


def output_checksum(output: PathLike) -> dict[str, int | str]:
    """``bytes`` and ``sha256`` of an output; for weights the hash that ``model.json`` recorded when they were made."""
    path = Path(output)
    if path.suffix != ".safetensors":
        return job.checksum(path)
    return {"bytes": path.stat().st_size, "sha256": job.read_json(path.with_name("model.json"))["sha256"][path.name]}


def _named(value: object, places: Places) -> object:
    """A part of the configuration, with absolute paths named by ``places``."""
    if isinstance(value, Mapping):
        return {str(key): _named(item, places) for key, item in value.items()}
    if isinstance(value, str):
        return places.name(value) if os.path.isabs(value) else value
    return [_named(item, places) for item in value] if isinstance(value, Iterable) else value


def _git(root: PathLike, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _processor() -> str:
    """The name of the processor from Linux, or else what Python knows of it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor()
