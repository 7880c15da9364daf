"""The loopback as the deploy module's tests use it: a process, reached by its commands only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Loopback:
    """A service with a home of its own."""

    home: Path

    def command(self, *arguments: str) -> str:
        """Run one of its commands."""
        done = subprocess.run(
            [sys.executable, "-m", "azureml_loopback", *arguments],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def variables(self) -> dict[str, str]:
        """What lets `--loopback` find this service, and keeps the SDK from waiting for minutes."""
        return {
            "AZUREML_LOOPBACK_HOME": str(self.home),
            "AZUREML_DEFAULT_BACKOFF": "1",
            "AZUREML_DISABLE_TELEMETRY": "1",
        }

    def environment(self) -> dict[str, str]:
        """What leads an SDK to it."""
        found: dict[str, str] = json.loads(self.command("env", "--json"))
        return found

    def answers(self) -> list[int]:
        """Return the HTTP statuses that it answered with so far."""
        lines = (self.home / "requests.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["status"] for line in lines]
