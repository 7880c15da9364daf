"""A step's command, run in a process group of its own, its output handed on while it comes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from azureml_loopback.execution.step import StepCanceled, StepFailed

log = logging.getLogger(__name__)

SUPERVISOR = Path(__file__).with_name("supervise.py")
GRACE_SECONDS = 3.0
"""What a canceled step has to end by itself."""

Sink = Callable[[bytes], None]
"""Takes a part of the output."""

_CHUNK = 65536
_POLL_SECONDS = 0.05
_DRAIN_SECONDS = 5.0


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    output: Sink,
    error: Sink,
    canceled: threading.Event,
    seconds: float | None = None,
) -> int:
    """Run a command to its end and return its exit status.

    Args:
        command: Program and arguments.
        cwd: Folder to run in.
        environment: All of its variables.
        output: Gets its standard output.
        error: Gets its standard error.
        canceled: Ends the whole group when set.
        seconds: What it may take; nothing for any time.

    Raises:
        StepCanceled: It was ended so.
        StepFailed: It took longer.
    """
    process = subprocess.Popen(
        [sys.executable, "-IS", str(SUPERVISOR), *command],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    pumps = [_pump(process.stdout, output), _pump(process.stderr, error)]
    try:
        in_time = _wait(process, canceled, seconds)
    finally:
        _kill(process, signal.SIGKILL)  # what the command left running in its group
        for pump in pumps:
            pump.join(_DRAIN_SECONDS)  # a process that left the group may hold the pipe for ever
        if process.stdin:
            process.stdin.close()
    if canceled.is_set():
        raise StepCanceled
    if not in_time:
        raise StepFailed(f"The step was ended: it may take {seconds:g} seconds, and took longer")
    return process.returncode


def _wait(
    process: subprocess.Popen[bytes], canceled: threading.Event, seconds: float | None
) -> bool:
    """Wait for the end, or bring it about; say whether the time was enough."""
    deadline = time.monotonic() + seconds if seconds else float("inf")
    while process.poll() is None:
        late = time.monotonic() > deadline
        if canceled.wait(_POLL_SECONDS) or late:
            _kill(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            _kill(process, signal.SIGKILL)
            process.wait()
            return not late
    return True


def _kill(process: subprocess.Popen[bytes], with_signal: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, with_signal)


def _pump(source: IO[bytes] | None, sink: Sink) -> threading.Thread:
    def copy() -> None:
        assert source is not None  # both are pipes
        with source:
            while part := source.read1(_CHUNK):  # type: ignore[attr-defined]
                try:
                    sink(part)
                except Exception:  # go on: a pipe that nobody empties stops the command
                    log.exception("a part of a step's output is lost")

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread
