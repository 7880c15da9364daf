"""Which step starts when: one thread's decisions, fed by events.

All final words on steps and runs are written from here, one event after the other, so nothing
races: what a killed service had not written has not happened, and is done again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from azureml_loopback.errors import NotFound, ServiceError
from azureml_loopback.execution import progress
from azureml_loopback.execution.logs import StepLog
from azureml_loopback.execution.plan import StepPlan, plan_step
from azureml_loopback.execution.step import StepFailed
from azureml_loopback.execution.work import Outcome
from azureml_loopback.services.arm import computes
from azureml_loopback.services.history import state as history
from azureml_loopback.services.pipelines import entities
from azureml_loopback.services.pipelines import state as pipelines
from azureml_loopback.services.pipelines.graph import Graph, read_graph

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
        canceled: It was canceled.
        said: Lines for its log that are not written yet: one write for all that an event brings.
    """

    run: Document
    graph: Graph
    codes: dict[str, str]
    canceled: bool
    said: list[str] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        return str(self.run["Id"])

    @property
    def stopping(self) -> bool:
        """Say whether no further step may start."""
        failed = "Failed" in self.codes.values()
        return self.canceled or (failed and not self.run["_continueOnStepFailure"])

    def ready(self) -> list[str]:
        return [] if self.stopping else self.graph.ready(self.codes)

    def busy(self) -> bool:
        return any(code in {"Queued", "Running"} for code in self.codes.values())

    def result(self) -> str:
        """Return the status code to end with."""
        codes = {"Canceled"} if self.canceled else set(self.codes.values())
        return next((code for code in ("Failed", "Canceled") if code in codes), "Finished")


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
        recorded = history.set_status(self._store, run_id, "Running")
        graph = read_graph(entities.graph(self._store, run["GraphId"]))
        codes = {
            node_id: status["StatusCode"] if _has_ended(status) else "NotStarted"
            for node_id, status in pipelines.nodes(self._store, run_id).items()
        }
        canceled = recorded["status"] == "CancelRequested"
        active = self._active[run_id] = _ActiveRun(run, graph, codes, canceled)
        self._advance(active)

    def ended(self, outcome: Outcome) -> None:
        """Record how a step ended, and start what that makes ready."""
        plan = outcome.plan
        self._running.pop(plan.run_id, None)
        active = self._active.get(plan.pipeline_run_id)
        if active is None:  # given up
            return
        if outcome.failure:
            self._fail(active, plan.node_id, plan.name, outcome.failure)
        elif outcome.canceled:
            self._cancel(active, plan)
        else:
            progress.finish(self._store, plan, outcome.outputs)
            active.codes[plan.node_id] = "Finished"
            active.said.append(f"Step '{plan.name}' finished")
        self._advance(active)

    def cancel(self, run_id: str) -> None:
        """Stop a pipeline run or a single step; one that has ended stays as it is."""
        if run_id in self._active:
            self._active[run_id].canceled = True
            self._advance(self._active[run_id])
        elif run_id in self._running:
            self._running[run_id][1].set()
        else:
            for plan in [plan for plan in self._waiting if plan.run_id == run_id]:
                self._waiting.remove(plan)
                self._cancel(self._active[plan.pipeline_run_id], plan)
                self._advance(self._active[plan.pipeline_run_id])

    def look(self) -> None:
        """Start what waits for a compute that has more nodes than before."""
        self._start_waiting()

    def give_up(self, run_id: str, error: Exception) -> None:
        """End a run that the service itself cannot go on with."""
        active = self._active.pop(run_id, None)
        if active:
            self._stop(active)
        text = f"The loopback failed: {type(error).__name__}: {error}"
        progress.end(self._store, run_id, "Failed", StepFailed(text, "ServiceError"))

    def _advance(self, active: _ActiveRun) -> None:
        """Queue what is ready, start what has a node, and end the run if nothing is left."""
        while ready := active.ready():
            self._begin(active, ready[0])
        if active.stopping:
            self._stop(active)
        self._start_waiting()
        if not active.busy():
            self._end(active)
        if active.said:
            StepLog(self._loopback, active.run_id).say("\n".join(active.said))
            active.said.clear()

    def _begin(self, active: _ActiveRun, node_id: str) -> None:
        """Reuse a step or queue it; fail it if it cannot even be planned."""
        run_id = self._run_of(active, node_id)
        place = (self._store, active.run, active.graph)
        queue = partial(progress.queue, *place, node_id=node_id, run_id=run_id)
        try:
            plan = plan_step(
                self._loopback, active.run, active.graph, node_id=node_id, run_id=run_id
            )
        except (StepFailed, ServiceError) as error:
            queued = queue(inputs={})
            failure = error if isinstance(error, StepFailed) else StepFailed(str(error))
            self._fail(active, node_id, queued["name"], failure)
            return
        earlier = self._earlier(plan)
        if earlier:
            progress.reuse(*place, plan, earlier)
            active.codes[node_id] = "Finished"
            active.said.append(f"Step '{plan.name}' reuses the outputs of run {earlier['RunId']}")
            return
        queued = queue(inputs=plan.inputs)
        if queued["status"] == "CancelRequested":  # by whom a killed service had no time for
            self._cancel(active, plan)
        else:
            active.codes[node_id] = "Queued"
            self._waiting.append(plan)

    def _run_of(self, active: _ActiveRun, node_id: str) -> str:
        """Return a step's own run: the one that it had before a restart, or a new one."""
        known = pipelines.node(self._store, active.run_id, node_id).get("RunId")
        if known:
            StepLog(self._loopback, known).note("The service was restarted; the step begins anew")
        return known or self._store.new_id()

    def _earlier(self, plan: StepPlan) -> Document | None:
        if plan.reuse_key is None or plan.node.get("RegenerateOutput"):
            return None
        return pipelines.finished_node(self._store, plan.reuse_key)

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
        progress.start(self._store, plan)
        active.codes[plan.node_id] = "Running"
        active.said.append(f"Step '{plan.name}' starts on '{plan.target}' as run {plan.run_id}")
        self._running[plan.run_id] = (plan, canceled)
        self._start(plan, canceled)

    def _fail(self, active: _ActiveRun, node_id: str, name: str, failure: StepFailed) -> None:
        run_id = progress.fail(self._store, active.run_id, node_id, failure)
        active.codes[node_id] = "Failed"
        StepLog(self._loopback, run_id).note(f"Step '{name}' failed: {failure}")
        active.said.append(f"Step '{name}' failed: {failure}")

    def _cancel(self, active: _ActiveRun, plan: StepPlan) -> None:
        progress.cancel(self._store, active.run_id, plan.node_id)
        active.codes[plan.node_id] = "Canceled"
        active.said.append(f"Step '{plan.name}' was canceled")

    def _stop(self, active: _ActiveRun) -> None:
        """Cancel what waits of a run, and stop what runs of it."""
        for plan in [p for p in self._waiting if p.pipeline_run_id == active.run_id]:
            self._waiting.remove(plan)
            self._cancel(active, plan)
        for plan, canceled in self._running.values():
            if plan.pipeline_run_id == active.run_id:
                canceled.set()

    def _end(self, active: _ActiveRun) -> None:
        code, failure = active.result(), None
        if code == "Failed":
            failed = progress.failures(self._store, active.run_id, active.graph)
            failure = StepFailed(
                "Pipeline has some failed steps. See child run or execution logs for more details. "
                f"Failed: {'; '.join(failed)}"
            )
        active.said.append(f"The pipeline run ends as {code}")
        progress.end(self._store, active.run_id, code, failure)
        del self._active[active.run_id]


def _has_ended(status: Document) -> bool:
    return status["StatusCode"] in pipelines.ENDED
