"""A running service as the tests use it: its environment, its scripts, its clock and faults."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from azureml_loopback import processes
from azureml_loopback.home import Home, client_environment, workspace_config
from azureml_loopback.identity import Identity

SDK_QUIET = {"DO_NOT_TRACK": "1", "AZUREML_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}

REQUEST_LOGS: set[Path] = set()
"""Of every service that was started, for who records what was answered."""


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        home: Its folder.
        port: The proxy's, on 127.0.0.1.
        environment: The variables that lead the SDK to it.
    """

    home: Home
    port: int
    environment: dict[str, str]

    def run(
        self, script: str | Path, *arguments: str, cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run a script, or code, in a process of its own beside a config.json."""
        process = self.start(script, *arguments, cwd=cwd)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def start(self, script: str | Path, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
        """Start a script, or code, in a process of its own beside a config.json."""
        write_config(cwd)
        code = ["-c", script] if isinstance(script, str) else [str(script)]
        return subprocess.Popen(
            [sys.executable, *code, *arguments],
            cwd=cwd,
            env={**os.environ, **SDK_QUIET, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def client(self, **headers: str) -> httpx.Client:
        """Return an HTTP client that goes through the proxy and trusts its authority."""
        context = ssl.create_default_context(cafile=str(self.home.authority_file))
        return httpx.Client(
            proxy=f"http://127.0.0.1:{self.port}", verify=context, headers=headers, trust_env=False
        )

    def token(self) -> str:
        """Return a bearer token, as the SDK gets one."""
        answer = httpx.post(
            self.environment["MSI_ENDPOINT"], data={"resource": "x"}, trust_env=False
        )
        return str(answer.json()["access_token"])

    def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Ask the service itself: ``clock``, ``faults``."""
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.port}/loopback/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token()}"},
            trust_env=False,
        )

    def kill(self) -> None:
        """End it at once, as `kill -9` does; Azurite lives on until the next start."""
        server = self.home.server()
        assert server is not None
        process = psutil.Process(server["pid"])
        process.kill()
        process.wait()

    def requests(self) -> list[dict[str, Any]]:
        """Return what was asked of the service so far."""
        return [json.loads(line) for line in self.home.request_log.read_text().splitlines()]


def write_config(folder: Path) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(dict(workspace_config(Identity()))))
    return path


def start_service(folder: Path, *options: str) -> Service:
    home = Home(folder)
    found = processes.start(home, options)
    REQUEST_LOGS.add(home.request_log)
    return Service(home, found["port"], client_environment(home, found["port"]))
