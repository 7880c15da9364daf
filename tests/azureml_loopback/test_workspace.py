"""The way in: a workspace from config.json, through the proxy, by the unmodified SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_a_workspace_from_config_json(workspace: Any) -> None:
    assert workspace.name == "loopback"
    assert workspace.get_details()["discoveryUrl"] == "https://loopback.api.azureml.ms/discovery"


def test_a_script_of_its_own_process_reaches_it(loopback: Any, tmp_path: Path) -> None:
    code = "from azureml.core import Workspace; print(Workspace.from_config().name)"
    done = loopback.run(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("loopback")
