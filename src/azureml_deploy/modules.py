"""Which files a function needs: the modules of the project that its own imports reach."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OWN_PACKAGE = "azureml_deploy"

_NOT_PACKAGE_DATA = frozenset(
    {".py", ".pyc", ".pyo", ".so", ".ipynb", ".log", ".zip", ".gz", ".png", ".jpg", ".jpeg"}
    | {".csv", ".tsv", ".parquet", ".feather", ".xlsx", ".pkl", ".pickle", ".h5", ".hdf5"}
    | {".db", ".sqlite"}
)
"""Endings of files beside a module that are not its own texts (queries, templates, schemas)."""


@dataclass(frozen=True)
class Import:
    """One import statement's module.

    Attributes:
        module: Dotted name.
        place: File and line that import it.
        optional: It is guarded by ``except ImportError``.
    """

    module: str
    place: str
    optional: bool = False


@dataclass(frozen=True)
class Closure:
    """What some modules need.

    Attributes:
        files: Path inside the source tree -> file.
        packages: Top-level package from elsewhere -> where it is imported.
    """

    files: dict[str, Path]
    packages: dict[str, Import]


@dataclass(frozen=True)
class Location:
    """Where a function can be imported from, or why it cannot.

    Attributes:
        path: ``module:qualified.name``, if importing that gives the function.
        problem: Why there is no such path.
        importable: With a problem: whether its module can be imported all the same, so that the
            project's own registry can make it again.
    """

    path: str | None
    problem: str = ""
    importable: bool = True


@dataclass(frozen=True)
class SourceTree:
    """The project's source folder; everything outside it is a package of the environment."""

    folder: Path
    _parsed: dict[str, tuple[Path, tuple[Import, ...]] | None] = field(
        default_factory=dict, compare=False, repr=False
    )
    _closures: dict[frozenset[str], Closure] = field(
        default_factory=dict, compare=False, repr=False
    )

    def root_of(self, module: str) -> Path:
        """Return the folder in which a module is looked for."""
        inside = (self.folder / OWN_PACKAGE).is_dir()
        own = module.partition(".")[0] == OWN_PACKAGE and not inside
        return Path(__file__).parents[1] if own else self.folder

    def find(self, module: str) -> Path | None:
        """Return the file of a module of the project; nothing for any other."""
        base = self.root_of(module).joinpath(*module.split("."))
        for file in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if file.is_file():
                return file
        return None

    def owner(self, text: str) -> str | None:
        """Return the project's module that a dotted name begins with, such as a class path's."""
        parts = text.split(".")
        if not all(part.isidentifier() for part in parts):
            return None
        names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((name for name in names if self.find(name)), None)

    def closure(self, modules: Iterable[str]) -> Closure:
        """Return the files and packages that modules need, directly or not.

        Args:
            modules: Dotted names; those of the project are followed, others are packages.
        """
        start = frozenset(modules)
        if start not in self._closures:
            self._closures[start] = self._follow(start)
        return self._closures[start]

    def everything(self) -> Closure:
        """Return the whole source tree, without tests, notebooks and caches."""
        files = {
            path.relative_to(self.folder).as_posix(): path
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and _belongs(path.relative_to(self.folder))
        }
        modules = [_module_name(name) for name in files if name.endswith(".py")]
        return Closure(files, self.closure(modules).packages)

    def _follow(self, start: frozenset[str]) -> Closure:
        files: dict[str, Path] = {}
        packages: dict[str, Import] = {}
        seen: set[str] = set()
        pending = [Import(module, "the node's function") for module in sorted(start, reverse=True)]
        while pending:
            wanted = pending.pop()
            top = wanted.module.partition(".")[0]
            if not self._owns(top):
                if top not in sys.stdlib_module_names and not wanted.optional:
                    packages.setdefault(top, wanted)
                continue
            for module in _with_parents(wanted.module):
                if module not in seen and (parsed := self._parse(module)):
                    file, imports = parsed
                    files.update(_with_data(file, self.root_of(module)))
                    pending.extend(reversed(imports))
                seen.add(module)
        return Closure(dict(sorted(files.items())), dict(sorted(packages.items())))

    def _owns(self, top: str) -> bool:
        """Say whether a top-level name is the project's; a package may lack ``__init__.py``."""
        return self.find(top) is not None or (self.root_of(top) / top).is_dir()

    def _parse(self, module: str) -> tuple[Path, tuple[Import, ...]] | None:
        if module not in self._parsed:
            file = self.find(module)
            if file is None:
                self._parsed[module] = None
            else:
                package = module if file.name == "__init__.py" else module.rpartition(".")[0]
                place = file.relative_to(self.root_of(module)).as_posix()
                tree = ast.parse(file.read_bytes(), filename=str(file))
                # what Kedro's settings import inside functions (resolvers) is needed only where
                # configuration asks for it
                deferred = file.name == "settings.py" and module.count(".") == 1
                found = tuple(_imports(tree.body, package, place, deferred_optional=deferred))
                self._parsed[module] = (file, found)
        return self._parsed[module]


