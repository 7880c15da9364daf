"""What a step's run says that it ran, as Azure's run details tell it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from azureml_loopback.execution.ports import is_dataset_output, mode
from azureml_loopback.execution.step import DataLocation, StepContext, StepInput, StepOutput


def run_definition(
    step: StepContext,
    config: Mapping[str, Any],
    arguments: Sequence[str],
    datasets: Mapping[str, str],
) -> dict[str, Any]:
    """Return the run configuration of a script step with all that its ports came to.

    Args:
        step: The step.
        config: The node's run configuration.
        arguments: The script's, with names in the place of paths.
        datasets: Input port -> saved dataset, for those that are one.
    """
    given = step.inputs.values()
    taken = step.outputs.values()
    return {
        **config,
        "script": step.parameters.get("Script"),
        "command": step.parameters.get("Command") or "",
        "arguments": list(arguments),
        "target": step.parameters.get("Target"),
        "dataReferences": {
            **{i.name: _input_reference(i) for i in given if i.name not in datasets},
            **{o.name: _output_reference(o) for o in taken if not is_dataset_output(o.setting)},
        },
        "data": {i.name: _dataset(i, datasets[i.name]) for i in given if i.name in datasets},
        "outputData": {o.name: _output(o) for o in taken if is_dataset_output(o.setting)},
    }


def _input_reference(given: StepInput) -> dict[str, Any]:
    return _reference(given.location, given.mode, given.path_on_compute)


def _output_reference(output: StepOutput) -> dict[str, Any]:
    how = mode(output.setting.get("DataStoreMode") or output.port.get("DataStoreMode"), "mount")
    path = output.setting.get("PathOnCompute") or output.port.get("PathOnCompute")
    return _reference(output.location, how, path)


def _reference(location: DataLocation | None, how: str, path: str | None) -> dict[str, Any]:
    return {
        "dataStoreName": location.datastore if location else None,
        "mode": how.capitalize(),
        "pathOnDataStore": location.path if location else None,
        "pathOnCompute": path,
        "overwrite": False,
    }


def _dataset(given: StepInput, dataset_id: str) -> dict[str, Any]:
    return {
        "dataLocation": {"dataset": {"id": dataset_id, "name": None, "version": None}},
        "mechanism": given.mode.capitalize(),
        "environmentVariableName": given.name,
        "pathOnCompute": given.path_on_compute,
        "overwrite": False,
    }


def _output(output: StepOutput) -> dict[str, Any]:
    path = {"datastoreName": output.location.datastore, "relativePath": output.location.path}
    return {
        "outputLocation": {"dataPath": path},
        "mechanism": mode(output.setting.get("DataStoreMode"), "mount").capitalize(),
        "additionalOptions": {"pathOnCompute": output.setting.get("PathOnCompute")},
    }
