"""What a workspace has for a name of azureml.yml, as a value that a command prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["found", "created", "missing"]
"""It was there, it was made just now, or, in a dry run, it would be made."""


@dataclass(frozen=True)
class Found:
    """One thing that a plan needs of its workspace.

    Attributes:
        kind: What it is.
        key: What azureml.yml calls it; of a dataset, its name in the catalog.
        name: What the workspace calls it.
        state: Whether it had to be made.
        detail: What else there is to say of it.
        version: Its version, where it has one.
        value: The SDK's object; nothing where it is missing.
    """

    kind: Literal["dataset", "compute target", "environment"]
    key: str
    name: str
    state: State
    detail: str = ""
    version: str | None = None
    value: Any = field(default=None, repr=False, compare=False)
