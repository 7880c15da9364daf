"""Which step starts when: one thread's decisions, fed by events.

All final words on steps and runs are written here, one event after the other, so nothing races:
what a killed service had not written has not happened, and is done again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azureml_loopback.errors import NotFound, ServiceError
from azureml_loopback.execution import run_records, runconfig
from azureml_loopback.execution.graph import Graph, parameters, read_graph
from azureml_loopback.execution.logs import StepLog
from azureml_loopback.execution.plan import StepPlan, plan_step
from azureml_loopback.execution.step import StepFailed, StepInput
from azureml_loopback.execution.work import Outcome
from azureml_loopback.services.arm import computes
from azureml_loopback.services.history import state as history
from azureml_loopback.services.pipelines import entities
from azureml_loopback.services.pipelines import state as pipelines

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document

Start = Callable[[StepPlan, threading.Event], None]
"""Begins a step's work elsewhere; its outcome comes back to `Scheduler.ended`."""


@dataclass
class _ActiveRun:
    """A run that has not ended.

    Attributes:
        codes: Node id -> status code.
        stopping: No further step starts: it was canceled, or a step failed.
        canceled: It was canceled.
        failed: Names of the steps that failed, with the reason.
        said: Lines for its log that are not written yet: one write for all that an event brings.
    """

    run: Document
    graph: Graph
    codes: dict[str, str]
    stopping: bool = False
    canceled: bool = False
    failed: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        return str(self.run["Id"])

    def ready(self) -> list[str]:
        return [] if self.stopping else self.graph.ready(self.codes)

    def busy(self) -> bool:
        return any(code in {"Queued", "Running"} for code in self.codes.values())


