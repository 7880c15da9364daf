"""Pipeline runs and their nodes, as documents in the wire's own shape.

A run is a PipelineRunEntity, a node's progress a TaskStatus; what the service adds for itself has a
name that begins with ``_``. The execution engine writes both, the routes read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import BadRequest, Conflict, NotFound
from azureml_loopback.services.history import state as history
from azureml_loopback.services.pipelines import entities
from azureml_loopback.services.pipelines.expressions import refuse_expressions
from azureml_loopback.services.pipelines.run_record import begin_pipeline_run

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document, Store

RUN = "pipeline run"
NODE = "node"

ENDED = frozenset({"Failed", "Finished", "Canceled", "Bypassed"})
"""Status codes, of runs and of nodes, after which nothing changes."""
FOLLOWED = timedelta(seconds=10)
"""A client that looked then follows the run; the SDK looks every second, or nearly."""


def create_run(
    store: Store,
    experiment_name: str,
    creation_info: Mapping[str, Any],
    graph_id: str,
    *,
    pipeline_id: str | None = None,
    schedule_id: str | None = None,
) -> Document:
    """Make a run that is not submitted yet.

    Args:
        store: The service's documents.
        experiment_name: Where the run is to appear.
        creation_info: A PipelineRunCreationInfo or a PipelineSubmissionInfo.
        graph_id: What `entities.save_graph` returned.
        pipeline_id: The published pipeline that it comes from.
        schedule_id: The schedule that triggers it.

    Returns:
        The PipelineRunEntity.

    Raises:
        BadRequest: An assignment to a parameter that the graph does not have, or no experiment.
        NotFound: There is no such graph.
        NotImplementedHere: A parameter's value is an expression.
    """
    if not experiment_name:
        raise BadRequest("A pipeline run needs an experiment name")
    graph, interface = entities.graph(store, graph_id), entities.interface(store, graph_id)
    values = parameter_values(interface, creation_info)
    refuse_expressions(values)
    now, run_id = store.clock.text(), store.new_id()
    trigger = schedule_id or creation_info.get("ScheduleId")
    run = {
        "Id": run_id,
        "Description": creation_info.get("Description"),
        "Status": {"StatusCode": "NotStarted", "CreationTime": now},
        "GraphId": graph_id,
        "IsSubmitted": False,
        "HasErrors": False,
        "HasWarnings": False,
        "UploadState": "Completed",
        "ParameterAssignments": values,
        "DataSetDefinitionValueAssignments": dataset_values(interface, creation_info),
        "RunHistoryExperimentName": experiment_name,
        "PipelineId": pipeline_id,
        "RunSource": creation_info.get("RunSource"),
        "RunType": creation_info.get("RunType"),
        "TotalRunSteps": len(graph.get("ModuleNodes") or []),
        "ScheduleId": trigger,
        "tags": creation_info.get("tags") or {},
        "Properties": creation_info.get("Properties") or {},
        "EntityStatus": "Active",
        "CreatedDate": now,
        "LastModifiedDate": now,
        "_unknownParameters": _unknown_parameters(interface, creation_info),
        "_continueOnStepFailure": bool(
            creation_info.get("ContinueRunOnStepFailure")
            or creation_info.get("ContinueExperimentOnNodeFailure")
        ),
    }
    with store.transaction():
        store.insert(RUN, run_id, run, parent=pipeline_id or "", name=trigger or "")
        for node in graph.get("ModuleNodes") or []:
            status = {"StatusCode": "NotStarted", "CreationTime": now}
            known = {"_pipelineRunId": run_id, "_nodeId": node["Id"]}
            store.insert(NODE, _key(run_id, node["Id"]), {**status, **known}, parent=run_id)
    return run


def submit(loopback: Loopback, run_id: str, parent_run_id: str | None = None) -> Document:
    """Start a run, and say so in its history.

    Args:
        loopback: The service.
        run_id: What `create_run` made.
        parent_run_id: The run that this one is a child of.

    Raises:
        NotFound: There is no such run.
        Conflict: It was submitted before, or canceled.
    """

    def mark(run: Document) -> Document:
        if run["IsSubmitted"] or run["Status"]["StatusCode"] in ENDED:
            raise Conflict(f"Pipeline run '{run_id}' was submitted already, or canceled")
        return {**run, "IsSubmitted": True, "_parentRunId": parent_run_id}

    with loopback.store.transaction():
        run = loopback.store.update(RUN, run_id, mark)
        begin_pipeline_run(loopback.store, run)
    loopback.engine.submit(run_id)
    return run


def cancel(loopback: Loopback, run_id: str) -> None:
    """Stop a run; one that has ended stays as it is, one that was not submitted ends at once.

    Raises:
        NotFound: There is no such run.
    """
    store = loopback.store
    with store.transaction():
        if not get_run(store, run_id)["IsSubmitted"]:
            set_run_status(store, run_id, "Canceled")
            return
        history.set_status(store, run_id, "CancelRequested")
    loopback.engine.cancel(run_id)


def get_run(store: Store, run_id: str) -> Document:
    """Return a PipelineRunEntity.

    Raises:
        NotFound: There is none.
    """
    return store.get(RUN, run_id)


def find_run(store: Store, run_id: str) -> Document | None:
    """Return a PipelineRunEntity, or nothing."""
    return store.find(RUN, run_id)


def runs_of_pipeline(store: Store, pipeline_id: str) -> list[Document]:
    """Return the runs of a published pipeline, oldest first."""
    return store.list(RUN, parent=pipeline_id)


def runs_of_schedule(store: Store, schedule_id: str) -> list[Document]:
    """Return the runs that a schedule triggered, oldest first."""
    return store.list(RUN, name=schedule_id)


def unfinished_runs(store: Store) -> list[str]:
    """Return the ids of the runs that were submitted and have not ended, oldest first."""
    return [
        run["Id"]
        for run in store.list(RUN)
        if run["IsSubmitted"] and run["Status"]["StatusCode"] not in ENDED
    ]


def set_run_status(store: Store, run_id: str, code: str, detail: str | None = None) -> Document:
    """Record a run's progress; one that has ended stays as it is.

    Args:
        store: The service's documents.
        run_id: Which run.
        code: ``Running``, ``Failed``, ``Finished`` or ``Canceled``.
        detail: Why it failed.
    """

    def change(run: Document) -> Document:
        if run["Status"]["StatusCode"] in ENDED:
            return run
        now = store.clock.text()
        status = {**run["Status"], "StatusCode": code, "StatusDetail": detail}
        if code in ENDED:
            status["EndTime"] = now
        return {**run, "Status": status, "HasErrors": code == "Failed", "LastModifiedDate": now}

    return store.update(RUN, run_id, change)


def node(store: Store, run_id: str, node_id: str) -> Document:
    """Return a node's TaskStatus.

    Raises:
        NotFound: There is no such run, or no such node in it.
    """
    found = store.find(NODE, _key(run_id, node_id))
    if found is None:
        get_run(store, run_id)
        raise NotFound(f"Pipeline run '{run_id}' has no node '{node_id}'")
    return found


def nodes(store: Store, run_id: str) -> dict[str, Document]:
    """Return the TaskStatus of every node of a run, by node id."""
    return {status["_nodeId"]: status for status in store.list(NODE, parent=run_id)}


def update_node(store: Store, run_id: str, node_id: str, **values: Any) -> Document:
    """Change some of a node's TaskStatus."""
    return store.update(NODE, _key(run_id, node_id), lambda status: {**status, **values})


