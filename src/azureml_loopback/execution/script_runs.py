"""Script runs that were submitted by themselves: a step without a pipeline."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.execution import ports
from azureml_loopback.execution.plan import StepPlan
from azureml_loopback.execution.run_records import lineage
from azureml_loopback.execution.step import (
    DataLocation,
    Runner,
    StepCanceled,
    StepFailed,
    StepInput,
    StepOutput,
)
from azureml_loopback.execution.work import work
from azureml_loopback.services.datasets import state as datasets
from azureml_loopback.services.datastores import state as datastores
from azureml_loopback.services.execution import state as submitted
from azureml_loopback.services.history import state as history

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document, Store


class ScriptWork:
    """Implements `lone_runs.LoneWork`."""

    def __init__(self, loopback: Loopback, runner: Runner) -> None:
        """Take what runs script steps."""
        self._loopback = loopback
        self._runners = {submitted.MODULE_TYPE: runner}

    def is_one(self, run: Document) -> bool:
        """Say whether a run was submitted as a script."""
        return submitted.is_script_run(run)

    def run(self, run: Document, canceled: threading.Event) -> None:
        """Run the script.

        Raises:
            StepFailed: It failed, or could not start.
            StepCanceled: It was stopped.
        """
        plan = plan_script(self._loopback, run)
        store = self._loopback.store
        read = [lineage(store, given) for given in plan.inputs.values() if given.dataset_id]
        history.update_run(store, run["runId"], _inputDatasets=read)
        outcome = work(self._loopback, self._runners, plan, canceled)
        if outcome.canceled:
            raise StepCanceled
        if outcome.failure:
            raise outcome.failure


def plan_script(loopback: Loopback, run: Document) -> StepPlan:
    """Return a submitted script as the step that it would be.

    Raises:
        StepFailed: It reads data in a way that is not implemented.
        NotFound: A dataset is gone.
    """
    config, run_id = run["_configuration"], run["runId"]
    references = config.get("dataReferences") or {}
    sent = {
        name: reference
        for name, reference in references.items()
        if ports.mode(reference.get("mode"), "mount") == "upload"
    }
    written = config.get("outputData") or {}
    node = {
        "Id": run_id,
        "Runconfig": json.dumps(config),
        "ModuleOutputSettings": [_dataset_output(*output) for output in written.items()],
    }
    module = {
        "Name": config.get("script") or config.get("command") or run_id,
        "ModuleExecutionType": submitted.MODULE_TYPE,
        "DataLocation": {"StorageId": run["_snapshotId"]},
        "StructuredInterface": {
            "Arguments": [_literal(value) for value in config.get("arguments") or []],
            "Outputs": [{"Name": name} for name in written],
        },
    }
    datastore = datastores.default(loopback)["name"]
    return StepPlan(
        pipeline_run_id=run_id,
        run_id=run_id,
        node=node,
        module=module,
        parameters={
            "Script": config.get("script"),
            "Command": config.get("command") or None,
            "Target": run["target"],
        },
        inputs={
            **{
                name: _dataset(loopback.store, name, data)
                for name, data in (config.get("data") or {}).items()
            },
            **{
                name: _reference(name, reference)
                for name, reference in references.items()
                if name not in sent
            },
        },
        outputs={
            **ports.outputs(node, module, run_id, datastore),
            **{name: _sent(name, reference) for name, reference in sent.items()},
        },
        reuse_key=None,
    )


def _literal(value: Any) -> dict[str, str]:
    return {"ValueType": "Literal", "Value": str(value)}


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
