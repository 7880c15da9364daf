"""A step's command, run in a process group of its own, its output handed on while it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from azureml_loopback.execution.step import StepCanceled

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
) -> int:
    """Run a command to its end and return its exit status.

    Args:
        command: Program and arguments.
        cwd: Folder to run in.
        environment: All of its variables.
        output: Gets its standard output.
        error: Gets its standard error.
        canceled: Ends the whole group when set.

    Raises:
        StepCanceled: It was ended so.
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
        _wait(process, canceled)
    finally:
        _kill(process, signal.SIGKILL)  # what the command left running in its group
        for pump in pumps:
            pump.join(_DRAIN_SECONDS)  # a process that left the group may hold the pipe for ever
        if process.stdin:
            process.stdin.close()
    if canceled.is_set():
        raise StepCanceled
    return process.returncode


def _wait(process: subprocess.Popen[bytes], canceled: threading.Event) -> None:
    while process.poll() is None:
        if canceled.wait(_POLL_SECONDS):
            _kill(process, signal.SIGTERM)
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                _kill(process, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes], with_signal: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, with_signal)


def _pump(source: IO[bytes] | None, sink: Sink) -> threading.Thread:
    def copy() -> None:
        assert source is not None  # both are pipes
        with source:
            while part := source.read1(_CHUNK):  # type: ignore[attr-defined]
                sink(part)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread
