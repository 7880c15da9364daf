"""Runs a script step in its own process and folder, as Azure's compute does.

The folder holds ``wd`` (the snapshot; the script runs in it), ``wd_mounts`` (what would be mounted,
by datastore), ``data`` and ``results`` (datasets that come and go).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azureml_loopback.execution import process_group, runconfig, transfer
from azureml_loopback.execution.environments import Environments
from azureml_loopback.execution.made_datasets import consumed_dataset
from azureml_loopback.execution.ports import is_dataset_output, mode
from azureml_loopback.execution.run_definition import run_definition
from azureml_loopback.execution.step import StepContext, StepFailed, StepInput, StepOutput
from azureml_loopback.services.content import state as content
from azureml_loopback.services.history import state as history
from azureml_loopback.tokens import LIFETIME

IN_STEP = Path(__file__).with_name("in_step.py")


@dataclass(frozen=True)
class _Handover:
    """What a step's ports come to in its process.

    Attributes:
        variables: Environment variables.
        datasets: Input port -> saved dataset.
        data: Datasets for the SDK's context manager to bring.
        output_data: Outputs for it to take.
        links: Outputs that the script itself names datasets for.
        sent: What the service itself takes: where it is written, and the output.
    """

    variables: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    output_data: dict[str, Any] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    sent: list[tuple[Path, StepOutput]] = field(default_factory=list)


class ScriptRunner:
    """Implements `step.Runner` for modules of type ``escloud``."""

    def __init__(self, environments: Environments) -> None:
        """Take what gives a step its Python."""
        self._environments = environments

    def run(self, step: StepContext) -> None:
        """Run the script, bring its inputs before and take its outputs after.

        Raises:
            StepFailed: The script failed, or could not start.
            StepCanceled: It was stopped.
        """
        config = runconfig.run_configuration(step.node)
        folder = _unpacked(step)
        handover = _hand_over(step, folder)
        arguments = runconfig.arguments(step)
        definition = run_definition(step, config, arguments, handover.datasets)
        history.update_run(step.loopback.store, step.run_id, runDefinition=definition)
        python = self._environments.python_for(config.get("environment") or {}, step.log.note)
        error_file = step.folder / "error.txt"
        task = {
            "script": step.parameters.get("Script"),
            "command": step.parameters.get("Command"),
            "arguments": arguments,
            "data": handover.data,
            "outputData": handover.output_data,
            "errorFile": str(error_file),
        }
        task_file = step.folder / "task.json"
        task_file.write_text(json.dumps(task), encoding="utf-8")
        history.set_status(step.loopback.store, step.run_id, "Running")
        try:
            status = process_group.run(
                [str(python), str(IN_STEP), str(task_file)],
                cwd=folder,
                environment={
                    **self._environments.variables(),
                    **step.loopback.environment,
                    **runconfig.environment_variables(config, step),
                    **run_variables(step),
                    **handover.variables,
                },
                output=step.log.output,
                error=step.log.error,
                canceled=step.canceled,
                seconds=runconfig.time_limit(config, step),
            )
        finally:
            for name in ("outputs", "logs"):
                transfer.keep_as_artifacts(step.loopback, step.run_id, folder / name, name)
        if status != 0:
            raise StepFailed(_reason(step, error_file, status))
        history.set_status(step.loopback.store, step.run_id, "Finalizing")
        for written, output in handover.sent:
            count = transfer.send(step.loopback, written, output.location)
            step.log.say(f"Output '{output.name}': {count} files to {output.location.path}")


def run_variables(step: StepContext) -> dict[str, str]:
    """Return the variables by which ``Run.get_context()`` finds the step's run."""
    loopback = step.loopback
    identity, run = loopback.identity, history.get_run(loopback.store, step.run_id)
    experiment = history.get_experiment(loopback.store, run["experimentId"])
    url = identity.services_url
    return {
        "AZUREML_RUN_ID": step.run_id,
        "AZUREML_ROOT_RUN_ID": run["rootRunId"],
        "AZUREML_ARM_SUBSCRIPTION": identity.subscription_id,
        "AZUREML_ARM_RESOURCEGROUP": identity.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": identity.workspace_name,
        "AZUREML_ARM_PROJECT_NAME": experiment["name"],
        "AZUREML_EXPERIMENT_ID": run["experimentId"],
        "AZUREML_WORKSPACE_ID": identity.workspace_id,
        "AZUREML_WORKSPACE_SCOPE": f"/{identity.arm_scope}",
        "AZUREML_EXPERIMENT_SCOPE": f"/{identity.arm_scope}/experiments/{experiment['name']}",
        "AZUREML_SERVICE_ENDPOINT": url,
        "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT": url,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{url}/discovery",
        "AZUREML_RUN_TOKEN": loopback.tokens.issue(f"run:{step.run_id}"),
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(time.time() + LIFETIME)),
        "PYTHONUNBUFFERED": "1",
    }


