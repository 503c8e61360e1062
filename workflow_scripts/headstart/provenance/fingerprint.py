"""A fingerprint of the code that a script runs, so that a changed function reruns only the jobs that use it.

It leaves out what cannot change a result: comments, docstrings and formatting; messages to the user in log calls and
in the arguments of exceptions, since a job that raises has no result; and the version of headstart.
Tables and templates beside a module count if the module names them.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

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
    seen = {script}
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
    """Hash of one file: for Python of its syntax tree, without what cannot change a result, else of its bytes."""
    essence = _essence(path).encode() if path.suffix == ".py" else path.read_bytes()
    return hashlib.sha256(essence).hexdigest()[:16]


class _Silent(ast.NodeTransformer):
    """Removes docstrings, log calls and the arguments of exceptions and of ``sys.exit`` from a syntax tree."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        if getattr(node, "body", None) == []:
            node.body = [ast.Pass()]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:  # noqa: N802, the name that ast asks for
        return None if _method_of(node.value, _LOGGERS, _LOG_CALLS) else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:  # noqa: N802
        if isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.Call:  # noqa: N802
        if _method_of(node, {"sys"}, {"exit"}):
            node.args = []
        return self.generic_visit(node)

    def visit_Module(self, node: ast.Module) -> ast.Module:  # noqa: N802
        """Also without private texts that nothing uses any longer."""
        self.generic_visit(node)
        used = {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load)}
        node.body = [statement for statement in node.body if _private_text(statement) in {None, *used}]
        return node


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


@cache
def _essence(path: Path) -> str:
    """The syntax tree of a module as text, without what cannot change a result."""
    if path.name == _VERSION and path.parent.name == PACKAGE:
        return ""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    data = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in _data_files(path, tree)]
    return "\n".join([ast.dump(_Silent().visit(tree)), *data])


def _data_files(path: Path, tree: ast.Module) -> list[Path]:
    """The files beside a module, such as tables and templates, that it names."""
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return sorted(file for file in path.parent.iterdir() if file.name in named and file.is_file())


@cache
def _imports(path: Path, root: Path) -> frozenset[Path]:
    """Files of the package's modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(file for name in names if name.split(".")[0] == PACKAGE for file in _files(name, root))


def _files(name: str, root: Path) -> list[Path]:
    """The files of a dotted name: its module and the packages above it; none if it is not a module."""
    parts = name.split(".")
    found = []
    for depth in range(1, len(parts) + 1):
        path = root.joinpath(*parts[:depth])
        found += [file for file in (path / "__init__.py", path.with_suffix(".py")) if file.exists()]
    return found
