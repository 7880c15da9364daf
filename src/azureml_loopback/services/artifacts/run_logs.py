"""The logs of a run, which are artifacts with names that the SDK knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azureml_loopback.errors import NotFound
from azureml_loopback.services.artifacts import state as artifacts

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback

DRIVER_LOG = "azureml-logs/70_driver_log.txt"
"""Standard output and error together, by the name that `StepRun.wait_for_completion` streams."""
STDOUT_LOG = "logs/azureml/stdoutlogs.txt"
STDERR_LOG = "logs/azureml/stderrlogs.txt"
JOB_LOG = "logs/azureml/executionlogs.txt"


def read_log(loopback: Loopback, run_id: str, path: str) -> str:
    """Return a run's log file as text; empty if nothing was written."""
    try:
        return artifacts.read(loopback, run_id, path).decode("utf-8", "replace")
    except NotFound:
        return ""
