"""What a run left, put where the project's catalog reads it: `kedro run --env azureml`.

azureml.yml's roles say which datasets are metrics, model and registry; the environment's own
catalog says where each is. What only the base catalog has is this machine's, and is left alone.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_deploy.config import Roles
from azureml_deploy.datasets import CHAMPION_TAG, MADE_BY, MODEL_FILE
from azureml_deploy.files import write_text
from azureml_deploy.names import port_name
from azureml_deploy.runs.downloads import copy_whole, digest
from azureml_deploy.runs.results import AutoMLOutput
from azureml_deploy.service_errors import Patience
from azureml_deploy.workspace_datasets import source_file

ENV = "azureml"
"""The configuration's environment that reads what was brought here."""


@dataclass(frozen=True)
class Places:
    """Where the environment's catalog reads what a run leaves.

    Attributes:
        metrics: Dataset -> file.
        model: Dataset -> file.
        version: Folder of a registered version; nothing if no dataset is one.
    """

    metrics: Mapping[str, Path]
    model: Mapping[str, Path]
    version: Path | None


@dataclass(frozen=True)
class Version:
    """A registered version of a model.

    Attributes:
        name: The model's.
        version: Its number.
        champion: Whether it is the champion.
        value: The SDK's `Model`.
    """

    name: str
    version: int
    champion: bool
    value: Any


def find_places(metadata: Any, roles: Roles) -> Places | None:
    """Return where results go; nothing if the project has no such environment.

    Args:
        metadata: Kedro's `ProjectMetadata`.
        roles: Of azureml.yml.
    """
    from kedro.framework.project import settings  # noqa: PLC0415

    project = Path(metadata.project_path)
    source = project / settings.CONF_SOURCE
    if not (source / ENV).is_dir():
        return None

    def catalog(env: str) -> dict[str, Any]:
        loader = settings.CONFIG_LOADER_CLASS(
            conf_source=str(source), env=env, **settings.CONFIG_LOADER_ARGS
        )
        return dict(loader["catalog"])

    base, entries = catalog(settings.CONFIG_LOADER_ARGS.get("base_env", "base")), catalog(ENV)
    own = {name: entry for name, entry in entries.items() if entry != base.get(name)}
    versions = dict(_files(project, own, roles.registry))
    return Places(
        metrics=dict(_files(project, own, roles.metrics)),
        model=dict(_files(project, own, roles.model)),
        version=next(iter(versions.values()), None),
    )


def place_output(
    output: AutoMLOutput, file: Path, places: Places, source: Mapping[str, Any]
) -> Path | None:
    """Copy metrics or a model to the place of the dataset that it is; say where.

    Args:
        output: What it is.
        file: Where it was brought to.
        places: What `find_places` returned.
        source: Where it comes from, for who loads it.
    """
    candidates = places.metrics if output.role == "metrics" else places.model
    # a port is named after its dataset, and the last part of its path after the port
    port = output.source.path.rstrip("/").rpartition("/")[2]
    named = [path for dataset, path in candidates.items() if port_name(dataset) == port]
    target = next(iter(named or (candidates.values() if len(candidates) == 1 else ())), None)
    if target is None:
        return None
    copy_whole(file, target)
    if output.role == "model":
        _write_source(target, {**source, "sha256": {target.name: digest(target)}})
    return target


def registered_version(
    workspace: Any, step_runs: Iterable[str], patience: Patience
) -> Version | None:
    """Return the version that one of a run's steps registered.

    Args:
        workspace: Where it is.
        step_runs: Ids of the steps' own runs.
        patience: With the service.

    Raises:
        ServiceError: The service failed.
    """
    from azureml.core.model import Model  # noqa: PLC0415

    for run_id in step_runs:
        found = patience.ask(
            "Looking for the registered version",
            Model.list,
            workspace,
            properties=[[MADE_BY, run_id]],
        )
        for model in found:
            champion = CHAMPION_TAG in (model.tags or {})
            return Version(model.name, int(model.version), champion, model)
    return None


def place_version(
    version: Version, target: Path, source: Mapping[str, Any], patience: Patience
) -> None:
    """Bring a registered version to its folder, whole or not at all.

    Raises:
        ServiceError: The service failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        what = f"Downloading model {version.name}:{version.version}"
        patience.ask(what, version.value.download, str(draft / "new"), exist_ok=True)
        folder = next((draft / "new").rglob(MODEL_FILE)).parent
        sums = {p.relative_to(folder).as_posix(): digest(p) for p in _all_files(folder)}
        if target.exists():
            target.replace(draft / "old")
        folder.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    name = {"model": version.name, "version": version.version}
    _write_source(target, {**source, **name, "sha256": sums})


def _files(
    project: Path, entries: Mapping[str, Any], datasets: Iterable[str]
) -> Iterator[tuple[str, Path]]:
    for name in datasets:
        path = entries.get(name, {}).get("filepath")
        if path:
            yield name, project / path


def _all_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write_source(target: Path, source: Mapping[str, Any]) -> None:
    write_text(source_file(target), json.dumps(source, indent=2) + "\n")
