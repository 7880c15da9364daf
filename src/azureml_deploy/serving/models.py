"""A registered model of the workspace, found by name and version, and brought here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_deploy.datasets import CHAMPION_TAG, champion_of
from azureml_deploy.errors import UsageError
from azureml_deploy.service_errors import Patience
from local_automl.settings import did_you_mean

CHAMPION = "champion"
_SHOWN = 10


@dataclass(frozen=True)
class WantedModel:
    """A model as a command names it: ``NAME:VERSION``; without version, its champion."""

    name: str
    version: int | None = None


@dataclass(frozen=True)
class ServedModel:
    """What answers, for people: ``/health`` shows it."""

    name: str
    version: str
    source: str


def read_wanted(text: str) -> WantedModel:
    """Read ``NAME`` or ``NAME:VERSION``.

    Raises:
        UsageError: It is neither.
    """
    name, colon, version = text.partition(":")
    if not name or (colon and not version.isdigit()):
        raise UsageError(f"'{text}' is no model: write NAME, NAME:VERSION or {CHAMPION}")
    return WantedModel(name, int(version) if colon else None)


def find_model(workspace: Any, wanted: WantedModel, patience: Patience) -> Any:
    """Return the SDK's `Model`.

    Raises:
        UsageError: There is no such model or version, or it has no champion.
        ServiceError: The service failed.
    """
    from azureml.core.model import Model  # noqa: PLC0415

    what = f"Looking for model '{wanted.name}'"
    if wanted.version is None:
        found = patience.ask(what, champion_of, workspace, wanted.name)
        if found is not None:
            return found
    versions = patience.ask(what, Model.list, workspace, name=wanted.name)
    if not versions:
        names = {m.name for m in patience.ask("Listing models", Model.list, workspace, latest=True)}
        raise UsageError(
            f"Workspace {workspace.name} has no model '{wanted.name}'"
            f"{did_you_mean(wanted.name, names)} (it has: {_few(sorted(names))})"
        )
    for model in versions:
        if model.version == wanted.version:
            return model
    numbers = _few(f"{wanted.name}:{m.version}" for m in versions)
    if wanted.version is None:
        raise UsageError(
            f"Model '{wanted.name}' has no champion (no version has the tag {CHAMPION_TAG}); "
            f"name a version: {numbers}"
        )
    raise UsageError(f"Model '{wanted.name}' has no version {wanted.version} (it has: {numbers})")


def download_model(
    workspace: Any, wanted: WantedModel, folder: Path, patience: Patience
) -> ServedModel:
    """Download a version.

    Args:
        workspace: Where it is registered.
        wanted: Which.
        folder: Where to.
        patience: With the service.

    Raises:
        UsageError: There is no such model or version, or it has no champion.
        ServiceError: The service failed.
    """
    model = find_model(workspace, wanted, patience)
    what = f"Downloading model {model.name}:{model.version}"
    patience.ask(what, model.download, str(folder), exist_ok=True)
    return ServedModel(model.name, str(model.version), f"workspace {workspace.name}")


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more if listed else "none"
