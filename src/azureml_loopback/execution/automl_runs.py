"""AutoML that was submitted by itself."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from azureml_loopback.execution import transfer
from azureml_loopback.execution.automl import TRAINING, VALIDATION, Training, train
from azureml_loopback.execution.automl_command import AutoMLCommand
from azureml_loopback.execution.environments import Environments
from azureml_loopback.execution.logs import StepLog
from azureml_loopback.execution.step import StepFailed
from azureml_loopback.services.jasmine import state as jasmine

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document


class AutoMLWork:
    """Implements `lone_runs.LoneWork`."""

    def __init__(
        self, loopback: Loopback, command: AutoMLCommand, environments: Environments
    ) -> None:
        """Take what trains, and in which Python."""
        self._loopback = loopback
        self._command = command
        self._environments = environments

    def is_one(self, run: Document) -> bool:
        """Say whether a run is AutoML by itself, and not a pipeline's."""
        return jasmine.is_automl_run(run)

    def run(self, run: Document, canceled: threading.Event) -> None:
        """Train.

        Raises:
            StepFailed: It failed.
            StepCanceled: It was stopped.
        """
        request, run_id = run["_request"], run["runId"]
        named = jasmine.datasets_of(request)
        if TRAINING not in named:
            raise StepFailed("AutoML needs training_data=TabularDataset")
        folder = self._loopback.home.runs / run_id
        transfer.clear(folder)
        folder.mkdir(parents=True)
        training = Training(
            loopback=self._loopback,
            run_id=run_id,
            job=jasmine.job_of(request),
            datasets={role: named[role] for role in (TRAINING, VALIDATION) if role in named},
            environment=jasmine.CURATED_ENVIRONMENT,
            folder=folder,
            log=StepLog(self._loopback, run_id),
            canceled=canceled,
        )
        try:
            train(training, self._command, self._environments)
        finally:
            transfer.clear(folder)