def locate(function: Callable[..., Any]) -> Location:
    """Say where a node's function can be imported from on another machine."""
    if isinstance(function, functools.partial):
        return Location(None, "it is a functools.partial", locate(function.func).importable)
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__qualname__", None)
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = getattr(code, "co_filename", "")
    if module == "__main__" or "ipython-input" in file or "ipykernel" in file:
        place = "__main__" if file.endswith(".py") else "a notebook"
        return Location(None, f"it is defined in {place}", importable=False)
    if name is None:
        return Location(None, "it is an object that is called, without a name of its own")
    problem = _problem_of_name(function, module, name)
    return Location(None, problem) if problem else Location(f"{module}:{name}")


def _problem_of_name(function: Callable[..., Any], module: str, name: str) -> str:
    if "<lambda>" in name:
        return "it is a lambda"
    if "<locals>" in name:
        return f"it is made inside {name.partition('.<locals>')[0]}"
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return "" if found == function else f"{module}.{name} is another object"


def module_of(function: Callable[..., Any]) -> str:
    """Return the module that a node's function was defined in."""
    if isinstance(function, functools.partial):
        return module_of(function.func)
    return getattr(function, "__module__", None) or ""


def _imports(
    statements: Iterable[ast.AST],
    package: str,
    place: str,
    *,
    optional: bool = False,
    deferred_optional: bool = False,
) -> Iterator[Import]:
    """Yield what statements import, at any depth, but not what only type checkers read."""
    inside = functools.partial(
        _imports, package=package, place=place, deferred_optional=deferred_optional
    )
    for statement in statements:
        where = f"{place}:{getattr(statement, 'lineno', 1)}"
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield Import(alias.name, where, optional)
        elif isinstance(statement, ast.ImportFrom):
            module = _absolute(statement, package)
            yield Import(module, where, optional)
            for alias in statement.names:
                yield Import(f"{module}.{alias.name}", where, optional)
        elif isinstance(statement, ast.If) and _is_type_checking(statement.test):
            yield from inside(statement.orelse, optional=optional)
        elif isinstance(statement, ast.Try):
            guarded = optional or any(_catches_import_error(h) for h in statement.handlers)
            yield from inside(statement.body, optional=guarded)
            rest = (*statement.handlers, *statement.orelse, *statement.finalbody)
            yield from inside(rest, optional=guarded)
        else:
            called = _imported_by_call(statement) if isinstance(statement, ast.Call) else None
            if called:
                yield Import(called, where, optional)
            function = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
            deferred = optional or (function and deferred_optional)
            yield from inside(ast.iter_child_nodes(statement), optional=deferred)


def _absolute(statement: ast.ImportFrom, package: str) -> str:
    if not statement.level:
        return statement.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - statement.level + 1]
    return ".".join([*base, *filter(None, [statement.module])])


def _is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {getattr(node, "id", None) for node in ast.walk(handler.type)}
    return bool(names & {"ImportError", "ModuleNotFoundError", "Exception"})


def _imported_by_call(call: ast.Call) -> str | None:
    """Return the module of ``importlib.import_module("a.b")``."""
    name: Any = getattr(call.func, "id", getattr(call.func, "attr", None))
    if name not in {"import_module", "__import__"} or not call.args:
        return None
    value = getattr(call.args[0], "value", None)
    return value if isinstance(value, str) and not value.startswith(".") else None


def _with_parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _with_data(file: Path, root: Path) -> dict[str, Path]:
    """Return a module's file and the texts that lie beside it in its package."""
    files = {file.relative_to(root).as_posix(): file}
    if file.name == "__init__.py":
        for other in file.parent.iterdir():
            data = other.is_file() and other.suffix.lower() not in _NOT_PACKAGE_DATA
            if data and not other.name.startswith("."):
                files[other.relative_to(root).as_posix()] = other
    return files


def _belongs(path: Path) -> bool:
    parts = path.parts
    if any(part.startswith(".") or part in {"__pycache__", "tests"} for part in parts):
        return False
    if any(part.endswith(".egg-info") for part in parts):
        return False
    return path.suffix == ".py" or path.suffix.lower() not in _NOT_PACKAGE_DATA
