"""Pipeline drafts and their graphs over HTTP."""

from __future__ import annotations

from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import BadRequest
from azureml_loopback.routing import Call, Routes
from azureml_loopback.services.pipelines import drafts

routes = Routes("/pipelines/v1.0/{scope}")

_DRAFT, _GRAPH = "aeva.PipelineDraftEntity", "aeva.GraphDraftEntity"


@routes.post("PipelineDrafts/Create")
def create(call: Call) -> Any:
    """Make a draft."""
    draft = wire.check(_DRAFT, call.object())
    return wire.answer(_DRAFT, drafts.create(call.loopback.store, draft))


@routes.post("PipelineDrafts")
def listed(call: Call) -> list[Any]:
    """List the drafts that have the tags in the body."""
    tags = call.json or {}
    if not isinstance(tags, dict):
        raise BadRequest("The body must be an object of tags")
    return wire.answers(_DRAFT, drafts.listed(call.loopback.store, tags))


@routes.get("PipelineDrafts/{draft}")
def get(call: Call) -> Any:
    """Return a draft."""
    return wire.answer(_DRAFT, drafts.get(call.loopback.store, call.parts["draft"]))


@routes.put("PipelineDrafts/{draft}")
def update(call: Call) -> Any:
    """Change a draft."""
    updated = wire.check(_DRAFT, call.object())
    return wire.answer(_DRAFT, drafts.update(call.loopback.store, call.parts["draft"], updated))


@routes.delete("PipelineDrafts/{draft}")
def delete(call: Call) -> dict[str, Any]:
    """Forget a draft."""
    drafts.delete(call.loopback.store, call.parts["draft"])
    return {}


@routes.get("PipelineDrafts/Clone/{draft}")
def clone(call: Call) -> Any:
    """Copy a draft."""
    return wire.answer(_DRAFT, drafts.clone(call.loopback.store, call.parts["draft"]))


@routes.get("PipelineDrafts/ClonePipelineRun/{run}")
def from_run(call: Call) -> Any:
    """Make a draft of a run."""
    return wire.answer(_DRAFT, drafts.from_run(call.loopback.store, call.parts["run"]))


@routes.get("PipelineDrafts/ClonePublished/{pipeline}")
def from_published(call: Call) -> Any:
    """Make a draft of a published pipeline."""
    return wire.answer(_DRAFT, drafts.from_published(call.loopback.store, call.parts["pipeline"]))


@routes.post("PipelineRuns/PipelineDraftSubmit", query=("parentRunId",))
def submit(call: Call) -> Any:
    """Run the draft in the body."""
    run = drafts.submit(call.loopback, _draft_id(call), call.query.get("parentRunId"))
    return wire.answer("aeva.PipelineRunEntity", run)


@routes.post("Pipelines/PipelineDraftCreate")
def publish(call: Call) -> Any:
    """Publish the draft in the body."""
    return wire.answer("aeva.PipelineEntity", drafts.publish(call.loopback, _draft_id(call)))


@routes.post("GraphDrafts")
def create_graph(call: Call) -> Any:
    """Make a graph to draft on."""
    graph = wire.check(_GRAPH, call.object())
    return wire.answer(_GRAPH, drafts.create_graph(call.loopback.store, graph))


@routes.get("GraphDrafts/{graph}")
def get_graph(call: Call) -> Any:
    """Return a drafted graph."""
    return wire.answer(_GRAPH, drafts.graph(call.loopback.store, call.parts["graph"]))


@routes.put("GraphDrafts/{graph}")
def update_graph(call: Call) -> Any:
    """Change a drafted graph."""
    updated = wire.check(_GRAPH, call.object())
    found = drafts.update_graph(call.loopback.store, call.parts["graph"], updated)
    return wire.answer(_GRAPH, found)


@routes.delete("GraphDrafts/{graph}")
def delete_graph(call: Call) -> dict[str, Any]:
    """Forget a drafted graph."""
    drafts.delete_graph(call.loopback.store, call.parts["graph"])
    return {}


def _draft_id(call: Call) -> str:
    draft_id = wire.check(_DRAFT, call.object()).get("Id")
    if not draft_id:
        raise BadRequest("The draft in the body has no Id")
    return str(draft_id)
