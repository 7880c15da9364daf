"""Datasets that the service makes of what steps write, and hands to the steps that read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.execution.ports import is_dataset_output, is_promoted, mode
from azureml_loopback.execution.step import DataLocation, StepContext, StepFailed, StepInput
from azureml_loopback.services.datasets import state as datasets
from azureml_loopback.services.datasets.dataflows import StepOutput
from azureml_loopback.services.history import state as history

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback


def made_datasets(step: StepContext) -> dict[str, str]:
    """Return the saved dataset of each output of a step that is one, made where it is not yet.

    Raises:
        StepFailed: The step's process made none of an OutputFileDatasetConfig.
        Conflict: The name that it is to be registered by is taken.
        BadRequest: No dataset can have that name.
    """
    reported = _reported(step)
    made = {}
    for name, output in step.outputs.items():
        if is_dataset_output(output.setting):
            if name not in reported:
                raise StepFailed(f"No dataset was made of output '{name}'; the log may say why")
            made[name] = reported[name]
            if mode(output.setting.get("DataStoreMode"), "mount") == "link":
                _register_linked(step.loopback, reported[name], output.setting)
        elif is_promoted(output.setting):
            made[name] = _promoted(step.loopback, output.location, output.setting)
    return made


def consumed_dataset(loopback: Loopback, given: StepInput) -> str:
    """Return the saved dataset that a step gets at a port, its transformations added.

    Raises:
        NotImplementedHere: A transformation that cannot be added.
        StepFailed: There is nothing to make a dataset of.
    """
    if given.dataset_id and not given.transformations:
        return given.dataset_id
    if given.location is None:
        raise StepFailed(
            f"Input '{given.name}': transformations of a given dataset are not implemented"
        )
    return _saved(loopback, given.location, given.transformations)


def _promoted(loopback: Loopback, location: DataLocation, setting: Mapping[str, Any]) -> str:
    """Make a file dataset of an output, and register it if it is to have a name."""
    registration = setting["DatasetRegistration"]
    if not registration.get("Name"):
        return _saved(loopback, location, None)
    dataset = datasets.register_output(
        loopback.store,
        loopback.identity,
        registration["Name"],
        StepOutput(location.datastore, location.path),
        create_new_version=bool(registration.get("CreateNewVersion")),
    )
    return str(dataset["latest"]["savedDatasetId"])


def _register_linked(loopback: Loopback, saved_id: str, setting: Mapping[str, Any]) -> None:
    """Register what a script linked, if it is to have a name; the others the SDK registers."""
    registration = setting.get("DatasetRegistration") or {}
    if not registration.get("Name"):
        return
    saved = datasets.saved_dataset(loopback.store, saved_id)
    dataset = {
        "name": registration["Name"],
        "description": registration.get("Description"),
        "tags": registration.get("Tags"),
        "datasetType": saved["datasetType"],
        "latest": {"dataflow": saved["dataflowJson"], "properties": saved["properties"]},
    }
    datasets.register(loopback.store, dataset, exists_ok=True, new_version=True)


def _saved(loopback: Loopback, location: DataLocation, transformations: str | None) -> str:
    written = StepOutput(location.datastore, location.path, transformations)
    return str(datasets.save_output(loopback.store, loopback.identity, written)["id"])


def _reported(step: StepContext) -> dict[str, str]:
    """Return output name -> saved dataset, as the SDK in the step's process said.

    What a script registers by itself is told as well, and is at none of the step's outputs.
    """
    run = history.get_run(step.loopback.store, step.run_id)
    return {
        lineage["outputDetails"]["outputName"]: lineage["identifier"]["savedId"]
        for lineage in run.get("_outputDatasets") or []
        if lineage.get("outputDetails")
    }
