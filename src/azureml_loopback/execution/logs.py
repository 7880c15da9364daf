"""What a step prints, as files of its run that can be followed while they are written."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from azureml_loopback.services.artifacts import state as artifacts
from azureml_loopback.services.artifacts.run_logs import DRIVER_LOG, JOB_LOG, STDERR_LOG, STDOUT_LOG

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback

_TAIL = 200
"""Lines of standard error that are kept to find the error in."""


class StepLog:
    """The log files of one run."""

    def __init__(self, loopback: Loopback, run_id: str) -> None:
        """Write to the files of this run."""
        self._loopback = loopback
        self._run_id = run_id
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._lock = threading.Lock()

    def say(self, message: str) -> None:
        """Write a line of the service's own to the job log."""
        line = f"[{self._loopback.clock.now():%Y-%m-%d %H:%M:%SZ}] {message}\n"
        self._append(JOB_LOG, line.encode())

    def note(self, message: str) -> None:
        """Write a line of the service's own where the script's output goes too, and the job log."""
        self.say(message)
        self._append(DRIVER_LOG, f"{message}\n".encode())

    def output(self, data: bytes) -> None:
        """Add to the script's standard output."""
        self._append(STDOUT_LOG, data)
        self._append(DRIVER_LOG, data)

    def error(self, data: bytes) -> None:
        """Add to the script's standard error."""
        with self._lock:
            self._tail.extend(data.decode("utf-8", "replace").splitlines())
        self._append(STDERR_LOG, data)
        self._append(DRIVER_LOG, data)

    def last_error_line(self) -> str:
        """Return the last line of standard error that says something; empty if there is none."""
        with self._lock:
            return next((line.strip() for line in reversed(self._tail) if line.strip()), "")

    def _append(self, path: str, data: bytes) -> None:
        artifacts.append(self._loopback, self._run_id, path, data)
