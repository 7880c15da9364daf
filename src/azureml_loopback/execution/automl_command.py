"""The command that trains, and the Python that it runs in."""

from __future__ import annotations

import importlib.util
import os
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
    """How AutoML is trained; the protocol's options are added to the words.

    Attributes:
        words: Program and arguments.
        requirements: What the command needs beyond what a step declares, where steps have
            environments of their own.
    """

    words: tuple[str, ...]
    requirements: tuple[str, ...] = ()

    def prepared(
        self, definition: Mapping[str, Any], environments: Environments, folder: Path, log: Log
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command with its Python in place, and its environment variables.

        A step's own environment does not hold the command's package, so that package alone is
        lent to it: all that is installed beside it here would hide what the step declares.

        Args:
            definition: The environment that the step declares.
            environments: Gives the step its Python.
            folder: The step's own.
            log: Is told which Python it is.

        Raises:
            StepFailed: The environment cannot be had, or the command's module is not there.
        """
        variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if self.words[0] not in PYTHONS:
            return list(self.words), variables
        python = environments.python_for(definition, log, self.requirements)
        if python != Path(sys.executable) and self.words[1:2] == ("-m",):
            variables["PYTHONPATH"] = str(_lend(self.words[2], folder / "automl-path"))
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


def _lend(module: str, folder: Path) -> Path:
    """Return a folder for PYTHONPATH with a link to a module that is installed here."""
    name = module.partition(".")[0]
    spec = importlib.util.find_spec(name)
    packages = list(spec.submodule_search_locations or ()) if spec else []
    place = packages[0] if packages else spec and spec.origin
    if not place:
        raise StepFailed(
            f"The AutoML command's module '{name}' is not installed where the service runs; "
            "name another command by --automl-command",
            "SystemError",
        )
    source = Path(place)
    folder.mkdir(exist_ok=True)
    (folder / source.name).symlink_to(source)
    return folder