def note_follower(store: Store, run_id: str, node_id: str) -> None:
    """Remember that a client looks at a node that has not ended, and at which of the run's."""
    looked = store.clock.text()
    with store.transaction():
        update_node(store, run_id, node_id, _lookedAt=looked)
        store.update(RUN, run_id, lambda run: {**run, "_followedNode": node_id})


def is_awaited(store: Store, run_id: str, node_id: str, ended: datetime) -> bool:
    """Say whether a client that shows a run's logs has still to look at a node that has ended.

    `PipelineRun.wait_for_completion` follows one step to its end, and then goes on to the next.

    Args:
        store: The service's documents.
        run_id: The pipeline run.
        node_id: Which node.
        ended: When its work was done.
    """
    looked = _looked_at(store, run_id, node_id)
    if looked is not None:
        return looked <= ended
    followed = get_run(store, run_id).get("_followedNode")
    if followed is None or _looked_at(store, run_id, followed) is None:
        return False
    return node(store, run_id, followed)["StatusCode"] in ENDED


def _looked_at(store: Store, run_id: str, node_id: str) -> datetime | None:
    """Return when a client looked at a node last, if that was a moment ago."""
    looked: str | None = node(store, run_id, node_id).get("_lookedAt")
    moment = datetime.fromisoformat(looked) if looked else None
    return moment if moment and store.clock.now() - moment < FOLLOWED else None


