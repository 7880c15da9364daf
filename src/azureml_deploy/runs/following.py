"""A run opened, followed by snapshots of its steps' states, cancelled; why a step failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from azureml_deploy.service_errors import Patience

WAITING = "Waiting"
"""What a step is that has no run yet; all other words for states are Azure's own."""

ENDED = frozenset({"Completed", "Failed", "Canceled"})
LOGS = ".azureml/logs"
"""Where logs are downloaded to, below the project."""

MAIN_LOGS = ("user_logs/std_log", "azureml-logs/70_driver_log", "azureml-logs/80_driver_log")
"""Beginnings of the names of the log that a step's own script writes, the likeliest first."""


@dataclass(frozen=True)
class StepState:
    """One step of a run, at one moment."""

    name: str
    status: str = WAITING
    run_id: str | None = None
    reused: bool = False
    started: datetime | None = None
    ended: datetime | None = None

    def seconds(self, now: datetime) -> float | None:
        """Return how long it has been running, or ran."""
        return ((self.ended or now) - self.started).total_seconds() if self.started else None


@dataclass(frozen=True)
class RunState:
    """A run and its steps, at one moment."""

    run_id: str
    experiment_name: str
    status: str
    link: str
    steps: tuple[StepState, ...]

    @property
    def ended(self) -> bool:
        """Say whether nothing will change any more."""
        return self.status in ENDED

    @property
    def failed(self) -> tuple[StepState, ...]:
        """Return the steps that failed."""
        return tuple(step for step in self.steps if step.status == "Failed")

    @property
    def completed(self) -> frozenset[str]:
        """Return the names of the steps that completed."""
        return frozenset(step.name for step in self.steps if step.status == "Completed")

    def link_of(self, step: StepState) -> str:
        """Return the portal's page of a step."""
        return self.link.replace(self.run_id, step.run_id) if step.run_id else self.link


@dataclass(frozen=True)
class Failure:
    """Why a step failed.

    Attributes:
        step: Its name.
        error: What the service says.
        tail: The last lines of its log.
        log: Where its whole log is, on this machine.
    """

    step: str
    error: str
    tail: tuple[str, ...]
    log: Path | None


def open_run(workspace: Any, run_id: str, patience: Patience) -> Any:
    """Return a pipeline's run by its id.

    Raises:
        ServiceError: There is none, or the service failed.
    """
    from azureml.pipeline.core import PipelineRun  # noqa: PLC0415

    return patience.ask(f"Opening run {run_id}", PipelineRun.get, workspace, run_id)


def cancel_run(workspace: Any, run_id: str, patience: Patience) -> None:
    """Ask for a run to be cancelled; steps that have ended stay as they are.

    Raises:
        ServiceError: There is no such run, or the service failed.
    """
    run = open_run(workspace, run_id, patience)
    patience.ask(f"Cancelling run {run_id}", run.cancel)


def follow(
    run: Any, steps: Iterable[str], patience: Patience, *, every: float = 2.0
) -> Iterator[RunState]:
    """Yield a run's state again and again, until it has ended.

    Args:
        run: The SDK's `PipelineRun`.
        steps: Names of all its steps, in the plan's order; others come after them.
        patience: With the service.
        every: Seconds between two looks.
    """
    names = tuple(steps)
    while True:
        state = patience.ask(f"Asking for the state of run {run.id}", read_state, run, names)
        yield state
        if state.ended:
            return
        patience.sleep(every)


def read_state(run: Any, steps: Iterable[str]) -> RunState:
    """Look at a run.

    Args:
        run: The SDK's `PipelineRun`.
        steps: Names of its steps; one without a run of its own is waiting.
    """
    # first the whole and then the parts: of a run that has ended, all steps are final
    status = {"Finished": "Completed"}.get(found := str(run.get_status()), found)
    # get_children makes an object with threads and requests of its own of each step
    children = run._client.get_descendants(root_run_id=run._root_run_id, recursive=False)
    states = {name: StepState(name) for name in steps}
    for child in sorted(children, key=lambda child: str(child.created_utc)):
        states[child.name] = step_state(child)
    return RunState(
        run.id, run.experiment.name, status, run.get_portal_url(), tuple(states.values())
    )


def step_state(child: Any) -> StepState:
    """Return the state that a step's record tells of."""
    properties = child.properties or {}
    reused = str(properties.get("azureml.isreused", "")).lower() == "true"
    return StepState(
        name=child.name,
        status=child.status,
        run_id=child.run_id,
        reused=reused or "azureml.reusedrunid" in properties,
        started=aware(child.start_time_utc),
        ended=aware(child.end_time_utc),
    )


def aware(moment: datetime | None) -> datetime | None:
    """Return a moment of the service, which is in UTC, as such."""
    return moment.replace(tzinfo=timezone.utc) if moment and not moment.tzinfo else moment


def failure_of(
    run: Any, step: StepState, folder: Path, patience: Patience, *, lines: int = 20
) -> Failure:
    """Find out why a step failed, and bring its logs here.

    Args:
        run: The SDK's `PipelineRun`.
        step: The step; has a run.
        folder: Where logs go, in a folder for the run and one for the step.
        patience: With the service.
        lines: How many of the log's last lines.
    """
    from azureml.core import Run  # noqa: PLC0415

    child = patience.ask(f"Opening step {step.name}", Run, run.experiment, step.run_id)
    details = patience.ask(f"Asking why {step.name} failed", child.get_details)
    target = folder / run.id / step.name
    files = patience.ask(f"Fetching the log of {step.name}", child.get_all_logs, str(target))
    log = _main_log([Path(file) for file in files], target)
    text = log.read_text(encoding="utf-8", errors="replace") if log else ""
    error = (details.get("error") or {}).get("error") or {}
    return Failure(
        step=step.name,
        error=str(error.get("message") or "the service says no more than that it failed"),
        tail=tuple(line.rstrip() for line in text.rstrip().splitlines()[-lines:]),
        log=log,
    )


def _main_log(files: list[Path], folder: Path) -> Path | None:
    """Return the log that the step's own script wrote, or else the longest."""
    for start in MAIN_LOGS:
        for file in sorted(files):
            if file.relative_to(folder).as_posix().startswith(start):
                return file
    return max(files, key=lambda file: file.stat().st_size, default=None)
