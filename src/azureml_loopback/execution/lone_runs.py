"""Runs that are no pipeline's, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from azureml_loopback.errors import ServiceError
from azureml_loopback.execution.logs import StepLog
from azureml_loopback.execution.step import StepCanceled, StepFailed
from azureml_loopback.services.history import state as history
from azureml_loopback.services.history.changes import TERMINAL

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document

log = logging.getLogger(__name__)


class LoneWork(Protocol):
    """What is done in one kind of run."""

    def is_one(self, run: Document) -> bool:
        """Say whether a run is of this kind."""

    def run(self, run: Document, canceled: threading.Event) -> None:
        """Do a run's work; it is complete when this returns.

        Raises:
            StepFailed: It is not; the message is what the run's error says.
            StepCanceled: ``canceled`` was set.
        """


class LoneRuns:
    """The runs that go on."""

    def __init__(self, loopback: Loopback, kinds: Sequence[LoneWork]) -> None:
        """Begin with none; see `resume`."""
        self._loopback = loopback
        self._kinds = kinds
        self._lock = threading.Lock()
        self._canceled: dict[str, threading.Event] = {}

    def resume(self) -> None:
        """Begin again what a stopped service left unfinished."""
        for run in history.runs(self._loopback.store):
            if run["status"] in {"NotStarted", *TERMINAL} or self._kind(run) is None:
                continue
            if run["status"] == "CancelRequested":
                history.set_status(self._loopback.store, run["runId"], "Canceled")
            else:
                self.submit(run["runId"])

    def is_one(self, run_id: str) -> bool:
        """Say whether a run is run here, and not by a pipeline."""
        run = history.find_run(self._loopback.store, run_id)
        return run is not None and self._kind(run) is not None

    def submit(self, run_id: str) -> None:
        """Start a run; returns at once."""
        canceled = threading.Event()
        with self._lock:
            self._canceled[run_id] = canceled
        name = f"run-{run_id}"
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

    def _kind(self, run: Document) -> LoneWork | None:
        return next((kind for kind in self._kinds if kind.is_one(run)), None)

    def _work(self, run_id: str, canceled: threading.Event) -> None:
        store = self._loopback.store
        run = history.get_run(store, run_id)
        try:
            kind = self._kind(run)
            assert kind is not None
            kind.run(run, canceled)
            history.set_status(store, run_id, "Completed")
        except StepCanceled:
            history.set_status(store, run_id, "Canceled")
        except (StepFailed, ServiceError) as failure:
            self._fail(run_id, failure.code, str(failure))
        except Exception as error:
            log.exception("run %s", run_id)
            text = f"The loopback failed: {type(error).__name__}: {error}"
            self._fail(run_id, "ServiceError", text)
        finally:
            with self._lock:
                self._canceled.pop(run_id, None)

    def _fail(self, run_id: str, code: str, message: str) -> None:
        StepLog(self._loopback, run_id).note(f"The run failed: {message}")
        error = {"error": {"code": code, "message": message}}
        history.set_status(self._loopback.store, run_id, "Failed", error=error)
