"""Clusters by the SDK: made, scaled, deleted, by the service's clock and within quotas."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from azureml_loopback.clock import Clock
from azureml_loopback.errors import Conflict, NotFound, NotImplementedHere
from azureml_loopback.identity import Identity
from azureml_loopback.services.arm import computes
from azureml_loopback.store import Store


def create(workspace: Any, name: str, **settings: Any) -> Any:
    from azureml.core.compute import AmlCompute, ComputeTarget

    given = {"vm_size": "STANDARD_D2_V2", "max_nodes": 1, **settings}
    return ComputeTarget.create(workspace, name, AmlCompute.provisioning_configuration(**given))


def pass_time(loopback: Any) -> None:
    """Let what is in the making be made, as far as the service knows."""
    loopback.control("POST", "clock", {"seconds": computes.PROVISIONING.total_seconds()})


@pytest.fixture(scope="module")
def cluster(loopback: Any, workspace: Any) -> Any:
    made = create(workspace, "cluster", min_nodes=1, max_nodes=3, tags={"for": "tests"})
    assert made.provisioning_state == "Creating"
    pass_time(loopback)
    made.wait_for_completion(show_output=True, min_node_count=1, timeout_in_minutes=1)
    return made


def test_a_cluster_is_provisioned(workspace: Any, cluster: Any) -> None:
    from azureml.core.compute import ComputeTarget

    found = ComputeTarget(workspace, "cluster")
    assert found.provisioning_state == "Succeeded"
    assert (found.vm_size, found.vm_priority) == ("STANDARD_D2_V2", "Dedicated")
    assert found.scale_settings.maximum_node_count == 3
    assert found.tags == {"for": "tests"}
    status = found.get_status().serialize()
    assert (status["currentNodeCount"], status["allocationState"]) == (1, "Steady")
    assert status["nodeStateCounts"]["idleNodeCount"] == 1
    assert workspace.compute_targets["cluster"].id == found.id
    assert [node["nodeState"] for node in found.list_nodes()] == ["idle"]


def test_a_run_occupies_a_node(
    workspace: Any, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azureml._restclient.models import CreateRunDto
    from azureml.core import Experiment

    monkeypatch.chdir(tmp_path)  # the SDK writes logs beside the script
    run = Experiment(workspace, "on-nodes").start_logging(snapshot_directory=None)
    dto = CreateRunDto(run_id=run.id, target="cluster")
    run._client.run.patch_run(dto)
    status = cluster.get_status()
    assert status.node_state_counts.running_node_count == 1
    assert [node["runId"] for node in cluster.list_nodes()] == [run.id]
    run.complete()
    assert cluster.get_status().node_state_counts.running_node_count == 0


def test_scale_settings_change(loopback: Any, workspace: Any, cluster: Any) -> None:
    cluster.update(min_nodes=2, max_nodes=4, idle_seconds_before_scaledown=120)
    pass_time(loopback)
    cluster.wait_for_completion(timeout_in_minutes=1)
    settings = cluster.get_status().scale_settings
    assert (settings.minimum_node_count, settings.maximum_node_count) == (2, 4)
    assert settings.idle_seconds_before_scaledown == 120
    assert len(cluster.list_nodes()) == 2
    again = create(workspace, "cluster", min_nodes=0, max_nodes=3)
    pass_time(loopback)
    assert again.get_status().current_node_count == 0


def test_a_deleted_cluster_is_gone(loopback: Any, workspace: Any) -> None:
    from azureml.core.compute import ComputeTarget
    from azureml.exceptions import ComputeTargetException

    made = create(workspace, "short-lived")
    made.delete()
    assert ComputeTarget(workspace, "short-lived").provisioning_state == "Deleting"
    with pytest.raises(ComputeTargetException, match="is being deleted"):
        create(workspace, "short-lived")
    pass_time(loopback)
    made.wait_for_completion(is_delete_operation=True)
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        ComputeTarget(workspace, "short-lived")
    assert "short-lived" not in workspace.compute_targets
    assert create(workspace, "short-lived").provisioning_state == "Creating"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("wrong", {"vm_size": "STANDARD_D2_V9"}, "'STANDARD_D2_V9' is not supported.*such as"),
        ("wrong", {"max_nodes": 101}, "maxNodeCount of 101 is above the limit of 100"),
        ("wrong", {"vm_size": "STANDARD_D14_V2", "min_nodes": 7, "max_nodes": 8},
         "vCPU quota of 100 and is less than the requested min nodes of 7 which maps to 112 vCPUs"),
        ("wrong", {"vm_priority": "cheap"}, "vmPriority: found 'cheap', allowed: Dedicated"),
        ("with_underscore", {}, "'with_underscore' is no compute name"),
        ("cluster", {"vm_size": "STANDARD_D3_V2"}, "vmSize of compute 'cluster' is STANDARD_D2_V2"),
    ],
)  # fmt: skip
def test_what_cannot_be_provisioned_is_refused(
    workspace: Any, cluster: Any, name: str, settings: dict[str, Any], message: str
) -> None:
    from azureml.exceptions import ComputeTargetException

    with pytest.raises(ComputeTargetException, match=r"(?s)Response Code: 400") as refused:
        create(workspace, name, **settings)
    assert refused.match(message.replace("'", r"\\?'"))


@pytest.fixture
def little_quota(workspace: Any) -> Iterator[None]:
    from azureml.core.compute import AmlCompute

    AmlCompute.update_quotas(workspace, "standardNCFamily", limit=0)
    yield
    AmlCompute.update_quotas(workspace, "standardNCFamily", limit=None)


def test_a_cluster_needs_quota_for_one_node(workspace: Any, little_quota: None) -> None:
    from azureml.core.compute import AmlCompute
    from azureml.exceptions import ComputeTargetException

    with pytest.raises(ComputeTargetException, match="cannot accomodate for at least 1 requested"):
        create(workspace, "gpu", vm_size="STANDARD_NC6")
    limits = {quota["name"]["value"]: quota["limit"] for quota in AmlCompute.list_quotas(workspace)}
    assert (limits["standardNCFamily"], limits["standardDv2Family"]) == (0, 100)


def test_quotas_stay_within_the_subscription_s(
    workspace: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from azureml.core.compute import AmlCompute

    AmlCompute.update_quotas(workspace, "standardDv2Family", limit=5000)
    AmlCompute.update_quotas(workspace, "noFamily", limit=1)
    said = capsys.readouterr().out
    assert "invalidQuotaExceedsSubscriptionLimit" in said
    assert "invalidVMFamilyName" in said


def test_sizes_and_usages_are_listed(loopback: Any, workspace: Any) -> None:
    from azureml.core.compute import AmlCompute

    sizes = {size["name"]: size for size in AmlCompute.supported_vmsizes(workspace)}
    assert sizes["Standard_NC6"]["gpus"] == 1
    assert sizes["Standard_D2_v2"]["vCPUs"] == 2
    create(workspace, "in-use", vm_size="STANDARD_F4S_V2", min_nodes=2, max_nodes=2)
    pass_time(loopback)
    used = {usage["name"]["value"]: usage["currentValue"]
            for usage in AmlCompute.list_usages(workspace)}  # fmt: skip
    assert used["standardFSv2Family"] == 8


# the state alone, by a clock that the test holds


@pytest.fixture
def store() -> Store:
    return Store(":memory:", Clock(lambda: 0.0))


def resource(**settings: Any) -> dict[str, Any]:
    scale = {"minNodeCount": 0, "maxNodeCount": 2}
    properties = {"vmSize": "Standard_D2_v2", "scaleSettings": scale, **settings}
    return {"properties": {"computeType": "AmlCompute", "properties": properties}}


def test_states_follow_from_the_time(store: Store) -> None:
    _, operation, is_new = computes.create(store, "c1", resource())

    def state() -> str:
        shown = computes.shown(store, Identity(), computes.compute(store, "C1"), running=0)
        return str(shown["properties"]["provisioningState"])

    assert (is_new, state()) == (True, "Creating")
    assert computes.operation(store, operation)["status"] == "InProgress"
    store.clock.advance(computes.PROVISIONING)
    assert (state(), computes.operation(store, operation)["status"]) == ("Succeeded", "Succeeded")
    assert computes.max_nodes(store, "c1") == 2
    computes.delete(store, "c1")
    assert state() == "Deleting"
    with pytest.raises(Conflict):
        computes.scale(store, "c1", {"properties": {"properties": {"scaleSettings": {}}}})
    store.clock.advance(timedelta(minutes=1))
    with pytest.raises(NotFound, match="no compute 'c1'; there are: none"):
        computes.compute(store, "c1")


def test_a_password_goes_in_and_not_out(store: Store) -> None:
    account = {"adminUserName": "me", "adminUserPassword": "secret"}
    cluster, *_ = computes.create(store, "c1", resource(userAccountCredentials=account))
    shown = computes.shown(store, Identity(), cluster, running=0)
    assert shown["properties"]["properties"]["userAccountCredentials"] == {"adminUserName": "me"}


def test_other_kinds_and_settings_are_refused_by_name(store: Store) -> None:
    with pytest.raises(NotImplementedHere, match=r"ComputeInstance are not implemented"):
        computes.create(store, "c1", {"properties": {"computeType": "ComputeInstance"}})
    with pytest.raises(NotImplementedHere, match="virtualMachineImage is not implemented"):
        computes.create(store, "c1", resource(virtualMachineImage={"id": "x"}))
    computes.create(store, "c1", resource())
    with pytest.raises(NotImplementedHere, match="Only a cluster's scaleSettings"):
        computes.scale(store, "c1", {"identity": {"type": "SystemAssigned"}})
