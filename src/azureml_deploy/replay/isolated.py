"""The Python that a step or azureml.yml declares, built beside what the loopback builds."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azureml_deploy.config import AzureMLConfig, Environment
from azureml_deploy.errors import ServiceError
from azureml_deploy.pickles import AUTOML_RUNTIME


def definition_of(name: str, settings: Environment) -> dict[str, Any]:
    """Return an environment of azureml.yml as a run's definition would have it.

    Args:
        name: Its name there.
        settings: What azureml.yml says of it.
    """
    python = [f"python={settings.python_version}"] if settings.python_version else []
    pip = [{"pip": list(settings.pip_packages)}] if settings.pip_packages else []
    dependencies = [*python, *settings.conda_packages, *pip]
    return {"name": name, "python": {"condaDependencies": {"dependencies": dependencies}}}


def environments_with_runtime(config: AzureMLConfig) -> tuple[str, ...]:
    """Return the environments of azureml.yml that AutoML's own models can be loaded in."""
    return tuple(
        name
        for name, environment in config.environments.items()
        if any(package.startswith(AUTOML_RUNTIME) for package in environment.pip_packages)
    )


def isolated_python(definition: Mapping[str, Any], tell: Callable[[str], None]) -> Path:
    """Return the Python of an environment of its own, built once for its content.

    Args:
        definition: An environment as a run's definition has it.
        tell: Is told what is built.

    Raises:
        ServiceError: It cannot be built; says why.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(definition, file)
        file.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "azureml_loopback.execution", file.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None  # it is a pipe
        said = []
        for line in process.stderr:
            said.append(line.rstrip())
            tell(said[-1])
        answer = process.communicate()[0].split()
    if process.returncode or not answer:
        reason = (said or ["it said nothing"])[-1].removeprefix("Error: ")
        raise ServiceError(
            f"The environment of its own cannot be built: {reason} (it is built by "
            'azureml_loopback: pip install -e ".[loopback]")'
        )
    return Path(answer[-1])
