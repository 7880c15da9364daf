"""How many steps a compute runs at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback


def max_nodes(loopback: Loopback, target: str | None) -> int:
    """Return how many steps may run on a compute at the same time."""
    return 2
