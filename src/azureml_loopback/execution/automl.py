"""Trains what AutoML is asked for, by a command that is given to the service at its start."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azureml_loopback.execution import automl_history, process_group
from azureml_loopback.execution.automl_command import AutoMLCommand, protocol_options
from azureml_loopback.execution.automl_data import fetch_table
from azureml_loopback.execution.environments import Environments
from azureml_loopback.execution.logs import StepLog
from azureml_loopback.execution.step import StepFailed
from azureml_loopback.services.history import state as history
from azureml_loopback.services.jasmine.settings import AutoMLJob

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback

TRAINING, VALIDATION = "training_data", "validation_data"

_LINE: Mapping[str, type | tuple[type, ...]] = {
    "iteration": int,
    "learner": str,
    "metric": str,
    "value": (int, float),
    "best": (int, float),
}
"""What the command tells of an iteration, one JSON object a line."""


@dataclass(frozen=True)
class Training:
    """One training about to begin.

    Attributes:
        run_id: The AutoML run.
        job: What is trained.
        datasets: ``training_data`` and, if there is any, ``validation_data`` -> saved dataset.
        environment: The definition of the environment that is declared for it.
        folder: A folder of its own on this machine.
        log: The run's log.
        canceled: Ends it when set.
        seconds: What the command may take; nothing for any time.
    """

    loopback: Loopback
    run_id: str
    job: AutoMLJob
    datasets: Mapping[str, str]
    environment: Mapping[str, Any]
    folder: Path
    log: StepLog
    canceled: threading.Event
    seconds: float | None = None


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes:
        model: The best model, pickled.
        metrics: JSON: iteration -> {metric -> [value]}.
    """

    model: Path
    metrics: Path


@dataclass
class _Iterations:
    """Turns the command's output into log lines and children of the run, while it comes."""

    training: Training
    last_end: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    _rest: bytes = b""

    def take(self, part: bytes) -> None:
        """Take a part of the command's standard output."""
        self.training.log.output(part)
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in filter(None, map(_iteration, lines)):
            store = self.training.loopback.store
            automl_history.add_iteration(store, self.training, line, self.last_end)
            self.last_end = store.clock.text()
            self.seen.append(line)

    def best(self) -> dict[str, Any]:
        """Return the first iteration that reached the best value.

        Raises:
            StepFailed: The command told of no iteration.
        """
        for line in self.seen:
            if line["value"] == self.seen[-1]["best"]:
                return line
        raise StepFailed("The AutoML command told of no iteration on standard output")


def train(training: Training, command: AutoMLCommand, environments: Environments) -> Trained:
    """Train, and record iterations, metrics and the best model in the run's history.

    Raises:
        StepFailed: The data cannot be read, or the command failed; the command's last line of
            standard error is the message.
        StepCanceled: It was stopped.
    """
    loopback, folder, log = training.loopback, training.folder, training.log
    _say_not_honoured(training)
    data = {
        role: fetch_table(loopback, role, saved_id, folder, training.canceled)
        for role, saved_id in training.datasets.items()
    }
    words, variables = command.prepared(training.environment, environments, folder, log.note)
    settings, output = folder / "settings.json", folder / "output"
    settings.write_text(json.dumps(dict(training.job.settings)), encoding="utf-8")
    history.set_status(loopback.store, training.run_id, "Running")
    iterations = _Iterations(training, loopback.clock.text())
    status = process_group.run(
        [*words, *protocol_options(settings, data, output)],
        cwd=folder,
        environment=variables,
        output=iterations.take,
        error=log.error,
        canceled=training.canceled,
        seconds=training.seconds,
    )
    if status != 0:
        reason = log.last_error_line().removeprefix("error: ")
        raise StepFailed(reason or f"The AutoML command ended with exit status {status}")
    trained = Trained(output / "model.pkl", output / "metrics.json")
    missing = [file.name for file in (trained.model, trained.metrics) if not file.is_file()]
    if missing:
        raise StepFailed(f"The AutoML command left no {' and no '.join(missing)}", "SystemError")
    automl_history.add_result(
        loopback,
        training,
        iterations.best(),
        json.loads(trained.metrics.read_text(encoding="utf-8")),
        trained.model.read_bytes(),
    )
    return trained


def _say_not_honoured(training: Training) -> None:
    """Say, in the run's warnings and its log, which settings have no effect."""
    said = [f"AutoML here does not honour {refused}" for refused in training.job.not_honoured]
    for message in said:
        training.log.note(message)
    warnings = [{"source": "AutoML", "message": message} for message in said]
    history.update_run(training.loopback.store, training.run_id, warnings=warnings)


def _iteration(line: bytes) -> dict[str, Any] | None:
    """Return what a line tells of an iteration; nothing for any other output."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    known = all(isinstance(told.get(name), kind) for name, kind in _LINE.items())
    return told if known else None
