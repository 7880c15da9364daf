"""Runs AutoML that was submitted by itself, each run in a thread of its own."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import ServiceError
from azureml_loopback.execution import transfer
from azureml_loopback.execution.automl import TRAINING, VALIDATION, Training, train
from azureml_loopback.execution.automl_command import AutoMLCommand
from azureml_loopback.execution.environments import Environments
from azureml_loopback.execution.logs import StepLog
from azureml_loopback.execution.step import StepCanceled, StepFailed
from azureml_loopback.services.history import state as history
from azureml_loopback.services.jasmine import state as jasmine

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document

log = logging.getLogger(__name__)


class AutoMLRuns:
    """The AutoML runs that go on."""

    def __init__(
        self, loopback: Loopback, command: AutoMLCommand, environments: Environments
    ) -> None:
        """Begin with none; see `resume`."""
        self._loopback = loopback
        self._command = command
        self._environments = environments
        self._lock = threading.Lock()
        self._canceled: dict[str, threading.Event] = {}

    def resume(self) -> None:
        """Train again what a stopped service left unfinished."""
        for run_id in jasmine.unfinished_runs(self._loopback.store):
            self.submit(run_id)

    def is_one(self, run_id: str) -> bool:
        """Say whether a run is AutoML by itself, and not a pipeline's."""
        run = history.find_run(self._loopback.store, run_id)
        return run is not None and jasmine.is_automl_run(run)

    def submit(self, run_id: str) -> None:
        """Start a run; returns at once."""
        canceled = threading.Event()
        with self._lock:
            self._canceled[run_id] = canceled
        name = f"automl-{run_id}"
        threading.Thread(target=self._work, args=(run_id, canceled), name=name, daemon=True).start()

    def cancel(self, run_id: str) -> None:
        """Stop a run; one that has ended stays as it is."""
        with self._lock:
            canceled = self._canceled.get(run_id)
        if canceled:
            history.set_status(self._loopback.store, run_id, "CancelRequested")
            canceled.set()
        else:
            history.set_status(self._loopback.store, run_id, "Canceled")

    def _work(self, run_id: str, canceled: threading.Event) -> None:
        store = self._loopback.store
        try:
            self._train(history.get_run(store, run_id), canceled)
            history.set_status(store, run_id, "Completed")
        except StepCanceled:
            history.set_status(store, run_id, "Canceled")
        except (StepFailed, ServiceError) as failure:
            self._fail(run_id, failure.code, str(failure))
        except Exception as error:
            log.exception("AutoML run %s", run_id)
            text = f"The loopback failed: {type(error).__name__}: {error}"
            self._fail(run_id, "ServiceError", text)
        finally:
            with self._lock:
                self._canceled.pop(run_id, None)

    def _train(self, run: Document, canceled: threading.Event) -> None:
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
            environment=_environment(run),
            folder=folder,
            log=StepLog(self._loopback, run_id),
            canceled=canceled,
        )
        try:
            train(training, self._command, self._environments)
        finally:
            transfer.clear(folder)

    def _fail(self, run_id: str, code: str, message: str) -> None:
        StepLog(self._loopback, run_id).note(f"AutoML failed: {message}")
        error = {"error": {"code": code, "message": message}}
        history.set_status(self._loopback.store, run_id, "Failed", error=error)


def _environment(run: Document) -> dict[str, Any]:
    configuration = (run.get("runDefinition") or {}).get("configuration") or {}
    environment: dict[str, Any] = configuration.get("environment") or {}
    return environment
