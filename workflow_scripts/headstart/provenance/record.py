"""What a study's results were made from: code, packages, configuration, seeds, each file that went in and came out.

Nothing of the time and no name of a machine or user is written: runs equal in all that counts give equal bytes.
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
# The folder of the project that this file belongs to.
ROOT = Path(__file__).resolve().parents[3]
LOCK = "envs/requirements.txt"
# Folders of a study with what its stages hand on, beside the tables of natural images, which name files by their paths.
_STAGES = (
    "template",
    "datasets",
    "derivatives",
    "labeller",
    "ground_truth",
    "slices",
    "pretrain",
    "finetune",
    "evaluate",
)
# Configuration that says where files lie, or is no part of the study.
_ELSEWHERE = ("results", "data", "predict")


@dataclass(frozen=True)
class Places:
    """The folders from which files are named, so that a study reads the same wherever it lies.

    ``study``: the study's results; ``data``: the folder of the real scans, if there is one.
    """

    study: PathLike
    data: PathLike | None = None

    def name(self, path: PathLike) -> str:
        """``<study>/...``, ``<data>/...`` or ``~/...`` for an absolute path or one from here; else the path itself."""
        whole = os.path.abspath(path)
        for name, folder in self._folders().items():
            if whole.startswith(folder.rstrip(os.sep) + os.sep):
                return f"{name}/{Path(whole).relative_to(folder).as_posix()}"
        return whole

    def find(self, name: str) -> Path:
        """The path of what :meth:`name` named."""
        place, _, within = name.partition("/")
        folder = self._folders().get(place)
        return Path(folder, within) if folder else Path(name)

    def _folders(self) -> dict[str, str]:
        given = {"<study>": self.study, "<data>": self.data, "~": Path.home()}
        return {name: os.path.abspath(folder) for name, folder in given.items() if folder}


def write(
    path: PathLike,
    root: PathLike,
    places: Places,
    *,
    planned: Mapping,
    records: Sequence[PathLike],
    others: Sequence[PathLike],
    pictures: Mapping[str, PathLike],
    outputs: Sequence[PathLike],
) -> None:
    """Write a study's provenance as JSON, with sorted keys.

    ``root``: the project's folder; ``planned``: what is known before the study runs (:func:`planned`); ``records``:
    those of :func:`headstart.datasets.intake.check`; ``others``: further files that went in; ``pictures``: the tables of natural
    images (:func:`headstart.slices.natural.tabulate`), by dataset; ``outputs``: what came out, within the study's folder. All
    else that its stages left there are ``intermediates``.
    """
    scans = (file for record in records for row in job.read_json(record) for file in row["files"])
    files = [*scans, *({"file": str(other), **job.checksum(other)} for other in others)]
    went_in = {places.name(row["file"]): {key: row[key] for key in ("bytes", "sha256")} for row in files}
    came_out = {places.name(output): made(output) for output in outputs}
    told = went_in.keys() | came_out.keys() | {places.name(table) for table in pictures.values()}
    job.write_json(
        path,
        {
            **planned,
            "headstart": __version__,
            "commit": commit(root),
            "packages": packages(Path(root, LOCK)),
            "host": host(),
            "inputs": went_in,
            "pictures": {name: listing(table, places) for name, table in pictures.items()},
            "outputs": came_out,
            "intermediates": {
                name: job.checksum(file) for file in handed_on(places.study) if (name := places.name(file)) not in told
            },
        },
    )


def handed_on(study: PathLike) -> Iterator[str]:
    """Every file that the stages left in a study's folder, but for those that a job is still writing."""
    for stage in _STAGES:
        for folder, _, names in os.walk(Path(study, stage)):
            yield from (os.path.join(folder, name) for name in names if not name.startswith(".partial-"))


def planned(root: PathLike, places: Places, config: Mapping, seeds: Mapping) -> dict:
    """What is known of a study before it runs: ``configuration``, ``seeds``, ``code`` and ``lock``.

    ``config``: as :func:`headstart.settings.resolve` gives it. In a rule's parameters it makes the provenance anew when
    any of these changes.
    """
    lock = Path(root, LOCK)
    return {
        "configuration": configuration(config, places),
        "seeds": seeds,
        "code": code(root),
        "lock": job.sha256(lock) if lock.exists() else None,
    }


def configuration(config: Mapping, places: Places) -> dict:
    """A resolved configuration without what says where things lie; its absolute paths as :class:`Places` names them."""
    named = _named({key: value for key, value in config.items() if key not in _ELSEWHERE}, places)
    return json.loads(json.dumps(named))


@functools.cache
def code(root: PathLike) -> dict[str, str]:
    """A hash of each file of the workflow, by its path: comments and docstrings of Python are free."""
    scripts = sorted(Path(root, "workflow_scripts").rglob("*.py"))
    rules = [Path(root, "Snakefile"), *sorted(Path(root, "rules").glob("*.smk"))]
    return {path.relative_to(root).as_posix(): fingerprint.of_file(path) for path in (*rules, *scripts)}


def commit(root: PathLike) -> dict[str, str | bool]:
    """The git commit of a checkout as ``id``, and as ``changed`` whether tracked files differ from it.

    Outside a checkout, or without git, the id is ``unknown``.
    """
    try:
        # A project copied into a folder of another checkout is not of its commit.
        if _git(root, "rev-parse", "--show-prefix"):
            return {"id": "unknown"}
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
        return {"id": _git(root, "rev-parse", "HEAD"), "changed": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return {"id": "unknown"}


def packages(lock: PathLike) -> dict[str, str]:
    """The versions installed here of the packages that a lock names; without a lock, of all that are installed."""
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
    """The versions that a lock (``name==version`` a line) asks for."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", Path(lock).read_text(encoding="utf-8"), re.M))


def host() -> dict[str, str]:
    """The kind of machine: system, its C library, kind and name of processor, Python."""
    return {
        "system": platform.system(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "machine": platform.machine(),
        "processor": _processor(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def listing(table: PathLike, places: Places) -> dict[str, int | str]:
    """What a table of natural images uses, without reading millions of them.

    ``pictures``, ``files`` (archives, or single pictures) and their ``bytes``, and ``sha256``: over where in which file
    each picture lies, and these files' sizes. What the pixels were is known from ``data_sha256`` in the model.json of
    what learnt from them. Raises FileNotFoundError for a file that is gone.
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


def made(output: PathLike) -> dict[str, int | str]:
    """``bytes`` and ``sha256`` of an output; of weights, the hash that model.json got when they were made."""
    path = Path(output)
    if path.suffix != ".safetensors":
        return job.checksum(path)
    return {"bytes": path.stat().st_size, "sha256": job.read_json(path.with_name("model.json"))["weights_sha256"]}


def _named(value: object, places: Places) -> object:
    if isinstance(value, Mapping):
        return {str(key): _named(item, places) for key, item in value.items()}
    if isinstance(value, str):
        return places.name(value) if os.path.isabs(value) else value
    return [_named(item, places) for item in value] if isinstance(value, Iterable) else value


def _git(root: PathLike, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _processor() -> str:
    """The processor's name, where Linux tells it; else what Python knows of it."""
    try:
        told = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    except OSError:
        told = None
    return told[1] if told else platform.processor()
