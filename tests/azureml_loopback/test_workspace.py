"""The way in: a workspace from config.json, through the proxy, by the unmodified SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_a_workspace_from_config_json(workspace: Any) -> None:
    assert workspace.name == "loopback"
    assert workspace.get_details()["discoveryUrl"] == "https://loopback.api.azureml.ms/discovery"


def test_a_script_of_its_own_process_reaches_it(loopback: Any, tmp_path: Path) -> None:
    code = "from azureml.core import Workspace; print(Workspace.from_config().name)"
    done = loopback.run(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("loopback")


def test_the_workspace_is_found_and_is_there_to_be_created(workspace: Any) -> None:
    from azureml.core import Workspace

    place = {
        "subscription_id": workspace.subscription_id,
        "resource_group": workspace.resource_group,
    }
    assert list(Workspace.list(workspace.subscription_id)) == [workspace.name]
    assert list(Workspace.list(**place)) == [workspace.name]
    found = Workspace.create(workspace.name, **place, location=workspace.location, exist_ok=True)
    assert found.get_details()["workspaceid"] == workspace.get_details()["workspaceid"]
    with pytest.raises(Exception, match="Location not available"):
        Workspace.create(workspace.name, **place, location="eastus2", exist_ok=True)
    with pytest.raises(Exception, match="not implemented by the loopback service"):
        Workspace.create("another", **place, location=workspace.location)


def test_the_workspace_takes_tags_and_words_and_has_no_links(workspace: Any) -> None:
    before = workspace.get_details()
    workspace.update(friendly_name="Mine", tags={"team": "titanic"})
    changed = workspace.get_details()
    assert (changed["friendlyName"], changed["tags"]) == ("Mine", {"team": "titanic"})
    assert changed["description"] == before["description"]
    workspace.update(friendly_name=before["friendlyName"], tags={})
    assert workspace.get_details() == before
    with pytest.raises(Exception, match="not imageBuildCompute"):
        workspace.update(image_build_compute="cpu")
    assert json.loads(workspace.list_connections()) == list(workspace.linked_services) == []
