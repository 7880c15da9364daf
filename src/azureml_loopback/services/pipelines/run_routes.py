"""Runs of pipelines over HTTP: create, submit, follow, cancel, and what their nodes left."""

from __future__ import annotations

from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import BadRequest
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.artifacts.run_logs import JOB_LOG, STDERR_LOG, STDOUT_LOG, read_log
from azureml_loopback.services.pipelines import entities, state

routes = Routes("/pipelines/v1.0/{scope}/PipelineRuns")


@routes.post("Unsubmitted/CreationInfoWithGraph", query=("experimentName",))
def create_run(call: Call) -> Any:
    """Make a run of the graph in the body."""
    body = wire.check("aeva.PipelineRunCreationInfoWithGraph", call.object())
    info = body.get("CreationInfo") or {}
    experiment = call.query.get("experimentName") or info.get("RunHistoryExperimentName") or ""
    store = call.loopback.store
    with store.transaction():
        graph_id = entities.save_graph(store, body["Graph"], body.get("GraphInterface") or {})
        run = state.create_run(store, experiment, info, graph_id)
    return wire.answer("aeva.PipelineRunEntity", run)


@routes.post("Submit/{run}", query=("parentRunId",))
def submit(call: Call) -> dict[str, Any]:
    """Start a run."""
    state.submit(call.loopback, call.parts["run"], call.query.get("parentRunId"))
    return {}


@routes.get("{run}")
def get_run(call: Call) -> Any:
    """Return a run with its status."""
    run = state.get_run(call.loopback.store, call.parts["run"])
    return wire.answer("aeva.PipelineRunEntity", run)


@routes.delete("{run}/Execution")
def cancel(call: Call) -> dict[str, Any]:
    """Stop a run."""
    state.cancel(call.loopback, call.parts["run"])
    return {}


@routes.post("{run}/Graph/AllNodes/StatusCode")
def all_status_codes(call: Call) -> dict[str, str]:
    """Return the status code of every node."""
    return {node: status["StatusCode"] for node, status in _nodes(call).items()}


@routes.post("{run}/Graph/AllNodes/Status")
def all_statuses(call: Call) -> dict[str, Any]:
    """Return the status of every node."""
    return {node: wire.answer("aeva.TaskStatus", status) for node, status in _nodes(call).items()}


@routes.post("{run}/Graph/Node/StatusCode")
def status_code(call: Call) -> Any:
    """Return a node's status code."""
    status = _node(call)
    if status["StatusCode"] not in state.ENDED:
        state.note_follower(call.loopback.store, status["_pipelineRunId"], status["_nodeId"])
    return status["StatusCode"]


@routes.post("{run}/Graph/Node/Status")
def status(call: Call) -> Any:
    """Return a node's status."""
    return wire.answer("aeva.TaskStatus", _node(call))


@routes.post("{run}/Outputs")
def outputs(call: Call) -> dict[str, Any]:
    """Return what a node left, by port name."""
    left = _node(call).get("_outputs", {})
    return {name: wire.answer("aeva.NodeOutput", output) for name, output in left.items()}


@routes.get("{run}/PipelineRunOutputs/{name}")
def pipeline_output(call: Call) -> Any:
    """Return what a named output of the pipeline is."""
    found = state.pipeline_output(call.loopback.store, call.parts["run"], call.parts["name"])
    return wire.answer("aeva.NodeOutput", found)


@routes.post("{run}/Graph/Shareable/STDOUT")
def stdout(call: Call) -> Answer:
    """Return what a node's script has written to its standard output."""
    return _log(call, STDOUT_LOG)


@routes.post("{run}/Graph/Shareable/STDERR")
def stderr(call: Call) -> Answer:
    """Return what a node's script has written to its standard error."""
    return _log(call, STDERR_LOG)


@routes.post("{run}/Graph/Shareable/JobLog")
def job_log(call: Call) -> Answer:
    """Return what the service has to say of a node."""
    return _log(call, JOB_LOG)


def _node_id(call: Call) -> str:
    """Return the node that the body names.

    Raises:
        BadRequest: It names none, or a node within a node, which only sub-graphs have.
    """
    path = call.json
    if not isinstance(path, list) or len(path) != 1 or not isinstance(path[0], str):
        raise BadRequest("The body must be a list with the id of one node")
    return path[0]


def _node(call: Call) -> dict[str, Any]:
    return state.node(call.loopback.store, call.parts["run"], _node_id(call))


def _nodes(call: Call) -> dict[str, Any]:
    if call.json:
        raise BadRequest("The body must be an empty list: there are no graphs within graphs")
    state.get_run(call.loopback.store, call.parts["run"])
    return state.nodes(call.loopback.store, call.parts["run"])


def _log(call: Call, path: str) -> Answer:
    """Return a node's log; of one that was reused, that of the run which did the work."""
    status = _node(call)
    run_id = (status.get("ReuseInfo") or status).get("RunId")
    text = read_log(call.loopback, run_id, path) if run_id else ""
    return Answer(text.encode(), content_type="text/plain; charset=utf-8")
