"""What every request can reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from azureml_loopback.blobs import Blobs
from azureml_loopback.clock import Clock
from azureml_loopback.faults import Faults
from azureml_loopback.home import Home
from azureml_loopback.identity import Identity
from azureml_loopback.store import Store
from azureml_loopback.tokens import Tokens


class Engine(Protocol):
    """Runs what is submitted."""

    def submit(self, run_id: str) -> None:
        """Start a run that `services.pipelines.state` holds; return at once."""

    def cancel(self, run_id: str) -> None:
        """Stop a run and its children; one that has ended stays as it is."""


@dataclass(frozen=True)
class Loopback:
    """The service: who it is, what it remembers, and what runs its steps.

    Attributes:
        environment: The variables that lead a client, such as a step, to the service.
    """

    identity: Identity
    home: Home
    store: Store
    blobs: Blobs
    tokens: Tokens
    faults: Faults
    engine: Engine
    environment: Mapping[str, str]

    @property
    def clock(self) -> Clock:
        """Return the service's time."""
        return self.store.clock
