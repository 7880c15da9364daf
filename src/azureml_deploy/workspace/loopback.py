"""The loopback service as a process of its own: started, and this process led to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from azureml_deploy.config import WorkspaceConfig
from azureml_deploy.errors import ServiceError

CONFIG_FOLDER = ".azureml/loopback"
"""Where the loopback's config.json goes, below the project."""


def use_loopback(
    project_path: Path, *, isolated: bool = False, tell: Callable[[str], None] = lambda _: None
) -> WorkspaceConfig:
    """Start the loopback if need be, and set the variables that lead the SDK to it.

    They must be set before anything is asked of the SDK, and stay for this process.

    Args:
        project_path: The project; config.json goes below it.
        isolated: Whether each step runs in the Python environment that it declares.
        tell: Told where the service runs.

    Returns:
        How its workspace is opened.

    Raises:
        ServiceError: It is not installed, or does not start.
    """
    tell(_loopback("start", *(["--isolated"] if isolated else [])).strip())
    os.environ.update(json.loads(_loopback("env", "--json")))
    folder = project_path / CONFIG_FOLDER
    _loopback("config", str(folder))
    return WorkspaceConfig(path=str(folder / "config.json"), auth="msi")


def _loopback(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "azureml_loopback", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise ServiceError(
            f"azureml_loopback {arguments[0]} failed: {reason[-1]}; is it installed? "
            'pip install -e ".[loopback]"'
        )
    return done.stdout
