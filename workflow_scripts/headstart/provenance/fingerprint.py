"""A fingerprint of the code that a script runs, so that a changed function reruns only the jobs that use it.

It leaves out what cannot change a result: comments, docstrings and formatting; messages to the user in log calls and
in the arguments of exceptions, since a job that raises has no result; and the version of headstart.
Tables and templates beside a module count if the module names them.
"""

import ast
import hashlib
from collections import deque
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = "headstart"
_VERSION = "version.py"
_LOGGERS = {"log", "logger"}
_LOG_CALLS = {"debug", "info", "warning", "error", "exception"}
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def of_script(script: Path) -> str:
    """Hash of a script and of the package modules that it imports, directly or through one another.

    ``script`` is in the folder that contains the package. Returns 16 hexadecimal digits.
    """
    root = script.parent
    seen: set[Path] = set()
    waiting = {script}
    while waiting:
        seen |= waiting
        waiting = {file for path in waiting for file in imports(path, root)} - seen
    digest = hashlib.sha256()
    for path in sorted(seen):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + _module(path).essence + b"\0")
    return digest.hexdigest()[:16]


def of_file(path: Path) -> str:
    """Hash of one file: for Python of its syntax tree, without what cannot change a result, else of its bytes."""
    essence = _module(path).essence if path.suffix == ".py" else path.read_bytes()
    return hashlib.sha256(essence).hexdigest()[:16]


@cache
def imports(path: Path, root: Path) -> frozenset[Path]:
    """Files of the package's modules that a file imports, also inside functions; the package is in ``root``."""
    return frozenset(file for name in _module(path).imported for file in _files(name, root))


class _Module(NamedTuple):
    """``essence``: the syntax tree as text, without what cannot change a result; ``imported``: dotted names."""

    essence: bytes
    imported: frozenset[str]


@cache
def _module(path: Path) -> _Module:
    """A file of Python, of which one walk through the syntax tree finds all that counts."""
    if path.name == _VERSION and path.parent.name == PACKAGE:
        return _Module(b"", frozenset())
    tree = ast.parse(path.read_bytes(), filename=str(path))
    used: set[str] = set()
    imported: set[str] = set()
    constants = set()
    waiting: deque[ast.AST] = deque([tree])
    while waiting:
        node = waiting.popleft()
        _silence(node)
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Constant(value=value):
                constants.add(value)
            case ast.Import(names=names):
                imported |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                imported |= {module} | {f"{module}.{alias.name}" for alias in names}
        waiting.extend(ast.iter_child_nodes(node))
    # A private text that nothing uses any longer was part of a message.
    tree.body = [statement for statement in tree.body if _private_text(statement) in {None, *used}]
    beside = sorted(file for file in path.parent.iterdir() if file.name in constants and file.is_file())
    data = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in beside]
    own = frozenset(name for name in imported if name.split(".")[0] == PACKAGE)
    return _Module("\n".join([ast.dump(tree), *data]).encode(), own)


def _silence(node: ast.AST) -> None:
    """Remove the docstring and log calls from a node's statements, and the arguments of exceptions and ``sys.exit``."""
    if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:]
    for field in ("body", "orelse", "finalbody"):
        if isinstance(statements := getattr(node, field, None), list):
            setattr(node, field, [each for each in statements if not _is_log_call(each)])
    if getattr(node, "body", None) == []:
        node.body = [ast.Pass()]
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        node.exc.args, node.exc.keywords = [], []
    elif isinstance(node, ast.Call) and _method_of(node, {"sys"}, {"exit"}):
        node.args = []


def _is_log_call(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and _method_of(statement.value, _LOGGERS, _LOG_CALLS)


def _private_text(statement: ast.stmt) -> str | None:
    """The name of a private text that a statement defines; None for other statements."""
    if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)):
        return None
    name = getattr(statement.targets[0], "id", "")
    return name if name.startswith("_") and isinstance(statement.value.value, str) else None


def _method_of(value: ast.expr, owners: set[str], methods: set[str]) -> bool:
    """Whether an expression is a call such as ``logger.info(...)``: of one of the methods of one of these names."""
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return False
    return value.func.attr in methods and getattr(value.func.value, "id", None) in owners


def _files(name: str, root: Path) -> list[Path]:
    """The files of a dotted name: its module and the packages above it; none if it is not a module."""
    parts = name.split(".")
    found = []
    for depth in range(1, len(parts) + 1):
        path = root.joinpath(*parts[:depth])
        found += [file for file in (path / "__init__.py", path.with_suffix(".py")) if file.exists()]
    return found
