"""The command that trains, and the Python that it runs in."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_loopback.execution.environments import Environments, Log
from azureml_loopback.execution.step import StepFailed

PYTHONS = frozenset({"python", "python3"})
"""First words of a command that stand for the step's own Python."""


@dataclass(frozen=True)
class AutoMLCommand:
    """How AutoML is trained.

    Attributes:
        words: Program and arguments, to which the protocol's options are added.
    """

    words: tuple[str, ...]

    def prepared(
        self, definition: Mapping[str, Any], environments: Environments, folder: Path, log: Log
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command with its Python in place, and its environment variables.

        The environment that a step declares holds neither the command's package nor what that
        needs. So the package alone is lent to it (all that is installed beside it here would hide
        what the step declares), and its ``requirements.txt``, if it has one, is installed there.

        Args:
            definition: The environment that the step declares.
            environments: Gives the step its Python.
            folder: The step's own.
            log: Is told which Python it is.

        Raises:
            StepFailed: The environment cannot be had, or the command's module is not there.
        """
        variables = {**environments.variables(), "PYTHONUNBUFFERED": "1"}
        if self.words[0] not in PYTHONS:
            return list(self.words), variables
        module = _module(self.words[2]) if self.words[1:2] == ("-m",) else None
        python = environments.python_for(definition, log, _needs(module))
        if module and python != Path(sys.executable):
            variables["PYTHONPATH"] = str(_lend(module, folder / "automl-path"))
        return [str(python), *self.words[1:]], variables


def protocol_options(settings: Path, data: Mapping[str, Path], output: Path) -> Sequence[str]:
    """Return the protocol's options.

    Args:
        settings: The settings' JSON file.
        data: ``training_data`` and, if there is any, ``validation_data``.
        output: Folder for model and metrics.
    """
    options = ["--settings", str(settings), "--training-data", str(data["training_data"])]
    if "validation_data" in data:
        options += ["--validation-data", str(data["validation_data"])]
    return [*options, "--output", str(output)]


def _module(name: str) -> Path:
    """Return where a module is installed here: a package's folder, or a file."""
    top = name.partition(".")[0]
    spec = importlib.util.find_spec(top)
    packages = list(spec.submodule_search_locations or ()) if spec else []
    place = packages[0] if packages else spec and spec.origin
    if not place:
        raise StepFailed(
            f"The AutoML command's module '{top}' is not installed where the service runs; "
            "name another command by --automl-command",
            "SystemError",
        )
    return Path(place)


def _needs(module: Path | None) -> list[str]:
    """Return the requirements that a package brings along."""
    listing = module / "requirements.txt" if module else None
    if listing is None or not listing.is_file():
        return []
    lines = map(str.strip, listing.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _lend(module: Path, folder: Path) -> Path:
    """Return a folder for PYTHONPATH that holds a module and nothing else."""
    folder.mkdir(exist_ok=True)
    (folder / module.name).symlink_to(module)
    return folder
