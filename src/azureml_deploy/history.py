"""The runs of an experiment: found by id, by its beginning or as the latest, listed, described."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from azureml_deploy.errors import UsageError
from azureml_deploy.runs import RunState, StepState, aware, open_run, read_state, step_state
from azureml_deploy.service_errors import Patience, status_of
from azureml_deploy.step_definition import read_definition
from local_automl.settings import did_you_mean

LATEST = "latest"
PIPELINE_RUN = "azureml.PipelineRun"
STEP_RUN = "azureml.StepRun"
FULL_ID = 36
"""Length of a run's id."""

SHOWN_IDS = 5


@dataclass(frozen=True)
class BestMetric:
    """The best value that AutoML reached of its primary metric."""

    name: str
    value: float


@dataclass(frozen=True)
class RunSummary:
    """One line of the history."""

    run_id: str
    experiment_name: str
    status: str
    submitted: datetime | None
    started: datetime | None
    ended: datetime | None
    steps: tuple[StepState, ...]
    best: BestMetric | None = None

    @property
    def reused(self) -> int:
        """Return how many steps were reused."""
        return sum(step.reused for step in self.steps)

    def seconds(self, now: datetime) -> float | None:
        """Return how long it has been running, or ran."""
        return ((self.ended or now) - self.started).total_seconds() if self.started else None


@dataclass(frozen=True)
class StepDetail:
    """One step of a run, with all that its run tells.

    Attributes:
        state: Its name, status and times.
        snapshot: Id of the folder that was uploaded for it.
        arguments: Of its script, with names in the place of paths.
        packages: That its environment declares.
        settings: Of AutoML, by the SDK's names.
        inputs: What it read.
        outputs: Where it wrote.
        metrics: What it logged.
        logs: Names of its log files.
    """

    state: StepState
    snapshot: str | None = None
    arguments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    logs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunDetail:
    """A run with all that it and its steps tell.

    Attributes:
        state: Its status and steps.
        parameters: Pipeline parameter -> value.
        git: What is known of the commit that it was submitted from.
        steps: In the order in which they began.
    """

    state: RunState
    parameters: Mapping[str, Any]
    git: Mapping[str, str]
    steps: tuple[StepDetail, ...]


def find_run(workspace: Any, experiment_name: str, text: str, patience: Patience) -> Any:
    """Return the run that a command's RUN means.

    Args:
        workspace: Where it ran.
        experiment_name: Where `latest` and the beginning of an id are looked for.
        text: A run's id, its beginning if it is unique, or ``latest``.
        patience: With the service.

    Returns:
        The SDK's `PipelineRun`.

    Raises:
        UsageError: There is no such run, or there are several.
        ServiceError: The service failed.
    """
    if len(text) >= FULL_ID:
        return open_run(workspace, _pipeline_of(workspace, text, patience), patience)
    ids = [dto.run_id for dto in _pipeline_runs(workspace, experiment_name, patience)]
    if text == LATEST:
        found = ids[:1]
    else:
        found = [run_id for run_id in ids if run_id.startswith(text)]
    if len(found) > 1:
        raise UsageError(f"{text}: several runs begin so: {_listed(found)}; write more of the id")
    if not found:
        raise UsageError(_nothing_found(experiment_name, text, ids))
    return open_run(workspace, found[0], patience)


def list_runs(
    workspace: Any, experiment_name: str, last: int, patience: Patience
) -> Iterator[RunSummary]:
    """Yield the newest pipeline runs of an experiment, the newest first.

    Raises:
        UsageError: There is no such experiment.
        ServiceError: The service failed.
    """
    for dto in islice(_pipeline_runs(workspace, experiment_name, patience), last):
        children = patience.ask(
            f"Asking for the steps of run {dto.run_id}", _children, workspace, experiment_name, dto
        )
        yield RunSummary(
            run_id=dto.run_id,
            experiment_name=experiment_name,
            status=dto.status,
            submitted=aware(dto.created_utc),
            started=aware(dto.start_time_utc),
            ended=aware(dto.end_time_utc),
            steps=tuple(step_state(child) for child in children),
            best=next(
                filter(None, (_best_metric(workspace, child, patience) for child in children)), None
            ),
        )


def describe_run(run: Any, patience: Patience) -> RunDetail:
    """Ask for all that a run and its steps tell.

    Args:
        run: The SDK's `PipelineRun`.
        patience: With the service.

    Raises:
        ServiceError: The service failed.
    """
    state = patience.ask(f"Asking for the state of run {run.id}", read_state, run, ())
    properties = patience.ask(f"Asking for the properties of run {run.id}", run.get_properties)
    steps = {step.name: step for step in state.steps}
    described = [
        patience.ask(f"Asking for step {step.name}", _describe_step, step, steps[step.name])
        for step in step_runs(run, patience)
    ]
    return RunDetail(
        state=state,
        parameters=json.loads(properties.get("azureml.parameters") or "{}"),
        git={name: value for name, value in properties.items() if name.startswith("azureml.git")},
        steps=tuple(described),
    )


def step_runs(run: Any, patience: Patience) -> list[Any]:
    """Return the SDK's runs of a pipeline run's steps, in the order in which they were made."""
    steps = patience.ask(f"Asking for the steps of run {run.id}", lambda: list(run.get_steps()))
    return sorted(steps, key=lambda step: step._run_dto["created_utc"])


def find_step(run: Any, name: str, patience: Patience) -> Any:
    """Return the run of one step: of a reused one, the run that did the work.

    Raises:
        UsageError: The run has no such step, or it has not begun.
        ServiceError: The service failed.
    """
    steps = {step.name: step for step in step_runs(run, patience)}
    if name not in steps:
        raise UsageError(
            f"--step {name}: run {run.id} has no step of that name that has begun"
            f"{did_you_mean(name, steps)} (it has: {', '.join(steps) or 'none yet'})"
        )
    return original(steps[name], patience)


def original(step: Any, patience: Patience) -> Any:
    """Return the run that did a step's work, which another run may have reused."""
    from azureml.core import Run  # noqa: PLC0415

    source = step._run_dto["properties"].get("azureml.reusedrunid")
    if not source:
        return step
    return patience.ask(
        f"Opening run {source}, which {step.name} was reused from",
        Run.get,
        step.experiment.workspace,
        source,
    )


def details_of(step: Any) -> dict[str, Any]:
    """Return a run's details, without opening the datasets that they name."""
    from azureml._common.async_utils import TaskQueue  # noqa: F401, PLC0415

    raise NotImplementedError


def _pipeline_of(workspace: Any, run_id: str, patience: Patience) -> str:
    raise NotImplementedError


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(ids)
