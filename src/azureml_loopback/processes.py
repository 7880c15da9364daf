"""Starting and stopping the service as a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil

from azureml_loopback import azurite
from azureml_loopback.home import Home

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class LoopbackError(Exception):
    """The service does not start or stop; the message says why."""


def running(home: Home) -> dict[str, int] | None:
    """Return pid and ports of the running service; nothing if none runs."""
    server = home.server()
    return server if server and _is_ours(server["pid"], str(home.folder)) else None


def start(home: Home, options: Sequence[str] = ()) -> dict[str, int]:
    """Start the service unless it runs, and wait until it answers.

    One that runs with other options is started anew: it goes on with what it was at, on its port.

    Args:
        home: Its folder.
        options: Of the command ``serve``; with none, one that runs is good as it is.

    Returns:
        Its pid and ports.

    Raises:
        LoopbackError: It ends at once, or does not answer in time.
        AzuriteError: Azurite cannot be installed.
    """
    found = running(home)
    if found and (not options or _options_of(found["pid"]) == list(options)):
        return found
    stop(home)
    home.prepare()
    azurite.program()  # its installation, the first time, is shown to who starts the service
    home.server_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "azureml_loopback", "--home", str(home.folder), "serve"]
    with home.server_log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = home.server()
        if found:
            return found
        if process.poll() is not None:
            raise LoopbackError(f"The loopback does not start: {_last_line(home)}")
        time.sleep(0.05)
    process.kill()
    raise LoopbackError(f"The loopback does not answer; its log is {home.server_log}")


def stop(home: Home) -> bool:
    """Stop the service and wait for its end; say whether it ran."""
    found = running(home)
    if not found:
        _end_orphan(home)
        return False
    process = psutil.Process(found["pid"])
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()
        _end_orphan(home)
    return True


def reset(home: Home) -> None:
    """Stop the service and forget all that it knew; authority and secrets stay."""
    stop(home)
    for path in (home.blobs, home.runs):
        shutil.rmtree(path, ignore_errors=True)
    databases = home.folder.glob(f"{home.database.name}*")
    for path in (*databases, home.workspace_file, home.request_log, home.server_log):
        path.unlink(missing_ok=True)


def _end_orphan(home: Home) -> None:
    """End the Azurite of a service that was killed: it would keep the blobs' files open."""
    server = home.server()
    if server and _is_ours(server["azurite_pid"], str(home.blobs)):
        process = psutil.Process(server["azurite_pid"])
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()


def _options_of(pid: int) -> list[str]:
    """Return the options that a running service was started with."""
    words: list[str] = psutil.Process(pid).cmdline()
    return words[words.index("serve") + 1 :]


def _is_ours(pid: int, argument: str) -> bool:
    """Say whether a process is the one that was started with an argument; pids are used again."""
    try:
        process = psutil.Process(pid)
        return argument in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _last_line(home: Home) -> str:
    lines = home.server_log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
