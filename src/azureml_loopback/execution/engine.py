"""Runs pipelines on this machine: a thread that decides, and one for each step that runs."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azureml_loopback.execution.automl_command import AutoMLCommand
from azureml_loopback.execution.automl_runs import AutoMLWork
from azureml_loopback.execution.automl_step import AutoMLRunner
from azureml_loopback.execution.environments import (
    CallerEnvironment,
    Environments,
    IsolatedEnvironments,
)
from azureml_loopback.execution.lone_runs import LoneRuns
from azureml_loopback.execution.plan import StepPlan
from azureml_loopback.execution.scheduler import Scheduler
from azureml_loopback.execution.schedules import ScheduleThread
from azureml_loopback.execution.script_runs import ScriptWork
from azureml_loopback.execution.script_step import ScriptRunner
from azureml_loopback.execution.step import Runner
from azureml_loopback.execution.work import release, work
from azureml_loopback.services.pipelines import state as pipelines

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""After so long without events: a compute may have been given more nodes."""

Event = tuple[str, Callable[[Scheduler], None]]
"""The pipeline run that it is about, and what is to be done."""


@dataclass(frozen=True)
class Options:
    """How steps are run.

    Attributes:
        automl_command: What trains an AutoML step; the protocol's options are added.
        isolated: Run each step in the Python environment that it declares.
    """

    automl_command: tuple[str, ...]
    isolated: bool


class LocalEngine:
    """Implements `context.Engine`."""

    def __init__(self, options: Options) -> None:
        """Take how steps are run; nothing runs before `start`."""
        self._options = options
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def start(self, loopback: Loopback) -> None:
        """Begin to run what is submitted, and go on with what a stopped service left."""
        environments = _environments(loopback, self._options)
        command = AutoMLCommand(self._options.automl_command)
        scripts = ScriptRunner(environments)
        runners: Mapping[str, Runner] = {
            "escloud": scripts,
            "AutoMLCloud": AutoMLRunner(environments, command),
        }

        def begin(plan: StepPlan, canceled: threading.Event) -> None:
            def body() -> None:
                outcome = work(loopback, runners, plan, canceled)
                release(loopback, plan, canceled)
                self._events.put((plan.pipeline_run_id, lambda deciding: deciding.ended(outcome)))

            threading.Thread(target=body, name=f"step-{plan.run_id}", daemon=True).start()

        self._lone = LoneRuns(
            loopback,
            (AutoMLWork(loopback, command, environments), ScriptWork(loopback, scripts)),
        )
        self._lone.resume()
        for run_id in pipelines.unfinished_runs(loopback.store):
            self.submit(run_id)
        self._schedules = ScheduleThread(loopback)
        self._schedules.start()
        scheduler = Scheduler(loopback, begin)
        threading.Thread(target=self._decide, args=(scheduler,), name="engine", daemon=True).start()

    def stop(self) -> None:
        """Decide nothing more. Steps end with the process, and run again at the next start."""
        self._schedules.stop()
        self._events.put(None)

    def submit(self, run_id: str) -> None:
        """Start a pipeline run, or a run that is no pipeline's; returns at once."""
        if self._lone.is_one(run_id):
            self._lone.submit(run_id)
            return
        self._events.put((run_id, lambda scheduler: scheduler.submitted(run_id)))

    def cancel(self, run_id: str) -> None:
        """Stop a run or one of its steps; one that has ended stays as it is."""
        if self._lone.is_one(run_id):
            self._lone.cancel(run_id)
            return
        self._events.put((run_id, lambda scheduler: scheduler.cancel(run_id)))

    def _decide(self, scheduler: Scheduler) -> None:
        while (event := self._next()) is not None:
            run_id, decide = event
            try:
                decide(scheduler)
            except Exception as error:  # one run's trouble must not stop the others
                log.exception("the engine fails at run '%s'", run_id)
                with suppress(Exception):
                    scheduler.give_up(run_id, error)

    def _next(self) -> Event | None:
        """Return what is to be done next; now and then, a look at what waits."""
        try:
            return self._events.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return "", Scheduler.look


def _environments(loopback: Loopback, options: Options) -> Environments:
    if options.isolated:
        return IsolatedEnvironments(loopback.home.folder / "environments")
    return CallerEnvironment()
