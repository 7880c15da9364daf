"""What a run's steps print, read while it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.runs.following import ENDED, MAIN_LOGS
from azureml_deploy.runs.records import RunRecords
from azureml_deploy.service_errors import Patience, status_of
from local_automl.settings import did_you_mean


@dataclass(frozen=True)
class LogPart:
    """Some more of a step's log."""

    step: str
    text: str


def read_logs(run: Any, step: str | None, patience: Patience) -> Iterator[LogPart]:
    """Yield the log of each step that has one, in the order in which they began.

    Args:
        run: The SDK's `PipelineRun`.
        step: Only this one's.
        patience: With the service.

    Raises:
        UsageError: There is no such step.
        ServiceError: The service failed.
    """
    records = RunRecords(run.experiment.workspace, patience)
    for child in _wanted(run, records.children(run.experiment.name, records.get(run.id)), step):
        yield LogPart(child.name, _text(run, child, records))


def follow_logs(
    run: Any, step: str | None, patience: Patience, *, every: float = 2.0
) -> Iterator[LogPart]:
    """Yield what steps print as they print it, until the run, or the one step, has ended.

    Args:
        run: The SDK's `PipelineRun`.
        step: Only this one's; it may not have begun.
        patience: With the service.
        every: Seconds between two looks.

    Raises:
        UsageError: The run has ended, and has no such step.
        ServiceError: The service failed.
    """
    records = RunRecords(run.experiment.workspace, patience)
    shown: dict[str, int] = {}
    while True:
        # first the states and then the logs: of what has ended, the log is whole
        record = records.get(run.id)
        children = records.children(run.experiment.name, record)
        over = record.status in ENDED
        wanted = children if not step else [child for child in children if child.name == step]
        if over:
            wanted = _wanted(run, children, step)
        for child in wanted:
            text = _text(run, child, records)
            fresh = text[shown.get(child.run_id, 0) :]
            shown[child.run_id] = len(text)
            if fresh:
                yield LogPart(child.name, fresh)
        if over or (step and wanted and all(child.status in ENDED for child in wanted)):
            return
        patience.sleep(every)


def main_log(names: Iterable[str]) -> str | None:
    """Return the name of the log that a step's own script writes."""
    ordered = sorted(names)
    starting = (name for start in MAIN_LOGS for name in ordered if name.startswith(start))
    return next(starting, None)


def _wanted(run: Any, children: list[Any], step: str | None) -> list[Any]:
    if step is None:
        return children
    found = [child for child in children if child.name == step]
    if not found:
        names = [child.name for child in children]
        raise UsageError(
            f"--step {step}: run {run.id} has no such step that has begun"
            f"{did_you_mean(step, names)} (it has: {', '.join(names) or 'none'})"
        )
    return found


def _text(run: Any, child: Any, records: RunRecords) -> str:
    from azureml._file_utils import download_file_stream  # noqa: PLC0415

    source = (child.properties or {}).get("azureml.reusedrunid") or child.run_id
    files = records.log_files(run.experiment.name, source)
    name = main_log(files)
    if name is None:
        return ""
    try:
        text: str = records.patience.ask(
            f"Reading the log of {child.name}", download_file_stream, files[name]
        )
    except ServiceError as error:
        if status_of(error) == 404:  # named before anything is in it
            return ""
        raise
    return text
