"""Published pipelines and endpoints over HTTP."""

from __future__ import annotations

from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import BadRequest
from azureml_loopback.routing import Call, Routes
from azureml_loopback.services.pipelines import endpoints, published, state

routes = Routes("/pipelines/v1.0/{scope}")

_LARGEST_BATCH = 100
"""Endpoints in an answer where the client does not say."""


@routes.post("Pipelines/Create")
def publish(call: Call) -> Any:
    """Publish a graph."""
    info = wire.check("aeva.PipelineCreationInfo", call.object())
    return wire.answer("aeva.PipelineEntity", published.publish(call.loopback, info))


@routes.get("Pipelines", query=("activeOnly",))
def pipelines(call: Call) -> list[Any]:
    """List the published pipelines."""
    found = published.listed(call.loopback.store, active_only=active_only(call))
    return wire.answers("aeva.PipelineEntity", found)


@routes.get("Pipelines/{pipeline}")
def pipeline(call: Call) -> Any:
    """Return a published pipeline."""
    found = published.get(call.loopback.store, call.parts["pipeline"])
    return wire.answer("aeva.PipelineEntity", found)


@routes.put("Pipelines/{pipeline}/status")
def set_pipeline_status(call: Call) -> dict[str, Any]:
    """Enable or disable a published pipeline."""
    published.set_status(call.loopback.store, call.parts["pipeline"], call.json)
    return {}


@routes.post("PipelineRuns/PipelineSubmit/{pipeline}", query=("parentRunId",))
def submit_pipeline(call: Call) -> Any:
    """Run a published pipeline; its REST endpoint."""
    run = published.submit(
        call.loopback,
        call.parts["pipeline"],
        wire.check("aeva.PipelineSubmissionInfo", call.object()),
        parent_run_id=call.query.get("parentRunId"),
    )
    return wire.answer("aeva.PipelineRunEntity", run)


@routes.get("PipelineRuns/Pipeline/{pipeline}")
def runs_of_pipeline(call: Call) -> list[Any]:
    """List the runs of a published pipeline."""
    store = call.loopback.store
    found = state.runs_of_pipeline(store, published.get(store, call.parts["pipeline"])["Id"])
    return wire.answers("aeva.PipelineRunEntity", found)


@routes.post("PipelineEndpoints/Create")
def create_endpoint(call: Call) -> Any:
    """Make an endpoint."""
    info = wire.check("aeva.PipelineEndpointCreationInfo", call.object())
    return wire.answer("aeva.PipelineEndpointEntity", endpoints.create(call.loopback, info))


@routes.get("PipelineEndpoints", query=("activeOnly",))
def all_endpoints(call: Call) -> list[Any]:
    """List the endpoints, at most as many as the header ``BatchSize`` says."""
    size = call.headers.get("BatchSize") or str(_LARGEST_BATCH)
    if not size.isdecimal():
        raise BadRequest(f"Header BatchSize: found '{size}', a number is allowed")
    found = endpoints.listed(call.loopback.store, active_only=active_only(call), limit=int(size))
    return wire.answers("aeva.PipelineEndpointEntity", found)


@routes.get("PipelineEndpoints/Id/{endpoint}")
def endpoint(call: Call) -> Any:
    """Return an endpoint."""
    found = endpoints.get(call.loopback.store, call.parts["endpoint"])
    return wire.answer("aeva.PipelineEndpointEntity", found)


@routes.get("PipelineEndpoints/Name", query=("Name",))
def endpoint_by_name(call: Call) -> Any:
    """Return an endpoint by its name."""
    found = endpoints.named(call.loopback.store, call.query.get("Name", ""))
    return wire.answer("aeva.PipelineEndpointEntity", found)


@routes.put("PipelineEndpoints/{endpoint}")
def update_endpoint(call: Call) -> Any:
    """Change an endpoint."""
    updated = wire.check("aeva.PipelineEndpointEntity", call.object())
    changed = endpoints.update(call.loopback.store, call.parts["endpoint"], updated)
    return wire.answer("aeva.PipelineEndpointEntity", changed)


@routes.get("PipelineEndpoints/{endpoint}/pipelines", query=("activeOnly",))
def pipelines_of_endpoint(call: Call) -> list[Any]:
    """List the pipelines of an endpoint."""
    found = endpoints.pipelines(
        call.loopback.store, call.parts["endpoint"], active_only=active_only(call)
    )
    return wire.answers("aeva.PipelineEntity", found)


@routes.post(
    "PipelineRuns/PipelineEndpointSubmit/Id/{endpoint}",
    "PipelineRuns/PipelineEndpointSubmit/Id/{endpoint}/{version}",  # as the SDK asks
    query=("parentRunId", "pipelineVersion"),
)
def submit_endpoint(call: Call) -> Any:
    """Run an endpoint's pipeline; its REST endpoint."""
    return _submit(call, endpoints.get(call.loopback.store, call.parts["endpoint"]))


@routes.post(
    "PipelineRuns/PipelineEndpointSubmit/Name",  # as Azure's guide writes the address
    "PipelineRuns/PipelineEndpointSubmit/Name/{endpoint}",
    query=("name", "parentRunId", "pipelineVersion"),
)
def submit_endpoint_by_name(call: Call) -> Any:
    """Run an endpoint's pipeline by the endpoint's name."""
    name = call.parts.get("endpoint") or call.query.get("name")
    if not name:
        raise BadRequest("The address names no endpoint; add ?name=ENDPOINT")
    return _submit(call, endpoints.named(call.loopback.store, name))


def active_only(call: Call) -> bool:
    """Say whether a list is to leave out what is disabled."""
    return call.query.get("activeOnly", "false").lower() == "true"


def _submit(call: Call, found: dict[str, Any]) -> Any:
    run = endpoints.submit(
        call.loopback,
        found,
        wire.check("aeva.PipelineSubmissionInfo", call.object()),
        version=call.parts.get("version") or call.query.get("pipelineVersion"),
        parent_run_id=call.query.get("parentRunId"),
    )
    return wire.answer("aeva.PipelineRunEntity", run)
