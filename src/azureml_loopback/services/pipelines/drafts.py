"""Pipeline drafts: graphs with their settings that are changed before they are run or published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.services.pipelines import entities, published, state

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document, Store

_DRAFT = "pipeline draft"
_GRAPH = "graph draft"


def create_graph(store: Store, graph: Mapping[str, Any]) -> Document:
    """Keep a GraphDraftEntity."""
    return _insert(store, _GRAPH, graph)


def graph(store: Store, graph_id: str) -> Document:
    """Return a GraphDraftEntity.

    Raises:
        NotFound: There is none.
    """
    return store.get(_GRAPH, graph_id)


def update_graph(store: Store, graph_id: str, updated: Mapping[str, Any]) -> Document:
    """Replace a GraphDraftEntity.

    Raises:
        NotFound: There is none.
    """
    return _update(store, _GRAPH, graph_id, updated)


def delete_graph(store: Store, graph_id: str) -> None:
    """Forget a GraphDraftEntity.

    Raises:
        NotFound: There is none.
    """
    graph(store, graph_id)
    store.delete(_GRAPH, graph_id)


def create(store: Store, draft: Mapping[str, Any]) -> Document:
    """Keep a PipelineDraftEntity.

    Raises:
        NotFound: There is no such graph draft.
    """
    graph(store, draft.get("GraphDraftId") or "")
    return _with_values(store, _insert(store, _DRAFT, draft))


def get(store: Store, draft_id: str) -> Document:
    """Return a PipelineDraftEntity, with a value for each of its graph's parameters.

    Raises:
        NotFound: There is none.
    """
    return _with_values(store, store.get(_DRAFT, draft_id))


def update(store: Store, draft_id: str, updated: Mapping[str, Any]) -> Document:
    """Replace a PipelineDraftEntity.

    Raises:
        NotFound: There is none.
    """
    return _with_values(store, _update(store, _DRAFT, draft_id, updated))


def delete(store: Store, draft_id: str) -> None:
    """Forget a PipelineDraftEntity and its graph.

    Raises:
        NotFound: There is none.
    """
    with store.transaction():
        store.delete(_GRAPH, store.get(_DRAFT, draft_id)["GraphDraftId"])
        store.delete(_DRAFT, draft_id)


def listed(store: Store, tags: Mapping[str, str]) -> list[Document]:
    """Return the drafts that have all of these tags, newest first."""
    wanted = tags.items()
    drafts = store.list(_DRAFT, newest_first=True)
    found = [draft for draft in drafts if wanted <= (draft.get("tags") or {}).items()]
    return [_with_values(store, draft) for draft in found]


def submit(loopback: Loopback, draft_id: str, parent_run_id: str | None = None) -> Document:
    """Run a draft as it is now, and return the PipelineRunEntity.

    Raises:
        NotFound: There is no such draft, or a module of its graph is gone.
        BadRequest: It names no experiment, or a parameter that its graph does not have.
    """
    store = loopback.store
    with store.transaction():
        draft = store.get(_DRAFT, draft_id)
        info = draft.get("PipelineSubmissionInfo") or {}
        graph_id = entities.save_graph(store, *_graph_and_interface(store, draft))
        run = state.create_run(store, info.get("ExperimentName") or "", info, graph_id)
        _update(store, _DRAFT, draft_id, {"LastSubmittedPipelineRunId": run["Id"]})
        return state.submit(loopback, run["Id"], parent_run_id)


def publish(loopback: Loopback, draft_id: str) -> Document:
    """Publish a draft as it is now, and return the PipelineEntity.

    Raises:
        NotFound: There is no such draft, or a module of its graph is gone.
    """
    draft = get(loopback.store, draft_id)
    kept, interface = _graph_and_interface(loopback.store, draft)
    submission = draft.get("PipelineSubmissionInfo") or {}
    assignments = ("ParameterAssignments", "DataPathAssignments")
    datasets = "DataSetDefinitionValueAssignments"
    return published.publish(
        loopback,
        {
            "Name": draft.get("Name"),
            "Description": draft.get("Description"),
            "Graph": kept,
            "GraphInterface": interface,
            "ContinueRunOnStepFailure": submission.get("ContinueRunOnStepFailure"),
            **{name: submission.get(name) for name in (*assignments, datasets)},
        },
    )


def clone(store: Store, draft_id: str) -> Document:
    """Copy a draft.

    Raises:
        NotFound: There is none.
    """
    draft = get(store, draft_id)
    copied = create_graph(store, graph(store, draft["GraphDraftId"]))
    return create(store, {**draft, "GraphDraftId": copied["Id"], "ParentPipelineDraftId": draft_id})


def from_run(store: Store, run_id: str) -> Document:
    """Make a draft of a run's graph and settings.

    Raises:
        NotFound: There is no such run.
    """
    run = state.get_run(store, run_id)
    submission = {
        "ExperimentName": run["RunHistoryExperimentName"],
        "ContinueRunOnStepFailure": run["_continueOnStepFailure"],
    }
    draft = {
        "Name": run.get("Description") or run_id,
        "Description": run.get("Description"),
        "ParentPipelineRunId": run_id,
    }
    return _from_entity(store, run, draft, submission)


def from_published(store: Store, pipeline_id: str) -> Document:
    """Make a draft of a published pipeline.

    Raises:
        NotFound: There is no such pipeline.
    """
    pipeline = published.get(store, pipeline_id)
    submission = {"ContinueRunOnStepFailure": pipeline["ContinueRunOnStepFailure"]}
    draft = {
        "Name": pipeline["Name"],
        "Description": pipeline["Description"],
        "ParentPipelineId": pipeline_id,
    }
    return _from_entity(store, pipeline, draft, submission)


def _from_entity(
    store: Store, entity: Document, draft: Mapping[str, Any], submission: Mapping[str, Any]
) -> Document:
    """Make a draft of what a run and a published pipeline have in common."""
    names = ("ParameterAssignments", "DataSetDefinitionValueAssignments")
    kept = entities.graph(store, entity["GraphId"])
    with store.transaction():
        copied = create_graph(
            store,
            {
                **{name: kept.get(name) for name in ("ModuleNodes", "DatasetNodes", "Edges")},
                "EntityInterface": entities.interface(store, entity["GraphId"]),
            },
        )
        info = {**submission, **{name: entity[name] for name in names}}
        return create(
            store, {**draft, "GraphDraftId": copied["Id"], "PipelineSubmissionInfo": info}
        )


def _with_values(store: Store, draft: Document) -> Document:
    """Fill in the defaults of the parameters, which the SDK looks for where it reads the graph."""
    submission = draft.get("PipelineSubmissionInfo") or {}
    kept = store.find(_GRAPH, draft["GraphDraftId"]) or {}  # the SDK deletes the graph first
    interface = kept.get("EntityInterface") or {}
    values = {
        "ParameterAssignments": state.parameter_values(interface, submission),
        "DataSetDefinitionValueAssignments": state.dataset_values(interface, submission),
    }
    return {**draft, "PipelineSubmissionInfo": {**submission, **values}}


def _graph_and_interface(store: Store, draft: Document) -> tuple[Document, Document]:
    kept = graph(store, draft["GraphDraftId"])
    names = ("ModuleNodes", "DatasetNodes", "Edges", "DefaultCompute")
    return {name: kept.get(name) for name in names}, kept.get("EntityInterface") or {}


def _insert(store: Store, kind: str, values: Mapping[str, Any]) -> Document:
    entity_id, now = store.new_id(), store.clock.text()
    stamps = {"Id": entity_id, "CreatedDate": now, "LastModifiedDate": now}
    return store.insert(kind, entity_id, {**values, **stamps})


def _update(store: Store, kind: str, entity_id: str, updated: Mapping[str, Any]) -> Document:
    now = store.clock.text()
    return store.update(
        kind,
        entity_id,
        lambda before: {
            **before,
            **updated,
            "Id": entity_id,
            "CreatedDate": before["CreatedDate"],
            "LastModifiedDate": now,
        },
    )
