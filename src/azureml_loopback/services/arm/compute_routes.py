"""Computes and quotas as Azure Resource Manager and the workspace's own ``/rp`` answer for them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from azureml_loopback.context import Loopback
from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.arm import computes, quotas
from azureml_loopback.services.arm.vm_sizes import SIZES
from azureml_loopback.services.history import state as history
from azureml_loopback.store import Document

_PROVIDER = "subscriptions/{subscription}/providers/Microsoft.MachineLearningServices"

routes = Routes("/{scope}/computes")
location_routes = Routes(f"/{_PROVIDER}/locations/{{location}}")
rp_routes = Routes("/rp/workspaces/{scope}/computes")
services = [routes, location_routes, rp_routes]

_ON_NODES = frozenset({"Preparing", "Running", "Finalizing"})
"""Statuses of a run that occupies a node."""


@rp_routes.get("")
@routes.get("")
def list_computes(call: Call) -> dict[str, Any]:
    """List clusters."""
    running = _running(call.loopback)
    found = computes.computes(call.loopback.store)
    return {"value": [_shown(call.loopback, cluster, running) for cluster in found]}


@rp_routes.get("{name}")
@routes.get("{name}")
def get_compute(call: Call) -> dict[str, Any]:
    """Return a cluster as it is now."""
    cluster = computes.compute(call.loopback.store, call.parts["name"])
    return _shown(call.loopback, cluster, _running(call.loopback))


@routes.put("{name}")
def create_compute(call: Call) -> Answer:
    """Make a cluster; it is ready when its operation has succeeded."""
    loopback, name = call.loopback, call.parts["name"]
    cluster, operation, is_new = computes.create(loopback.store, name, call.object())
    shown = _shown(loopback, cluster, _running(loopback))
    return Answer(shown, 201 if is_new else 200, _headers(call, operation))


@routes.patch("{name}")
def scale_compute(call: Call) -> Answer:
    """Change a cluster's scale settings."""
    loopback, name = call.loopback, call.parts["name"]
    cluster, operation = computes.scale(loopback.store, name, call.object())
    shown = _shown(loopback, cluster, _running(loopback))
    return Answer(shown, 200, _headers(call, operation) if operation else {})


@routes.delete("{name}", query=("underlyingResourceAction",))
def delete_compute(call: Call) -> Answer:
    """Remove a cluster."""
    action = call.query.get("underlyingResourceAction", "")
    if action.lower() != "delete":
        raise BadRequest(
            f"A cluster can only be deleted, and underlyingResourceAction is '{action}'"
        )
    operation = computes.delete(call.loopback.store, call.parts["name"])
    return Answer(status=202, headers=_headers(call, operation))


@routes.post("{name}/listNodes")
def list_nodes(call: Call) -> dict[str, Any]:
    """List a cluster's nodes, and which run is on each."""
    cluster = computes.compute(call.loopback.store, call.parts["name"])
    runs = [run["runId"] for run in _runs_on_nodes(call.loopback, cluster["name"])]
    count = computes.node_count(cluster, len(runs))
    return {"nodes": [_node(number, runs) for number in range(count)]}


@location_routes.get("computeOperationsStatus/{operation}")
def operation_status(call: Call) -> dict[str, Any]:
    """Say how an operation on a cluster goes."""
    _check_location(call)
    return computes.operation(call.loopback.store, call.parts["operation"])


@location_routes.get("vmSizes")
def vm_sizes(call: Call) -> dict[str, Any]:
    """List the sizes that a cluster's nodes can have."""
    _check_location(call)
    sizes = [
        {
            "name": size.name,
            "family": size.family,
            "vCPUs": size.cores,
            "gpus": size.gpus,
            "memoryGB": size.memory_gb,
            "maxResourceVolumeMB": size.disk_mb,
        }
        for size in SIZES.values()
    ]
    return {"amlCompute": sizes}


@location_routes.get("usages", query=("expandChildren",))
def usages(call: Call) -> dict[str, Any]:
    """List the virtual CPUs in use by family. There is one workspace, so nothing to expand."""
    _check_location(call)
    used = computes.cores_in_use(call.loopback.store, _running(call.loopback))
    return {"value": quotas.usages(call.loopback.store, call.loopback.identity, used)}


@location_routes.get("quotas")
def list_quotas(call: Call) -> dict[str, Any]:
    """List the workspace's quotas."""
    _check_location(call)
    return {"value": quotas.quotas(call.loopback.store, call.loopback.identity)}


@location_routes.post("updateQuotas")
def update_quotas(call: Call) -> dict[str, Any]:
    """Change quotas."""
    _check_location(call)
    return {"value": quotas.set_quotas(call.loopback.store, call.object().get("value") or [])}


def _shown(loopback: Loopback, cluster: Document, running: Counter[str]) -> Document:
    count = running[cluster["name"].lower()]
    return computes.shown(loopback.store, loopback.identity, cluster, count)


def _running(loopback: Loopback) -> Counter[str]:
    """Return how many runs are on the nodes of each compute, by its lower-cased name."""
    targets = (run.get("target") for run in _runs_on_nodes(loopback))
    return Counter(target.lower() for target in targets if target)


def _runs_on_nodes(loopback: Loopback, name: str | None = None) -> list[Document]:
    return [
        run
        for run in history.runs(loopback.store)
        if run["status"] in _ON_NODES
        and (name is None or (run.get("target") or "").lower() == name.lower())
    ]


def _node(number: int, runs: list[str]) -> dict[str, Any]:
    run_id = runs[number] if number < len(runs) else None
    return {
        "nodeId": f"tvmps_{number}",
        "privateIpAddress": "127.0.0.1",
        "publicIpAddress": None,
        "port": None,
        "nodeState": "running" if run_id else "idle",
        "runId": run_id,
    }


def _headers(call: Call, operation: str) -> dict[str, str]:
    identity = call.loopback.identity
    provider = _PROVIDER.replace("{subscription}", identity.subscription_id)
    url = f"https://{call.host}/{provider}/locations/{identity.location}"
    version = call.query.get("api-version", "")
    status = f"{url}/computeOperationsStatus/{operation}?api-version={version}"
    return {"Azure-AsyncOperation": status, "Location": status}


def _check_location(call: Call) -> None:
    location = call.loopback.identity.location
    if call.parts["location"].lower() != location:
        raise NotFound(f"There is no location '{call.parts['location']}'; there is '{location}'")
