"""Published pipelines: graphs that can be run again by anyone who has their address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import BadRequest
from azureml_loopback.services.pipelines import entities, state

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.identity import Identity
    from azureml_loopback.store import Document, Store

STATUSES = ("Active", "Deprecated", "Disabled")

_KIND = "published pipeline"


def publish(loopback: Loopback, info: Mapping[str, Any]) -> Document:
    """Publish the graph of a PipelineCreationInfo, and return the PipelineEntity.

    Raises:
        NotFound: The graph names a module that there is not.
    """
    store = loopback.store
    with store.transaction():
        interface = info.get("GraphInterface") or {}
        graph_id = entities.save_graph(store, info["Graph"], interface)
        pipeline_id, now = store.new_id(), store.clock.text()
        pipeline = {
            "Id": pipeline_id,
            "Name": info.get("Name"),
            "Description": info.get("Description"),
            "Version": info.get("Version"),
            "GraphId": graph_id,
            "TotalRunSteps": len(info["Graph"].get("ModuleNodes") or []),
            "ParameterAssignments": state.parameter_values(interface, info),
            "DataSetDefinitionValueAssignments": state.dataset_values(interface, info),
            "ContinueRunOnStepFailure": info.get("ContinueRunOnStepFailure"),
            "EnableNotification": info.get("EnableNotification"),
            "Properties": info.get("Properties") or {},
            "Url": address(loopback.identity, f"PipelineSubmit/{pipeline_id}"),
            "EntityStatus": "Active",
            "CreatedDate": now,
            "LastModifiedDate": now,
        }
        return store.insert(_KIND, pipeline_id, pipeline)


def get(store: Store, pipeline_id: str) -> Document:
    """Return a PipelineEntity.

    Raises:
        NotFound: There is none.
    """
    return store.get(_KIND, pipeline_id)


def listed(store: Store, *, active_only: bool) -> list[Document]:
    """Return the published pipelines, newest first."""
    found = store.list(_KIND, newest_first=True)
    return [pipeline for pipeline in found if is_active(pipeline) or not active_only]


def is_active(entity: Document) -> bool:
    """Say whether a pipeline, an endpoint or a schedule may be used."""
    return bool(entity["EntityStatus"] == "Active")


def set_status(store: Store, pipeline_id: str, status: Any) -> Document:
    """Enable or disable a pipeline.

    Raises:
        NotFound: There is no such pipeline.
        BadRequest: There is no such status.
    """
    changed = {"EntityStatus": checked_status(status), "LastModifiedDate": store.clock.text()}
    return store.update(_KIND, pipeline_id, lambda pipeline: {**pipeline, **changed})


def submit(
    loopback: Loopback,
    pipeline_id: str,
    submission: Mapping[str, Any],
    *,
    parent_run_id: str | None = None,
    schedule_id: str | None = None,
) -> Document:
    """Run a pipeline.

    Args:
        loopback: The service.
        pipeline_id: Which.
        submission: A PipelineSubmissionInfo; what it leaves out is as the pipeline has it.
        parent_run_id: The run that the new one is a child of.
        schedule_id: The schedule that asks for it.

    Returns:
        The PipelineRunEntity.

    Raises:
        NotFound: There is no such pipeline.
        BadRequest: It is disabled, or has no such parameter, or no experiment is named.
    """
    store = loopback.store
    with store.transaction():
        pipeline = get(store, pipeline_id)
        if not is_active(pipeline):
            raise BadRequest(
                f"Pipeline '{pipeline['Name']}' ({pipeline_id}) is {pipeline['EntityStatus']} "
                "and cannot be submitted; enable it first"
            )
        run = state.create_run(
            store,
            submission.get("ExperimentName") or "",
            _with_defaults(pipeline, submission),
            pipeline["GraphId"],
            pipeline_id=pipeline_id,
            schedule_id=schedule_id,
        )
        return state.submit(loopback, run["Id"], parent_run_id)


def address(identity: Identity, path: str) -> str:
    """Return the address at which a pipeline or an endpoint is run."""
    return f"{identity.services_url}/pipelines/v1.0/{identity.arm_scope}/PipelineRuns/{path}"


def checked_status(status: Any) -> str:
    """Return a status.

    Raises:
        BadRequest: There is no such status.
    """
    if status not in STATUSES:
        raise BadRequest(f"EntityStatus: found {status!r}, allowed: {', '.join(STATUSES)}")
    return str(status)


def _with_defaults(pipeline: Document, submission: Mapping[str, Any]) -> Document:
    given = {key: value for key, value in submission.items() if value is not None}
    # by hand, numbers are sent as numbers
    plain = {key: str(value) for key, value in (given.get("ParameterAssignments") or {}).items()}
    datasets = given.get("DataSetDefinitionValueAssignments") or {}
    return {
        "Description": pipeline["Description"],
        "ContinueRunOnStepFailure": pipeline["ContinueRunOnStepFailure"],
        **given,
        "ParameterAssignments": {**pipeline["ParameterAssignments"], **plain},
        "DataSetDefinitionValueAssignments": {
            **pipeline["DataSetDefinitionValueAssignments"],
            **datasets,
        },
    }