def _unpacked(step: StepContext) -> Path:
    """Return the folder that the script runs in."""
    folder = step.folder / "wd"
    location = step.module.get("DataLocation") or {}
    if location.get("StorageId"):
        content.unpack(step.loopback, location["StorageId"], folder)
    for name in ("outputs", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder


def _hand_over(step: StepContext, folder: Path) -> _Handover:
    handover = _Handover()
    for given in step.inputs.values():
        if given.is_dataset or given.mode == "direct":
            _give_dataset(step, folder, given, handover)
        else:
            _give_reference(step, folder, given, handover)
    for output in step.outputs.values():
        if is_dataset_output(output.setting):
            _take_dataset(step, folder, output, handover)
        else:
            _take_reference(step, folder, output, handover)
    kinds = {g.name: g.mode for g in step.inputs.values() if g.is_dataset or g.mode == "direct"}
    pairs = ",".join(f"{name}:{kind.capitalize()}" for name, kind in kinds.items())
    handover.variables["AZUREML_DATASET_ENVIRONMENT_VARS"] = pairs
    handover.variables["AZUREML_DATASET_FILE_OUTPUTS"] = ";".join(handover.output_data)
    handover.variables["AZUREML_LINK_DATASET_OUTPUTS"] = ";".join(handover.links)
    return handover


def _give_dataset(step: StepContext, folder: Path, given: StepInput, handover: _Handover) -> None:
    dataset_id = consumed_dataset(step.loopback, given)
    handover.datasets[given.name] = dataset_id
    if given.mode == "direct":
        handover.variables[given.name] = dataset_id
        return
    path = (
        folder / given.path_on_compute
        if given.path_on_compute
        else step.folder / "data" / given.name
    )
    path.mkdir(parents=True, exist_ok=True)
    handover.variables.update(_path_variables(given.name, path))
    handover.data[given.name] = runconfig.input_section(given, dataset_id)


def _give_reference(step: StepContext, folder: Path, given: StepInput, handover: _Handover) -> None:
    location = given.location
    if location is None:
        raise StepFailed(f"Input '{given.name}' has no place on a datastore")
    if given.mode == "mount":
        path = _mounted(step, location.datastore, location.path)
        step.log.note(f"The mount of '{given.name}' is emulated by a download to {path}")
    else:  # as azureml/data/context_managers.py lays them out
        path = folder / location.datastore / (given.path_on_compute or "")
        path = Path(os.path.normpath(path)) / (location.path.strip("/"))
    count = transfer.fetch(step.loopback, location, path)
    step.log.say(f"Input '{given.name}': {count} files from {location.datastore}/{location.path}")
    handover.variables.update(_path_variables(given.name, path))


def _take_dataset(step: StepContext, folder: Path, output: StepOutput, handover: _Handover) -> None:
    how = mode(output.setting.get("DataStoreMode"), "mount")
    if how == "link":
        handover.links.append(output.name)
        return
    wanted = output.setting.get("PathOnCompute")
    path = folder / wanted if wanted else step.folder / "results" / output.name
    path.mkdir(parents=True, exist_ok=True)
    if how == "mount":
        step.log.note(f"The mount of '{output.name}' is emulated by an upload from {path}")
    handover.variables.update(_path_variables(output.name, path))
    handover.output_data[output.name] = runconfig.output_section(output, str(path))


def _take_reference(
    step: StepContext, folder: Path, output: StepOutput, handover: _Handover
) -> None:
    how = mode(output.setting.get("DataStoreMode") or output.port.get("DataStoreMode"), "mount")
    wanted = output.setting.get("PathOnCompute") or output.port.get("PathOnCompute")
    if how == "upload":
        path = Path(os.path.normpath(folder / (wanted or output.name)))
    else:
        path = _mounted(step, output.location.datastore, output.location.path)
        step.log.note(f"The mount of '{output.name}' is emulated by an upload from {path}")
    handover.variables.update(_path_variables(output.name, path))
    handover.sent.append((path, output))


def _mounted(step: StepContext, datastore: str, path: str) -> Path:
    """Return where a datastore's path would be; the script makes its folders, as in Azure.

    The SDK's `Model.register` takes only paths whose text begins with the working directory's, and
    scripts register what was mounted: so the mounts' name begins with ``wd`` too.
    """
    root = step.folder / "wd_mounts" / datastore
    root.mkdir(parents=True, exist_ok=True)
    return root / path.strip("/")


def _path_variables(name: str, path: Path) -> dict[str, str]:
    return {name: str(path), f"AZUREML_DATAREFERENCE_{name}": str(path)}


def _reason(step: StepContext, error_file: Path, status: int) -> str:
    """Return the script's own last word, or how it ended if it said none."""
    if error_file.exists():
        return error_file.read_text(encoding="utf-8").strip()
    ended = f"The script ended with exit status {status}"
    if status > 128:
        name = signal.Signals(status - 128).name if status - 128 in _SIGNALS else status - 128
        ended = f"The script was ended by signal {name}"
    last = step.log.last_error_line()
    return f"{ended}: {last}" if last else ended


_SIGNALS: Mapping[int, str] = {number.value: number.name for number in signal.Signals}
