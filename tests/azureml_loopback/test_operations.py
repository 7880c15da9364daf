"""Operations of the SDK's clients that no script of the other tests comes to ask for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_loopback.identity import Identity

ME = Identity()
ARM = "https://management.azure.com"


@dataclass(frozen=True)
class Wire:
    """Asks one service of the workspace."""

    client: httpx.Client

    def ask(self, method: str, service: str, path: str, **body: Any) -> Any:
        base = f"{ARM}/" if service == "arm" else f"{ME.services_url}/{service}/"
        answer = self.client.request(method, f"{base}{ME.arm_scope}{path}", **body)
        assert answer.status_code in {200, 204}, answer.text
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return answer.json() if is_json else answer.content


@pytest.fixture
def wire(loopback: Any) -> Iterator[Wire]:
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:
        yield Wire(client)


@pytest.fixture
def run(workspace: Any) -> Any:
    """A run that goes on."""
    from azureml.core import Experiment

    return Experiment(workspace, "operations").start_logging(snapshot_directory=None)


def experiment_id(run: Any) -> str:
    found: str = run.experiment.id
    return found


# the workspace


def test_workspaces_are_listed_by_subscription_and_by_group(workspace: Any) -> None:
    from azureml.core import Workspace

    for group in (None, ME.resource_group):
        (found,) = Workspace.list(ME.subscription_id, resource_group=group).values()
        assert [one.name for one in found] == [ME.workspace_name]


def test_its_storage_has_a_key_and_an_address(loopback: Any, wire: Wire) -> None:
    keys = wire.ask("POST", "arm", "/listKeys")
    assert keys["userStorageKey"] == (loopback.home.folder / "storage.key").read_text()
    account = wire.client.get(f"{ARM}{keys['userStorageResourceId']}").json()
    assert account["properties"]["primaryEndpoints"]["blob"] == f"https://{ME.blob_host}/"
    other = wire.client.get(f"{ARM}{keys['userStorageResourceId']}other")
    assert other.status_code == 404


def test_the_subscription_and_the_discovery_name_the_same_workspace(wire: Wire) -> None:
    one = wire.client.get(f"{ARM}/subscriptions/{ME.subscription_id}").json()
    assert one["tenantId"] == ME.tenant_id
    of_workspace = f"{ME.services_url}/discovery/workspaces/{ME.workspace_id}"
    assert wire.client.get(of_workspace).json()["pipelines"] == ME.services_url


def test_computes_are_seen_by_azure_resource_manager_too(wire: Wire, workspace: Any) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget

    cluster = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=3)
    ComputeTarget.create(workspace, "seen", cluster).wait_for_completion()
    listed = {one["name"]: one for one in wire.ask("GET", "arm", "/computes")["value"]}
    assert listed["seen"]["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 3
    assert wire.ask("GET", "arm", "/computes/seen")["id"] == listed["seen"]["id"]


def test_the_content_service_is_there(wire: Wire) -> None:
    for path in ("ping", "alive"):
        answer = wire.client.get(f"{ME.services_url}/content/v1.0/meta/{path}")
        assert answer.status_code == 200


# runs


def test_a_runs_token_speaks_for_the_run(loopback: Any, wire: Wire, run: Any) -> None:
    for place in (f"experiments/{run.experiment.name}", f"experimentids/{experiment_id(run)}"):
        token = wire.ask("GET", "history/v1.0", f"/{place}/runs/{run.id}/token")["token"]
        with loopback.client(Authorization=f"Bearer {token}") as client:
            assert Wire(client).ask("GET", "history/v1.0", f"/runs/{run.id}")["runId"] == run.id


def test_tags_change_and_go_at_once(wire: Wire, run: Any) -> None:
    by_name = f"/experiments/{run.experiment.name}/runs/{run.id}/tags"
    change = {"tagsToModify": {"a": "1", "b": "2", "c": "3"}, "tagsToDelete": ["b"]}
    assert wire.ask("PATCH", "history/v1.0", by_name, json=change)["tags"] == {"a": "1", "c": "3"}
    by_id = f"/experimentids/{experiment_id(run)}/runs/{run.id}/tags"
    wire.ask("DELETE", "history/v1.0", by_id, json=["a", "never there"])
    assert run.get_tags() == {"c": "3"}


def test_runs_are_found_by_their_ids(wire: Wire, run: Any) -> None:
    path = f"/experiments/{run.experiment.name}/runs/runIds"
    found = wire.ask("POST", "history/v1.0", path, json={"runIds": [run.id, "none"]})
    assert list(found["runs"]) == [run.id]
    assert list(found["errors"]) == ["none"]


def test_a_run_is_cancelled_by_its_experiments_id(wire: Wire, run: Any) -> None:
    path = f"/experimentids/{experiment_id(run)}/runs/{run.id}/cancel"
    wire.ask("POST", "history/v1.0", path)
    assert run.get_status() in {"CancelRequested", "Canceled"}


def test_events_end_a_run(wire: Wire, run: Any) -> None:
    path = f"/experimentids/{experiment_id(run)}/runs/{run.id}/events"
    event = {"name": "Microsoft.MachineLearning.Run.Completed", "data": {"RunId": run.id}}
    wire.ask("POST", "history/v1.0", path, json=event)
    assert run.get_status() == "Completed"


def test_a_metric_of_the_older_form_is_read_by_the_newer(wire: Wire, run: Any) -> None:
    metric_id = str(uuid.uuid4())
    schema = {
        "numProperties": 1,
        "properties": [{"propertyId": "x", "name": "x", "type": "double"}],
    }
    metric = {"metricId": metric_id, "metricType": "azureml.v1.scalar", "name": "x", "numCells": 1}
    path = f"/experiments/{run.experiment.name}"
    body = {**metric, "schema": schema, "cells": [{"x": 0.5}]}
    wire.ask("POST", "history/v1.0", f"{path}/runs/{run.id}/metrics", json=body)
    assert run.get_metrics() == {"x": 0.5}
    assert wire.ask("GET", "history/v1.0", f"{path}/metrics/{metric_id}")["cells"] == [{"x": 0.5}]


def test_automls_own_ways_to_end_a_run_and_to_name_its_environment(wire: Wire, run: Any) -> None:
    jasmine = f"/experimentids/{experiment_id(run)}"
    path = f"{jasmine}/getCuratedEnvironment"
    answer = wire.ask("POST", "jasmine/v1.0", path, json={"enableDNN": False, "enableGpu": False})
    assert answer["environment"]["name"].startswith("AzureML-AutoML")
    wire.ask("POST", "jasmine/v1.0", f"{jasmine}/runs/{run.id}/changerunstatus/Failed")
    assert run.get_status() == "Failed"


# files


def test_an_artifact_is_noted_written_and_listed(wire: Wire, run: Any) -> None:
    container = f"ExperimentRun/dcid.{run.id}"
    noted = {"origin": "ExperimentRun", "container": f"dcid.{run.id}", "path": "noted/a.txt"}
    assert (
        wire.ask("POST", "artifact/v2.0", "/artifacts/metadata", json=noted)["path"]
        == "noted/a.txt"
    )
    known = wire.ask("GET", "artifact/v2.0", f"/artifacts/metadata/{container}/noted/a.txt")
    assert known["artifactId"] == f"{container}/noted/a.txt"
    place = wire.ask("GET", "artifact/v2.0", f"/artifacts/write/{container}/written/b.txt")
    blob = {"x-ms-blob-type": "BlockBlob", "Authorization": ""}
    assert wire.client.put(place["contentUri"], content=b"bytes", headers=blob).status_code == 201
    below = wire.ask("GET", "artifact/v2.0", f"/artifacts/{container}/written")
    assert [one["path"] for one in below["value"]] == ["written/b.txt"]
    assert sorted(run.get_file_names()) == ["noted/a.txt", "written/b.txt"]


def test_a_runs_artifacts_are_reached_by_the_run(wire: Wire, run: Any, tmp_path: Path) -> None:
    of_run = f"/experiments/{run.experiment.name}/runs/{run.id}/artifacts"
    paths = {"paths": [{"path": "logs/a.txt"}, {"path": "logs/b.txt"}, {"path": "../c"}]}
    made = wire.ask("POST", "history/v1.0", f"{of_run}/batch/metadata", json=paths)
    assert sorted(made["artifacts"]) == ["logs/a.txt", "logs/b.txt"]
    assert list(made["errors"]) == ["../c"]
    prefix = wire.ask("GET", "history/v1.0", f"{of_run}/prefix/contentinfo/logs")["value"]
    assert sorted(one["path"] for one in prefix) == ["logs/a.txt", "logs/b.txt"]
    listed = wire.ask("GET", "history/v1.0", f"{of_run}/path/logs/a.txt")["value"]
    assert [one["path"] for one in listed] == ["logs/a.txt"]
    (tmp_path / "up.txt").write_text("text")
    run.upload_file("up.txt", str(tmp_path / "up.txt"))
    address = wire.ask("GET", "history/v1.0", f"{of_run}/artifacturi/up.txt")
    text = address.decode() if isinstance(address, bytes) else address
    assert wire.client.get(text, headers={"Authorization": ""}).text == "text"


# pipelines


def test_what_pipelines_are_made_of_can_be_replaced(wire: Wire) -> None:
    kind = {"Id": f"type-{uuid.uuid4()}", "Name": "before"}
    kind = wire.ask("POST", "pipelines/v1.0", "/DataTypes", json=kind)
    path = f"/DataTypes/{kind['Id']}"
    assert (
        wire.ask("PUT", "pipelines/v1.0", path, json={**kind, "Name": "after"})["Name"] == "after"
    )
    module = {"Name": "before", "ModuleExecutionType": "escloud", "ModuleType": "None"}
    module = wire.ask("POST", "pipelines/v1.0", "/Modules", json=module)
    path = f"/Modules/{module['Id']}"
    wire.ask("PUT", "pipelines/v1.0", path, json={**module, "Name": "after"})
    assert wire.ask("GET", "pipelines/v1.0", path)["Data"]["Name"] == "after"
    source = {
        "Name": "before",
        "DataTypeId": "AnyFile",
        "DataStoreName": "workspaceblobstore",
        "PathOnDataStore": "x",
    }
    source = wire.ask("POST", "pipelines/v1.0", "/DataSources", json=source)
    path = f"/DataSources/{source['Id']}"
    wire.ask("PUT", "pipelines/v1.0", path, json={**source, "Name": "after"})
    assert wire.ask("GET", "pipelines/v1.0", path)["Name"] == "after"


def test_a_nodes_status_is_told_by_itself_and_with_all(
    wire: Wire, workspace: Any, tmp_path: Path
) -> None:
    from azureml.core import Experiment
    from azureml.core.compute import AmlCompute, ComputeTarget
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import PythonScriptStep

    cluster = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=1)
    ComputeTarget.create(workspace, "nodes", cluster).wait_for_completion()
    (tmp_path / "step.py").write_text("print('fine')")
    step = PythonScriptStep("step.py", source_directory=str(tmp_path), compute_target="nodes")
    run = Experiment(workspace, "operations").submit(Pipeline(workspace, [step]))
    run.wait_for_completion(show_output=False)
    graph = f"/PipelineRuns/{run.id}/Graph"
    codes = wire.ask("POST", "pipelines/v1.0", f"{graph}/AllNodes/StatusCode", json=[])
    assert list(codes.values()) == ["Finished"]
    one = wire.ask("POST", "pipelines/v1.0", f"{graph}/Node/Status", json=list(codes))
    assert one["StatusCode"] == "Finished"
    assert one["StartTime"] < one["EndTime"]


# images and services: there are none, and that is said


def test_an_image_is_described_and_never_built(wire: Wire) -> None:
    names = [one["name"] for one in wire.ask("GET", "environment/v1.0", "/environments")["value"]]
    path = f"/environments/{names[0]}/image"
    assert wire.ask("GET", "environment/v1.0", path)["imageExistsInRegistry"] is False
    build = f"{ME.services_url}/environment/v2.0/{ME.arm_scope}{path}"
    answer = wire.client.post(build, json={})
    assert answer.status_code == 501
    assert "Docker images are not built here" in answer.text
