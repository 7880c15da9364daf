"""What AutoML left of a run: found by any of the names that it goes by, and brought here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from azureml_deploy.azureml_v1 import OUTPUT_NAMES
from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.files import write_text
from azureml_deploy.runs.detail import step_outputs
from azureml_deploy.runs.downloads import (
    BlobFolder,
    Progress,
    RemoteFile,
    digest,
    is_there,
    open_folder,
)
from azureml_deploy.runs.following import ENDED
from azureml_deploy.runs.history import is_automl
from azureml_deploy.runs.records import RunRecords
from azureml_deploy.runs.step_definition import Place
from azureml_deploy.service_errors import Patience, status_of

RESULTS = ".azureml/results"
"""Where results go, below the project, unless the command says so."""

CHECKSUMS = "SHA256SUMS"
FILE_NAMES = {"metrics": "metrics.json", "model": "model.pkl"}

Role = Literal["metrics", "model"]


@dataclass(frozen=True)
class AutoMLOutput:
    """An output of an AutoML step, still where it is.

    Attributes:
        step: The step's name.
        role: What it is.
        name: What it goes by: ``metrics_output``, ``default_metrics_STEP``, …
        source: Where it is.
        file: The one file that it is.
    """

    step: str
    role: Role
    name: str
    source: BlobFolder
    file: RemoteFile


@dataclass(frozen=True)
class AutoMLRun:
    """An AutoML step that is done.

    Attributes:
        step: Its name.
        run_id: The run that did the work.
        primary_metric: What the best model is best by, if its run tells it.
        outputs: Its metrics and its model.
    """

    step: str
    run_id: str
    primary_metric: str | None
    outputs: tuple[AutoMLOutput, ...]


def find_results(run: Any, patience: Patience) -> tuple[AutoMLRun, ...]:
    """Find what a run's AutoML steps left.

    Args:
        run: The SDK's `PipelineRun`.
        patience: With the service.

    Raises:
        UsageError: The run has no AutoML step, or it is not done.
        ServiceError: An output is missing, or the service failed.
    """
    workspace, experiment = run.experiment.workspace, run.experiment.name
    records = RunRecords(workspace, patience)
    record = records.get(run.id)
    children = records.children(experiment, record)
    steps = [child for child in children if is_automl(child.properties)]
    _demand_done(record, children, steps)
    return tuple(_automl_run(run, records, step, alone=len(steps) == 1) for step in steps)


def download_results(
    results: tuple[AutoMLRun, ...],
    folder: Path,
    patience: Patience,
    progress: Progress = lambda _: None,
) -> dict[tuple[str, Role], Path]:
    """Bring metrics and models to a folder, and write their checksums beside them.

    Args:
        results: What `find_results` returned; of several steps, each gets a folder.
        folder: Where to.
        patience: With the service.
        progress: Told of the bytes that came.

    Returns:
        (Step, role) -> file.

    Raises:
        ServiceError: The service failed, or a file came damaged.
    """
    files: dict[tuple[str, Role], Path] = {}
    for output, target in _targets(results, folder):
        output.source.fetch(output.file, target, patience, progress)
        files[output.step, output.role] = target
    lines = (f"{digest(f)}  {f.relative_to(folder).as_posix()}\n" for f in files.values())
    write_text(folder / CHECKSUMS, "".join(lines))
    return files


def missing(results: tuple[AutoMLRun, ...], folder: Path) -> int:
    """Return how many bytes are still to be brought."""
    targets = _targets(results, folder)
    return sum(output.file.size for output, file in targets if not is_there(output.file, file))


def _targets(results: tuple[AutoMLRun, ...], folder: Path) -> Iterator[tuple[AutoMLOutput, Path]]:
    for result in results:
        place = folder if len(results) == 1 else folder / result.step
        for output in result.outputs:
            yield output, place / FILE_NAMES[output.role]


def _demand_done(record: Any, children: list[Any], steps: list[Any]) -> None:
    """Say that a run goes on or failed, where that is why there are no results."""
    failed = [child.name for child in children if child.status == "Failed"]
    pending = [step.name for step in steps if step.status != "Completed"]
    if steps and not pending:
        return
    what = f"Step {', '.join(pending)} of run {record.run_id}" if pending else "Its AutoML step"
    if record.status not in ENDED:
        raise UsageError(
            f"Run {record.run_id} is still {record.status}, and has no results yet; follow it: "
            f"kedro azureml show {record.run_id} --follow"
        )
    if failed or record.status != "Completed":
        raise UsageError(
            f"Run {record.run_id} is {record.status}"
            + (f": step {', '.join(failed)} failed" if failed else "")
            + f". {what} left no results; see why: kedro azureml show {record.run_id}"
        )
    names = " and no ".join(OUTPUT_NAMES.values())
    raise UsageError(f"Run {record.run_id} has no AutoML step, so it left no {names}")


def _automl_run(run: Any, records: RunRecords, step: Any, *, alone: bool) -> AutoMLRun:
    source = (step.properties or {}).get("azureml.reusedrunid") or step.run_id
    ran = records.get(source) if source != step.run_id else step
    roles: tuple[Role, ...] = ("metrics", "model")
    outputs = tuple(_output(run, step, role, records.patience, alone=alone) for role in roles)
    metric = (ran.properties or {}).get("primary_metric")
    return AutoMLRun(step.name, source, metric, outputs)


def _output(run: Any, step: Any, role: Role, patience: Patience, *, alone: bool) -> AutoMLOutput:
    workspace = run.experiment.workspace
    tried: list[str] = []
    for name, place in _candidates(run, step, role, patience, alone=alone):
        tried.append(name)
        if place is not None:
            source = open_folder(workspace, place.datastore, place.path, patience)
            files = source.files(patience)
            if len(files) != 1:
                raise ServiceError(
                    f"Output {name} of step {step.name} is missing: there are {len(files)} files "
                    f"at {source}, where one should be"
                )
            return AutoMLOutput(step.name, role, name, source, files[0])
    there = ", ".join(step_outputs(run, step, patience)) or "none"
    raise ServiceError(
        f"Step {step.name} of run {run.id} left no {role} by any of the names {', '.join(tried)} "
        f"(its outputs: {there})"
    )


def _candidates(
    run: Any, step: Any, role: Role, patience: Patience, *, alone: bool
) -> Iterator[tuple[str, Place | None]]:
    """Yield the names that an output may go by, and where each is, if it is."""
    name = OUTPUT_NAMES[role] if alone else f"{step.name}_{OUTPUT_NAMES[role]}"
    yield name, _pipeline_output(run, name, patience)
    # the SDK's own, which are there where the step was not told to make none
    default = f"default_{role}_{step.name.replace(' ', '_')}"
    yield default, step_outputs(run, step, patience).get(default)


def _pipeline_output(run: Any, name: str, patience: Patience) -> Place | None:
    try:
        found = patience.ask(f"Looking for output {name}", run.get_pipeline_output, name)
    except ServiceError as error:
        if status_of(error) != 404:
            raise
        return None
    return Place(found.datastore_name, found.path_on_datastore)