class Scheduler:
    """Starts steps as their inputs become ready and their compute has a node free."""

    def __init__(self, loopback: Loopback, start: Start) -> None:
        """Begin with nothing to do.

        Args:
            loopback: The service.
            start: Begins a step's work.
        """
        self._loopback = loopback
        self._store = loopback.store
        self._start = start
        self._active: dict[str, _ActiveRun] = {}
        self._waiting: list[StepPlan] = []
        self._running: dict[str, tuple[StepPlan, threading.Event]] = {}

    def submitted(self, run_id: str) -> None:
        """Take up a run: a new one, or one that a stopped service left; done steps stay done."""
        run = pipelines.set_run_status(self._store, run_id, "Running")
        if run["Status"]["StatusCode"] in pipelines.ENDED:
            return
        history.set_status(self._store, run_id, "Running")
        graph = read_graph(entities.graph(self._store, run["GraphId"]))
        codes = {
            node_id: "NotStarted"
            if status["StatusCode"] in {"Queued", "Running"}
            else status["StatusCode"]
            for node_id, status in pipelines.nodes(self._store, run_id).items()
        }
        active = self._active[run_id] = _ActiveRun(run, graph, codes)
        self._advance(active)

    def ended(self, outcome: Outcome) -> None:
        """Record how a step ended, and start what that makes ready."""
        plan = outcome.plan
        self._running.pop(plan.run_id, None)
        active = self._active.get(plan.pipeline_run_id)
        if active is None:  # given up
            return
        if outcome.failure:
            self._failed(active, plan.node_id, plan.run_id, plan.name, outcome.failure)
        elif outcome.canceled:
            self._canceled(active, plan)
        else:
            with self._store.transaction():
                history.set_status(self._store, plan.run_id, "Completed")
                pipelines.finish_node(
                    self._store, active.run_id, plan.node_id, outcome.outputs, plan.reuse_key
                )
            active.codes[plan.node_id] = "Finished"
            active.said.append(f"Step '{plan.name}' finished")
        self._advance(active)

    def cancel(self, run_id: str) -> None:
        """Stop a pipeline run or a single step; one that has ended stays as it is."""
        active = self._active.get(run_id)
        if active:
            history.set_status(self._store, run_id, "CancelRequested")
            active.canceled = True
            self._stop(active)
            self._advance(active)
        elif run_id in self._running:
            self._running[run_id][1].set()
        else:
            for plan in [plan for plan in self._waiting if plan.run_id == run_id]:
                self._waiting.remove(plan)
                self._canceled(self._active[plan.pipeline_run_id], plan)
                self._advance(self._active[plan.pipeline_run_id])

    def give_up(self, run_id: str, error: Exception) -> None:
        """End a run that the service itself cannot go on with."""
        active = self._active.pop(run_id, None)
        if active is None:
            return
        self._waiting = [plan for plan in self._waiting if plan.pipeline_run_id != run_id]
        for plan in _of(run_id, [plan for plan, _ in self._running.values()]):
            self._running[plan.run_id][1].set()
        text = f"The loopback failed: {type(error).__name__}: {error}"
        reason = {"error": {"code": "ServiceError", "message": text}}
        with self._store.transaction():
            pipelines.set_run_status(self._store, run_id, "Failed", text)
            history.set_status(self._store, run_id, "Failed", error=reason)

    def _advance(self, active: _ActiveRun) -> None:
        """Queue what is ready, start what has a node, and end the run if nothing is left."""
        while ready := active.ready():
            for node_id in ready:
                if not active.stopping:
                    self._begin(active, node_id)
        self._start_waiting()
        if not active.busy():
            self._end(active)
        if active.said:
            StepLog(self._loopback, active.run_id).say("\n".join(active.said))
            active.said.clear()

    def _begin(self, active: _ActiveRun, node_id: str) -> None:
        """Reuse a step or queue it; fail it if it cannot even be planned."""
        status = pipelines.node(self._store, active.run_id, node_id)
        run_id = status.get("RunId") or self._store.new_id()
        if status.get("RunId"):
            StepLog(self._loopback, run_id).note("The service was restarted; the step begins anew")
        try:
            plan = plan_step(self._loopback, active.run, active.graph, node_id, run_id)
        except (StepFailed, ServiceError) as error:
            failure = error if isinstance(error, StepFailed) else StepFailed(str(error))
            module = self._record(active, node_id, run_id, {})
            self._failed(active, node_id, run_id, module["Name"], failure)
            return
        earlier = self._earlier(plan)
        if earlier:
            self._reuse(active, plan, earlier)
        else:
            self._record(active, node_id, run_id, plan.inputs)
            active.codes[node_id] = "Queued"
            self._waiting.append(plan)

    def _earlier(self, plan: StepPlan) -> Document | None:
        if plan.reuse_key is None or plan.node.get("RegenerateOutput"):
            return None
        return pipelines.finished_node(self._store, plan.reuse_key)

    def _record(
        self,
        active: _ActiveRun,
        node_id: str,
        run_id: str,
        inputs: Mapping[str, StepInput],
        reused: Document | None = None,
    ) -> Document:
        """Add a step to the history as queued, and return its module."""
        node = active.graph.steps[node_id]
        module = entities.module(self._store, node["ModuleId"])
        values = parameters(node, module, active.run["ParameterAssignments"])
        read = [run_records.lineage(self._store, i) for i in inputs.values() if i.dataset_id]
        with self._store.transaction():
            run_records.begin_step(
                self._store,
                run_id,
                pipeline_run_id=active.run_id,
                node_id=node_id,
                module=module,
                definition=runconfig.definition(node, module, values),
                datasets=read,
                reused=reused,
            )
            pipelines.update_node(
                self._store,
                active.run_id,
                node_id,
                StatusCode="Queued",
                RunId=run_id,
                ScheduleTime=self._store.clock.text(),
            )
        return module

    def _reuse(self, active: _ActiveRun, plan: StepPlan, earlier: Document) -> None:
        info = {
            "ExperimentId": earlier["_pipelineRunId"],
            "NodeId": earlier["_nodeId"],
            "RunId": earlier["RunId"],
            "NodeStartTime": earlier.get("StartTime"),
            "NodeEndTime": earlier.get("EndTime"),
        }
        with self._store.transaction():
            self._record(active, plan.node_id, plan.run_id, plan.inputs, earlier)
            history.set_status(self._store, plan.run_id, "Completed")
            pipelines.update_node(self._store, active.run_id, plan.node_id, ReuseInfo=info)
            pipelines.finish_node(self._store, active.run_id, plan.node_id, earlier["_outputs"])
        active.codes[plan.node_id] = "Finished"
        active.said.append(f"Step '{plan.name}' reuses the outputs of run {earlier['RunId']}")

    def _start_waiting(self) -> None:
        """Start waiting steps in their order, as far as their computes have nodes."""
        used = Counter(plan.target for plan, _ in self._running.values())
        for plan in list(self._waiting):
            if used[plan.target] < self._nodes(plan.target):
                used[plan.target] += 1
                self._waiting.remove(plan)
                self._run(plan)

    def _nodes(self, compute: str) -> int:
        """Return how many nodes a compute may have; of one that was removed, none."""
        try:
            return computes.max_nodes(self._store, compute)
        except NotFound:
            return 0

    def _run(self, plan: StepPlan) -> None:
        active, canceled = self._active[plan.pipeline_run_id], threading.Event()
        now = self._store.clock.text()
        pipelines.update_node(
            self._store, plan.pipeline_run_id, plan.node_id, StatusCode="Running", StartTime=now
        )
        active.codes[plan.node_id] = "Running"
        self._running[plan.run_id] = (plan, canceled)
        active.said.append(f"Step '{plan.name}' starts on '{plan.target}' as run {plan.run_id}")
        self._start(plan, canceled)

    def _failed(
        self, active: _ActiveRun, node_id: str, run_id: str, name: str, failure: StepFailed
    ) -> None:
        error = {"error": {"code": failure.code, "message": str(failure)}}
        StepLog(self._loopback, run_id).note(f"Step '{name}' failed: {failure}")
        with self._store.transaction():
            history.set_status(self._store, run_id, "Failed", error=error)
            pipelines.end_node(self._store, active.run_id, node_id, "Failed", str(failure))
        active.codes[node_id] = "Failed"
        active.failed.append(f"'{name}': {failure}")
        active.said.append(f"Step '{name}' failed: {failure}")
        if not active.run["_continueOnStepFailure"]:
            self._stop(active)

    def _canceled(self, active: _ActiveRun, plan: StepPlan) -> None:
        with self._store.transaction():
            history.set_status(self._store, plan.run_id, "Canceled")
            pipelines.end_node(self._store, active.run_id, plan.node_id, "Canceled")
        active.codes[plan.node_id] = "Canceled"
        active.said.append(f"Step '{plan.name}' was canceled")

    def _stop(self, active: _ActiveRun) -> None:
        """Start nothing more of a run, and stop what runs of it."""
        active.stopping = True
        for plan in _of(active.run_id, list(self._waiting)):
            self._waiting.remove(plan)
            self._canceled(active, plan)
        for plan in _of(active.run_id, [plan for plan, _ in self._running.values()]):
            self._running[plan.run_id][1].set()

    def _end(self, active: _ActiveRun) -> None:
        codes = set(active.codes.values())
        code = "Failed" if "Failed" in codes else "Canceled" if "Canceled" in codes else "Finished"
        if active.canceled:
            code = "Canceled"
        detail = None
        if code == "Failed":
            detail = (
                "Pipeline has some failed steps. See child run or execution logs for more details. "
                f"Failed: {'; '.join(active.failed)}"
            )
        error = {"error": {"code": "UserError", "message": detail}} if detail else None
        status = {"Finished": "Completed"}.get(code, code)
        active.said.append(f"The pipeline run ends as {code}")
        with self._store.transaction():
            pipelines.set_run_status(self._store, active.run_id, code, detail)
            history.set_status(self._store, active.run_id, status, error=error)
        del self._active[active.run_id]


def _of(run_id: str, plans: Iterable[StepPlan]) -> list[StepPlan]:
    return [plan for plan in plans if plan.pipeline_run_id == run_id]
