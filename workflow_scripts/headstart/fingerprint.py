"""A fingerprint of the code that a script runs, so that a changed function reruns just the jobs that use it."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "headstart"


@cache
def of_script(script: Path) -> str:
    """Hash of the package modules that a script imports, directly or through one another.

    The syntax trees are hashed, without docstrings: comments, docstrings and layout are free. ``script`` lies in the
    folder that holds the package; its own text is left out, since Snakemake watches that itself.
    """
    root = script.parent
    seen: set[Path] = set()
    waiting = set(_imports(script, root))
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting |= _imports(module, root)
    digest = hashlib.sha256()
    for module in sorted(seen):
        digest.update(str(module.relative_to(root)).encode() + b"\0" + _essence(module).encode() + b"\0")
    return digest.hexdigest()[:16]


def of_file(path: Path) -> str:
    """Hash of one file: of its syntax tree without docstrings if it is Python, else of its bytes."""
    essence = _essence(path).encode() if path.suffix == ".py" else path.read_bytes()
    return hashlib.sha256(essence).hexdigest()[:16]


@cache
def _essence(path: Path) -> str:
    """The syntax tree of a module as text, docstrings taken out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


@cache
def _imports(path: Path, root: Path) -> frozenset[Path]:
    """Files of the package's modules that a file imports, at any depth of nesting."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(file for name in names if name.split(".")[0] == PACKAGE for file in _files(name, root))


def _files(name: str, root: Path) -> list[Path]:
    """A dotted name's module file and the packages on the way to it; names that are no module have none."""
    parts = name.split(".")
    found = []
    for depth in range(1, len(parts) + 1):
        path = root.joinpath(*parts[:depth])
        found += [file for file in (path / "__init__.py", path.with_suffix(".py")) if file.exists()]
    return found
