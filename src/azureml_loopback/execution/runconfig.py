"""A script step's run configuration, as the step's process gets it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from azureml_loopback.execution.ports import is_dataset_output, mode
from azureml_loopback.execution.step import StepContext, StepFailed, StepInput, StepOutput

STRUCTURED = "USE_STRUCTURED_ARGUMENTS"
"""The value of ``Arguments`` that sends the reader to the module's interface."""
_VARIABLE = re.compile(r"\$(AML_PARAMETER_\w+)")


def of_script(node: Mapping[str, Any], module: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run configuration of a script's node; of another kind, an empty one."""
    is_script = module.get("ModuleExecutionType") == "escloud"
    config: dict[str, Any] = json.loads((is_script and node.get("Runconfig")) or "{}")
    return config


def run_configuration(step: StepContext) -> dict[str, Any]:
    """Return the run configuration of a step.

    Raises:
        StepFailed: It wants what one process on this machine cannot give.
    """
    config: dict[str, Any] = json.loads(step.node.get("Runconfig") or "{}")
    communicator = config.get("communicator") or "None"
    nodes = step.parameters.get("NodeCount") or config.get("nodeCount") or 1
    if communicator != "None" or int(nodes) != 1:
        raise StepFailed(
            f"Distributed runs (communicator {communicator}, {nodes} nodes) are not implemented by "
            "the loopback service: a step is one process"
        )
    return config


def arguments(step: StepContext) -> list[str]:
    """Return the script's arguments, with names for the paths that are not known yet.

    A ModuleStep's own are one text: joined by commas, with variables for parameters.

    Raises:
        StepFailed: An argument is of an unknown type.
    """
    given = step.parameters.get("Arguments")
    if given and given != STRUCTURED:
        values = _parameter_variables(step)
        return [_VARIABLE.sub(lambda v: values.get(v[1], v[0]), text) for text in given.split(",")]
    listed = (step.module.get("StructuredInterface") or {}).get("Arguments") or []
    return [_argument(step, argument) for argument in listed]


def environment_variables(config: Mapping[str, Any], step: StepContext) -> dict[str, str]:
    """Return the variables that the run configuration and the step's parameters set."""
    declared = (config.get("environment") or {}).get("environmentVariables") or {}
    own = config.get("environmentVariables") or {}
    merged = {**declared, **own, **_parameter_variables(step)}
    return {name: str(value) for name, value in merged.items() if value is not None}


def time_limit(config: Mapping[str, Any], step: StepContext) -> float | None:
    """Return the seconds that the step may take; nothing for any time."""
    given = step.parameters.get("MaxRunDurationSeconds") or config.get("maxRunDurationSeconds")
    return float(given) if given else None


def target(parameters: Mapping[str, str | None]) -> str:
    """Return the compute that a node is for; AutoML spells the parameter's name small."""
    return parameters.get("Target") or parameters.get("target") or ""


def definition(
    node: Mapping[str, Any], module: Mapping[str, Any], parameters: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return what the history shows as a step's run definition."""
    config = json.loads(node.get("Runconfig") or module.get("Runconfig") or "{}")
    listed = (module.get("StructuredInterface") or {}).get("Arguments") or []
    return {
        **config,
        "script": parameters.get("Script"),
        "command": parameters.get("Command") or "",
        "target": target(parameters) or None,
        "arguments": [str(argument.get("Value")) for argument in listed],
    }


def input_section(given: StepInput, dataset_id: str) -> dict[str, Any]:
    """Return what the SDK's context manager reads of a dataset that is mounted or downloaded."""
    return {
        "DataLocation": {"Dataset": {"Id": dataset_id}},
        "Mechanism": given.mode.capitalize(),
        "EnvironmentVariableName": given.name,
        "PathOnCompute": given.path_on_compute,
        "Overwrite": True,
    }


def output_section(output: StepOutput, path: str) -> dict[str, Any]:
    """Return what the SDK's context manager reads of an OutputFileDatasetConfig.

    A mount becomes an upload that overwrites, which is what a mount amounts to.
    """
    setting = output.setting
    options = setting.get("DatasetOutputOptions") or {}
    globs = (options.get("SourceGlobs") or {}).get("GlobPatterns")
    registration = setting.get("DatasetRegistration") or {}
    mounted = mode(setting.get("DataStoreMode"), "mount") == "mount"
    return {
        "OutputLocation": {
            "DataPath": {
                "DatastoreName": output.location.datastore,
                "RelativePath": output.location.path,
            }
        },
        "Mechanism": "Upload",
        "AdditionalOptions": {
            "PathOnCompute": path,
            "UploadOptions": {
                "Overwrite": mounted or bool(setting.get("Overwrite")),
                "SourceGlobs": {"GlobPatterns": globs} if globs else None,
            },
            "RegistrationOptions": {
                "Name": registration.get("Name"),
                "Description": registration.get("Description"),
                "Tags": registration.get("Tags"),
                "DatasetRegistrationOptions": {
                    "AdditionalTransformation": registration.get("AdditionalTransformations")
                },
            },
        },
    }


def _parameter_variables(step: StepContext) -> dict[str, str]:
    """Return the variables that hold the values of the step's parameters."""
    interface = (step.module.get("StructuredInterface") or {}).get("Parameters") or []
    values = {
        parameter["EnvironmentVariableOverride"]: step.parameters.get(parameter["Name"])
        for parameter in interface
        if parameter.get("SetEnvironmentVariable") and parameter.get("EnvironmentVariableOverride")
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _argument(step: StepContext, argument: Mapping[str, Any]) -> str:
    kind, value = argument["ValueType"], argument.get("Value")
    if kind == "Literal":
        return str(value)
    if kind == "Parameter":
        return str(step.parameters.get(str(value)))
    if kind == "Input":
        given = step.inputs[str(value)]
        return f"DatasetConsumptionConfig:{value}" if given.is_dataset else _reference(value)
    if kind == "Output":
        setting = step.outputs[str(value)].setting
        return f"DatasetOutputConfig:{value}" if is_dataset_output(setting) else _reference(value)
    raise StepFailed(f"An argument of type '{kind}' is not implemented by the loopback service")


def _reference(name: Any) -> str:
    return f"$AZUREML_DATAREFERENCE_{name}"
