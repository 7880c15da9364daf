"""Data that a run configuration itself names, beside what arrives at a step's ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.execution import ports
from azureml_loopback.execution.step import DataLocation, StepFailed, StepInput, StepOutput
from azureml_loopback.services.datasets import state as datasets

if TYPE_CHECKING:
    from azureml_loopback.store import Store


def inputs(store: Store, config: Mapping[str, Any]) -> dict[str, StepInput]:
    """Return the datasets and data references that a script reads, by name.

    Raises:
        StepFailed: It reads data in a way that is not implemented.
        NotFound: A dataset is gone.
    """
    given = {name: _dataset(store, name, data) for name, data in (config.get("data") or {}).items()}
    references = {
        name: _reference(name, reference)
        for name, reference in (config.get("dataReferences") or {}).items()
        if not _is_sent(reference)
    }
    return {**given, **references}


def outputs(
    config: Mapping[str, Any], run_id: str, default_datastore: str
) -> dict[str, StepOutput]:
    """Return what a script writes that becomes a dataset or is sent to a datastore, by name.

    Args:
        config: The run configuration.
        run_id: The script's run.
        default_datastore: For an output that names none.
    """
    made = {
        name: ports.output(
            {"Name": name}, _dataset_output(name, written), run_id, default_datastore
        )
        for name, written in (config.get("outputData") or {}).items()
    }
    sent = {
        name: _sent(name, reference)
        for name, reference in (config.get("dataReferences") or {}).items()
        if _is_sent(reference)
    }
    return {**made, **sent}


def _is_sent(reference: Mapping[str, Any]) -> bool:
    return ports.mode(reference.get("mode"), "mount") == "upload"


def _dataset(store: Store, name: str, data: Mapping[str, Any]) -> StepInput:
    """Return a dataset that the script reads; by name it is the registered one."""
    place = (data.get("dataLocation") or {}).get("dataset") or {}
    if place.get("id"):
        saved_id = place["id"]
    elif place.get("name"):
        named = datasets.dataset_named(store, place["name"], place.get("version"))
        saved_id = named["latest"]["savedDatasetId"]
    else:
        raise StepFailed(f"Input '{name}': only datasets and data references are implemented")
    return StepInput(
        name=name,
        location=None,
        dataset_id=str(saved_id),
        mode=ports.mode(data.get("mechanism"), "direct"),
        path_on_compute=data.get("pathOnCompute"),
        is_dataset=True,
    )


def _reference(name: str, reference: Mapping[str, Any]) -> StepInput:
    return StepInput(
        name=name,
        location=_location(reference),
        mode=ports.mode(reference.get("mode"), "mount"),
        path_on_compute=reference.get("pathOnCompute"),
    )


def _sent(name: str, reference: Mapping[str, Any]) -> StepOutput:
    setting = {"DataStoreMode": "upload", "PathOnCompute": reference.get("pathOnCompute")}
    return StepOutput(name, _location(reference), {}, setting)


def _location(reference: Mapping[str, Any]) -> DataLocation:
    return DataLocation(reference["dataStoreName"], reference.get("pathOnDataStore") or "")


def _dataset_output(name: str, output: Mapping[str, Any]) -> dict[str, Any]:
    """Return an OutputFileDatasetConfig as the OutputSetting that a pipeline has of it."""
    place = (output.get("outputLocation") or {}).get("dataPath") or {}
    options = output.get("additionalOptions") or {}
    registration = options.get("registrationOptions") or {}
    upload = options.get("uploadOptions") or {}
    globs = (upload.get("sourceGlobs") or {}).get("globPatterns")
    further = (registration.get("datasetRegistrationOptions") or {}).get("additionalTransformation")
    return {
        "Name": name,
        "DataStoreName": place.get("datastoreName"),
        "DataStoreMode": output.get("mechanism"),
        "PathOnCompute": options.get("pathOnCompute"),
        "Overwrite": bool(upload.get("overwrite")),
        "DatasetOutputOptions": {
            "PathOnDatastore": place.get("relativePath"),
            "SourceGlobs": {"GlobPatterns": globs} if globs else None,
        },
        "DatasetRegistration": {
            "Name": registration.get("name"),
            "Description": registration.get("description"),
            "Tags": registration.get("tags"),
            "AdditionalTransformations": further,
        },
    }
