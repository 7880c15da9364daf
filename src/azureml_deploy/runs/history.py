"""The runs of an experiment: found by id, by its beginning or as the latest, and listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.runs.following import StepState, aware, open_run, step_state
from azureml_deploy.runs.records import PIPELINE_RUN, STEP_RUN, RunRecords
from azureml_deploy.service_errors import Patience, status_of
from local_automl.settings import did_you_mean

LATEST = "latest"
FULL_ID = 36
"""Length of a run's id; what is shorter is the beginning of one."""

SHOWN = 5
"""How many runs or names a message lists."""


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


def find_run(workspace: Any, experiment_name: str, text: str, patience: Patience) -> Any:
    """Return the run that a command's RUN means.

    Args:
        workspace: Where it ran.
        experiment_name: Where ``latest`` and the beginning of an id are looked for.
        text: A run's id, its beginning if it is unique, or ``latest``.
        patience: With the service.

    Returns:
        The SDK's `PipelineRun`.

    Raises:
        UsageError: There is no such run, or there are several.
        ServiceError: The service failed.
    """
    records = RunRecords(workspace, patience)
    if len(text) >= FULL_ID:
        return open_run(workspace, _whole_id(records, text), patience)
    return open_run(workspace, _matching_id(records, experiment_name, text), patience)


def list_runs(
    workspace: Any, experiment_name: str, last: int, patience: Patience
) -> Iterator[RunSummary]:
    """Yield an experiment's pipeline runs, the newest first.

    Args:
        workspace: Where they ran.
        experiment_name: Whose.
        last: How many.
        patience: With the service.

    Raises:
        UsageError: There is no such experiment.
        ServiceError: The service failed.
    """
    records = RunRecords(workspace, patience)
    for run in islice(_pipeline_runs(records, experiment_name), last):
        steps = records.children(experiment_name, run)
        best = (_best_metric(records, step) for step in steps)
        yield RunSummary(
            run_id=run.run_id,
            experiment_name=experiment_name,
            status=run.status,
            submitted=aware(run.created_utc),
            started=aware(run.start_time_utc),
            ended=aware(run.end_time_utc),
            steps=tuple(map(step_state, steps)),
            best=next(filter(None, best), None),
        )


def _whole_id(records: RunRecords, run_id: str) -> str:
    """Check that an id is a pipeline run's."""
    try:
        run = records.get(run_id)
    except ServiceError as error:
        if status_of(error) != 404:
            raise
        raise UsageError(
            f"{run_id}: there is no such run in workspace {records.workspace.name}; list the runs: "
            "kedro azureml runs"
        ) from None
    if run.run_type == STEP_RUN:
        raise UsageError(
            f"{run_id} is step {run.name} of run {run.parent_run_id}; write: "
            f"{run.parent_run_id} --step {run.name}"
        )
    if run.run_type != PIPELINE_RUN:
        raise UsageError(f"{run_id} is a run of type {run.run_type}, and no pipeline's")
    return run_id


def _matching_id(records: RunRecords, experiment_name: str, text: str) -> str:
    """Return the one id that begins with a text, or the newest."""
    runs = _pipeline_runs(records, experiment_name)
    if text == LATEST:
        newest = next(runs, None)
        if newest is None:
            raise UsageError(
                f"latest: experiment '{experiment_name}' has no runs yet; submit one: "
                "kedro azureml submit"
            )
        return str(newest.run_id)
    ids = [run.run_id for run in runs]
    found = [run_id for run_id in ids if run_id.startswith(text)]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise UsageError(f"{text}: several runs begin so ({_some(found)}); write more of the id")
    raise UsageError(
        f"{text}: no run of experiment '{experiment_name}' begins so (the newest: "
        f"{_some(ids) or 'none'}); for another experiment's, write the whole id"
    )


def _pipeline_runs(records: RunRecords, experiment_name: str) -> Iterator[Any]:
    try:
        yield from records.pipeline_runs(experiment_name)
    except ServiceError as error:
        if status_of(error) != 404:
            raise
        names = records.experiment_names()
        raise UsageError(
            f"There is no experiment '{experiment_name}' in workspace {records.workspace.name} yet"
            f"{did_you_mean(experiment_name, names)} (there is: {_some(names) or 'none'})"
        ) from None


def _best_metric(records: RunRecords, step: Any) -> BestMetric | None:
    """Return what an AutoML step reached; a reused one, what its first run did."""
    if not is_automl(step.properties):
        return None
    source = (step.properties or {}).get("azureml.reusedrunid")
    ran = records.get(source) if source else step
    score = (ran.tags or {}).get("best_score")
    name = (ran.properties or {}).get("primary_metric")
    return BestMetric(name, float(score)) if name and score else None


def is_automl(properties: Mapping[str, str] | None) -> bool:
    """Say whether a step's run is AutoML's: an AutoMLStep, or the SDK's ReusableAutoMLStep."""
    return (properties or {}).get("StepType", "").endswith("AutoMLStep")


def _some(values: list[str]) -> str:
    more = ", …" if len(values) > SHOWN else ""
    return ", ".join(values[:SHOWN]) + more
