"""A step of a run, brought here: what it ran, its code, its inputs by content."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.replay.fetched_snapshot import fetch_snapshot
from azureml_deploy.runs.downloads import (
    BlobFolder,
    ContentCache,
    Progress,
    RemoteFile,
    open_folder,
)
from azureml_deploy.runs.history import is_automl
from azureml_deploy.runs.records import RunRecords
from azureml_deploy.runs.step_definition import Place, StepDefinition, StepInput, read_definition
from azureml_deploy.service_errors import Patience
from local_automl.settings import did_you_mean

_DATASTORE = re.compile(r"azureml://.*?/datastores/([^/]+)/paths/(.+)", re.IGNORECASE)
_ALL_BELOW = re.compile(r"(/\*\*)?(/\*)?$")
_PATTERN = re.compile(r"[*?\[\]]")

ProgressBar = Callable[[str, int], AbstractContextManager[Progress]]
"""Opens a bar by title and number of bytes."""


@dataclass(frozen=True)
class FetchedStep:
    """A step that did its work in the cloud, or failed at it.

    Attributes:
        name: Its name.
        pipeline: The SDK's record of the pipeline's run.
        record: The SDK's record of the run that did the step's work.
        experiment_name: Of both.
        definition: What it ran.
        snapshot: Folder with its code as it was uploaded; not to be changed.
    """

    name: str
    pipeline: Any
    record: Any
    experiment_name: str
    definition: StepDefinition
    snapshot: Path

    @property
    def parameters(self) -> dict[str, str]:
        """Return the values of the pipeline's parameters."""
        values: dict[str, str] = json.loads(
            (self.pipeline.properties or {}).get("azureml.parameters") or "{}"
        )
        return values


@dataclass(frozen=True)
class InputFiles:
    """The files of an input, still where they are."""

    name: str
    source: BlobFolder
    files: tuple[RemoteFile, ...]

    def path_in(self, folder: Path) -> Path:
        """Return what the script is given: a single file's own path, else the folder's."""
        alone = len(self.files) == 1 and self.files[0].blob == self.source.path.strip("/")
        return folder / self.files[0].name if alone else folder


def fetch_step(run: Any, name: str, cache: Path, patience: Patience) -> FetchedStep:
    """Bring what a step ran.

    Args:
        run: The SDK's `PipelineRun`.
        name: The step's name.
        cache: Folder for what is brought.
        patience: With the service.

    Raises:
        UsageError: The run has no such step, or it is not a script.
        ServiceError: The service failed.
    """
    records = RunRecords(run.experiment.workspace, patience)
    experiment, pipeline = run.experiment.name, records.get(run.id)
    steps = {step.name: step for step in records.children(experiment, pipeline)}
    if name not in steps:
        raise UsageError(
            f"--step {name}: run {run.id} has no such step that has begun"
            f"{did_you_mean(name, steps)} (it has: {', '.join(steps) or 'none'})"
        )
    step = steps[name]
    if is_automl(step.properties):
        raise UsageError(
            f"--step {name}: it is an AutoMLStep, which runs Azure's own code; replay another step"
        )
    source = (step.properties or {}).get("azureml.reusedrunid")
    record = records.get(source) if source else step
    definition = read_definition(records.details(experiment, record.run_id))
    snapshot = fetch_snapshot(run, record.properties["ContentSnapshotId"], cache, patience)
    return FetchedStep(name, pipeline, record, experiment, definition, snapshot)


def fetch_inputs(
    workspace: Any,
    step: FetchedStep,
    folder: Path,
    cache: ContentCache,
    patience: Patience,
    progress: ProgressBar,
) -> dict[str, str]:
    """Put a step's inputs below a folder, and return what the script is given for each.

    Args:
        workspace: Where they are.
        step: The step.
        folder: Gets a folder for each input.
        cache: Where they are kept by content.
        patience: With the service.
        progress: Shows how much there is to bring, and how far it is.

    Returns:
        Port -> path, or the id of a dataset that is read through the SDK.

    Raises:
        ServiceError: An input is gone, or the service failed.
    """
    values = {i.name: str(i.dataset_id) for i in step.definition.inputs if i.mode == "direct"}
    found = [
        _files(workspace, given, patience)
        for given in step.definition.inputs
        if given.mode != "direct"
    ]
    total = cache.missing(file for inputs in found for file in inputs.files)
    with progress(f"inputs of {step.name}", total) as advance:
        for inputs in found:
            target = folder / inputs.name
            cache.bring(inputs.source, inputs.files, target, patience, advance)
            values[inputs.name] = str(inputs.path_in(target))
    return values


def _files(workspace: Any, given: StepInput, patience: Patience) -> InputFiles:
    places = [given.place] if given.place else _dataset_places(workspace, given, patience)
    datastores = {place.datastore for place in places}
    if len(datastores) > 1:
        raise UsageError(
            f"Input '{given.name}': a dataset on several datastores ({', '.join(datastores)}) "
            "cannot be brought here"
        )
    paths = [place.path.strip("/") for place in places]
    root = paths[0] if len(paths) == 1 else os.path.commonpath(paths)
    source = open_folder(workspace, datastores.pop(), root, patience)
    files = tuple(file for file in source.files(patience) if _is_in(file.blob, paths))
    if not files:
        raise ServiceError(
            f"Input '{given.name}' is gone: there is nothing at {source} any more; submit the "
            "pipeline again"
        )
    return InputFiles(given.name, source, files)


def _is_in(blob: str, paths: list[str]) -> bool:
    return any(not path or blob == path or blob.startswith(f"{path}/") for path in paths)


def _dataset_places(workspace: Any, given: StepInput, patience: Patience) -> list[Place]:
    """Return where a file dataset's files are."""
    from azureml.core import Dataset  # noqa: PLC0415

    dataset = patience.ask(
        f"Opening the dataset of input '{given.name}'",
        Dataset.get_by_id,
        workspace,
        given.dataset_id,
    )
    # a dataflow tells of its paths by no public name (azureml-dataprep 5.5)
    paths = [str(next(iter(p.values()))) for p in dataset._dataflow._to_yaml_dict()["paths"]]
    places = [_place(path) for path in paths]
    known = [place for place in places if place]
    if len(known) < len(places):
        raise UsageError(
            f"Input '{given.name}': a dataset of {', '.join(paths)} cannot be brought here; files "
            "and whole folders of a datastore can"
        )
    return known


def _place(path: str) -> Place | None:
    """Return a dataset's path as a place; nothing if it is a pattern, or on no datastore."""
    found = _DATASTORE.fullmatch(path)
    below = _ALL_BELOW.sub("", found[2]) if found else "*"
    return None if found is None or _PATTERN.search(below) else Place(found[1], below)
