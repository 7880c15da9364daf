"""Pickles, which run their maker's code when they are loaded: looked into first, then loaded."""

from __future__ import annotations

import _compat_pickle
import importlib.util
import logging
import pickle
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

AUTOML_RUNTIME = "azureml-train-automl-runtime"
AUTOML_MODULES = ("azureml.automl.runtime", "azureml.training.tabular", "azureml.train.automl")
"""Modules that only AutoML's own runtime has, whose models are made of them."""

_LOG = logging.getLogger(__name__)
_TEXTS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
_PUTS = frozenset({"BINPUT", "LONG_BINPUT", "PUT"})
_GETS = frozenset({"BINGET", "LONG_BINGET", "GET"})


class MissingPackagesError(Exception):
    """A pickle needs what this environment does not have."""


def load_pickle(path: Path, source: str) -> Any:
    """Load a pickle, and say in a warning whose code it runs.

    Args:
        path: The file.
        source: Where it comes from, for the warning.

    Raises:
        MissingPackagesError: It needs packages that are not here; says which, and what to do.
    """
    missing = missing_modules(path)
    if missing:
        raise MissingPackagesError(_advice(path, missing))
    _LOG.warning("Loading %s runs its maker's code; it comes from %s", path.name, source)
    return pickle.loads(path.read_bytes())


def missing_modules(path: Path) -> tuple[str, ...]:
    """Return the modules that a pickle needs and this environment does not have."""
    return tuple(name for name in sorted(modules_of(path)) if not _is_here(name))


def needs_automl_runtime(modules: tuple[str, ...]) -> bool:
    """Say whether modules are of AutoML's own runtime."""
    return any(name.startswith(AUTOML_MODULES) for name in modules)


def modules_of(path: Path) -> frozenset[str]:
    """Return the modules that a pickle names, found without loading it."""
    try:
        return frozenset(_modules(path.read_bytes()))
    except (ValueError, UnicodeDecodeError) as error:
        raise pickle.UnpicklingError(f"{path}: is no pickle ({error})") from None


def _modules(data: bytes) -> Iterator[str]:
    """Follow the texts on the pickle machine's stack, of which the last two name a class."""
    texts: list[str] = []
    memo: dict[int, str | None] = {}
    last: str | None = None
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            yield _today(str(argument).partition(" ")[0])
        elif opcode.name == "STACK_GLOBAL":
            yield _today(texts[-2])
        if opcode.name == "MEMOIZE":
            memo[len(memo)] = last
        elif opcode.name in _PUTS:
            memo[int(argument or 0)] = last
        else:
            last = _text(opcode.name, argument, memo)
            if last is not None:
                texts.append(last)


def _today(module: str) -> str:
    """Return what a module of Python 2, which old protocols name, is called today."""
    return _compat_pickle.IMPORT_MAPPING.get(module, module)


def _text(opcode: str, argument: Any, memo: dict[int, str | None]) -> str | None:
    """Return the text that an operation puts on the stack, if it is one."""
    if opcode in _TEXTS:
        return str(argument)
    return memo.get(int(argument or 0)) if opcode in _GETS else None


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a parent is not here, or is no package
        return module in ("__main__", "builtins")


def _advice(path: Path, missing: tuple[str, ...]) -> str:
    names = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
    if not needs_automl_runtime(missing):
        return f"{path} cannot be loaded here: it needs {names}"
    return (
        f"{path} cannot be loaded here: it needs {names} of {AUTOML_RUNTIME}, whose pins would "
        "break this environment. Have one of its own built: kedro azureml results RUN --isolated"
    )
