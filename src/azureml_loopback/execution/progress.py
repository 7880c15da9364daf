"""What is written when a step or a run gets on: node and history in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from azureml_loopback.execution import run_records, runconfig
from azureml_loopback.execution.step import StepFailed, StepInput
from azureml_loopback.services.history import state as history
from azureml_loopback.services.pipelines import entities
from azureml_loopback.services.pipelines import state as pipelines
from azureml_loopback.services.pipelines.graph import Graph, parameters

if TYPE_CHECKING:
    from azureml_loopback.execution.plan import StepPlan
    from azureml_loopback.store import Document, Store


def queue(
    store: Store,
    run: Document,
    graph: Graph,
    *,
    node_id: str,
    run_id: str,
    inputs: Mapping[str, StepInput],
    reused: Document | None = None,
) -> Document:
    """Record that a step waits for its compute, and return its run in the history.

    Args:
        store: The service's documents.
        run: The PipelineRunEntity.
        graph: Its graph.
        node_id: Which node.
        run_id: The step's own run.
        inputs: What arrives at its ports.
        reused: TaskStatus of the node whose outputs it gets; nothing if it runs itself.
    """
    node = graph.steps[node_id]
    module = entities.module(store, node["ModuleId"])
    values = parameters(node, module, run["ParameterAssignments"])
    with store.transaction():
        begun = run_records.begin_step(
            store,
            run_id,
            pipeline_run_id=run["Id"],
            node_id=node_id,
            module=module,
            definition=runconfig.definition(node, module, values),
            datasets=[run_records.lineage(store, i) for i in inputs.values() if i.dataset_id],
            reused=reused,
        )
        pipelines.update_node(
            store,
            run["Id"],
            node_id,
            StatusCode="Queued",
            RunId=run_id,
            ScheduleTime=store.clock.text(),
        )
    return begun


def start(store: Store, plan: StepPlan) -> None:
    """Record that a step has a node of its compute."""
    now = store.clock.text()
    pipelines.update_node(
        store, plan.pipeline_run_id, plan.node_id, StatusCode="Running", StartTime=now
    )


def finish(store: Store, plan: StepPlan, outputs: Mapping[str, Document]) -> None:
    """Record that a step did its work."""
    with store.transaction():
        history.set_status(store, plan.run_id, "Completed")
        pipelines.finish_node(store, plan.pipeline_run_id, plan.node_id, outputs, plan.reuse_key)


def reuse(store: Store, run: Document, graph: Graph, plan: StepPlan, earlier: Document) -> None:
    """Record that a step has the outputs of an earlier one, whose TaskStatus is given."""
    info = {
        "ExperimentId": earlier["_pipelineRunId"],
        "NodeId": earlier["_nodeId"],
        "RunId": earlier["RunId"],
        "NodeStartTime": earlier.get("StartTime"),
        "NodeEndTime": earlier.get("EndTime"),
    }
    with store.transaction():
        queue(
            store,
            run,
            graph,
            node_id=plan.node_id,
            run_id=plan.run_id,
            inputs=plan.inputs,
            reused=earlier,
        )
        history.set_status(store, plan.run_id, "Completed")
        pipelines.update_node(store, run["Id"], plan.node_id, ReuseInfo=info)
        # no key: who comes later finds the step that did the work
        pipelines.finish_node(store, run["Id"], plan.node_id, earlier["_outputs"])


def fail(store: Store, pipeline_run_id: str, node_id: str, failure: StepFailed) -> str:
    """Record that a queued or running step failed, and why; return the id of its run."""
    error = {"error": {"code": failure.code, "message": str(failure)}}
    with store.transaction():
        status = pipelines.end_node(store, pipeline_run_id, node_id, "Failed", str(failure))
        history.set_status(store, status["RunId"], "Failed", error=error)
    return str(status["RunId"])


def cancel(store: Store, pipeline_run_id: str, node_id: str) -> None:
    """Record that a queued or running step was stopped."""
    with store.transaction():
        status = pipelines.end_node(store, pipeline_run_id, node_id, "Canceled")
        history.set_status(store, status["RunId"], "Canceled")


def end(store: Store, run_id: str, code: str, failure: StepFailed | None = None) -> None:
    """Record how a pipeline run ended: ``Finished``, ``Failed`` or ``Canceled``."""
    detail = str(failure) if failure else None
    error = {"error": {"code": failure.code, "message": detail}} if failure else None
    status = {"Finished": "Completed"}.get(code, code)
    with store.transaction():
        pipelines.set_run_status(store, run_id, code, detail)
        history.set_status(store, run_id, status, error=error)


def failures(store: Store, run_id: str, graph: Graph) -> list[str]:
    """Return name and reason of each step of a run that failed."""
    return [
        f"'{_name(store, graph.steps[node_id])}': {status['StatusDetail']}"
        for node_id, status in pipelines.nodes(store, run_id).items()
        if status["StatusCode"] == "Failed"
    ]


def _name(store: Store, node: Document) -> str:
    return str(entities.module(store, node["ModuleId"])["Name"])