def finish_node(
    store: Store,
    run_id: str,
    node_id: str,
    outputs: Mapping[str, Any],
    reuse_key: str | None = None,
) -> None:
    """Record that a node is done, with what it leaves.

    Args:
        store: The service's documents.
        run_id: The pipeline run.
        node_id: Which node.
        outputs: Port name -> NodeOutput.
        reuse_key: What a later node must equal to use these outputs again; nothing forbids it.
    """
    done = {
        **node(store, run_id, node_id),
        "StatusCode": "Finished",
        "EndTime": store.clock.text(),
        "_outputs": dict(outputs),
    }
    store.put(NODE, _key(run_id, node_id), done, parent=run_id, name=reuse_key or "")


def end_node(
    store: Store, run_id: str, node_id: str, code: str, detail: str | None = None
) -> Document:
    """Record that a node ended without its outputs: ``Failed`` or ``Canceled``, and why."""
    now = store.clock.text()
    return update_node(store, run_id, node_id, StatusCode=code, StatusDetail=detail, EndTime=now)


def finished_node(store: Store, reuse_key: str) -> Document | None:
    """Find the newest node that was done with this key; ``_pipelineRunId`` says in which run."""
    found = store.list(NODE, name=reuse_key, newest_first=True, limit=1)
    return found[0] if found else None


def pipeline_output(store: Store, run_id: str, name: str) -> Document:
    """Return the NodeOutput behind one of the pipeline's named outputs.

    Raises:
        NotFound: The pipeline has no such output, or its node is not done.
    """
    run = get_run(store, run_id)
    for edge in entities.graph(store, run["GraphId"]).get("Edges") or []:
        if edge["DestinationInputPort"].get("GraphPortName") == name:
            source = edge["SourceOutputPort"]
            outputs = node(store, run_id, source["NodeId"]).get("_outputs", {})
            if source["PortName"] not in outputs:
                raise NotFound(f"Pipeline output '{name}' of run '{run_id}' is not there yet")
            output: Document = outputs[source["PortName"]]
            return output
    raise NotFound(f"The pipeline of run '{run_id}' has no output '{name}'")


def _key(run_id: str, node_id: str) -> str:
    return f"{run_id}/{node_id}"


def _data_path(value: Mapping[str, Any]) -> str:
    """Write a data path as Azure does among the parameters."""
    return f"{value.get('DataStoreName')}/{value.get('RelativePath') or ''}"


def _unknown_parameters(interface: Document, info: Mapping[str, Any]) -> list[str]:
    """Return the parameters that are assigned, and that the pipeline has none of."""
    assigned = ("ParameterAssignments", "DataPathAssignments", "DataSetDefinitionValueAssignments")
    return sorted({name for kind in assigned for name in info.get(kind) or {}} - _known(interface))


def _known(interface: Document) -> set[str]:
    kinds = ("Parameters", "DataPathParameters", "DataPathParameterList")
    return {p["Name"] for kind in kinds for p in interface.get(kind) or []}


def parameter_values(interface: Document, info: Mapping[str, Any]) -> dict[str, str]:
    """Return the value of every plain and data path parameter: the assigned, else the default."""
    plain = {p["Name"]: p.get("DefaultValue") for p in interface.get("Parameters") or []}
    paths = {
        p["Name"]: _data_path(p["DefaultValue"]) for p in interface.get("DataPathParameters") or []
    }
    assigned = {k: _data_path(v) for k, v in (info.get("DataPathAssignments") or {}).items()}
    values = {**plain, **paths, **(info.get("ParameterAssignments") or {}), **assigned}
    return _of(interface, values)


def dataset_values(interface: Document, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every dataset parameter: the assigned, else the default."""
    parameters = interface.get("DataPathParameterList") or []
    defaults = {p["Name"]: p["DefaultValue"] for p in parameters}
    return _of(interface, {**defaults, **(info.get("DataSetDefinitionValueAssignments") or {})})


def _of(interface: Document, values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what the pipeline has no parameter for, as Azure does."""
    known = _known(interface)
    return {name: value for name, value in values.items() if name in known}
