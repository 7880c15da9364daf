"""Brings AutoML's data from the workspace to the Parquet files that its command takes."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from azureml_loopback.execution import process_group
from azureml_loopback.execution.step import StepFailed
from azureml_loopback.home import workspace_config

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback


def fetch_table(
    loopback: Loopback, role: str, saved_id: str, folder: Path, canceled: threading.Event
) -> Path:
    """Write a tabular dataset as one Parquet file, and return it.

    Args:
        loopback: The service.
        role: ``training_data`` or ``validation_data``.
        saved_id: The saved dataset.
        folder: Where to.
        canceled: Ends it when set.

    Raises:
        StepFailed: The data are not there, or are no table.
        StepCanceled: It was ended.
    """
    said: list[bytes] = []
    target = folder / f"{role}.parquet"
    config = json.dumps(workspace_config(loopback.identity))
    (folder / "config.json").write_text(config, encoding="utf-8")
    status = process_group.run(
        [sys.executable, "-m", "azureml_loopback.execution.read_table", saved_id, str(target)],
        cwd=folder,
        environment={**os.environ, **loopback.environment},
        output=said.append,
        error=said.append,
        canceled=canceled,
    )
    if status != 0:
        raise StepFailed(f"Input '{role}' cannot be read: {_last_line(said)}")
    return target


def _last_line(said: list[bytes]) -> str:
    lines = b"".join(said).decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no reason was given")
