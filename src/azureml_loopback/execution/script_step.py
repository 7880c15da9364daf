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
from pathlib import Path

from azureml_loopback.execution import process_group, runconfig, transfer
from azureml_loopback.execution.environments import Environments
from azureml_loopback.execution.handover import hand_over
from azureml_loopback.execution.run_definition import run_definition
from azureml_loopback.execution.step import StepContext, StepFailed
from azureml_loopback.services.content import state as content
from azureml_loopback.services.environments import state as environments_state
from azureml_loopback.services.history import state as history
from azureml_loopback.tokens import LIFETIME

IN_STEP = Path(__file__).with_name("in_step.py")


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
        config = runconfig.run_configuration(step)
        folder = _unpacked(step)
        handover = hand_over(step, folder)
        arguments = runconfig.arguments(step)
        definition = run_definition(step, config, arguments, handover.datasets)
        definition = environments_state.autosave(step.loopback.store, definition)
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
                    **_with_python(self._environments.variables(), python),
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


def _with_python(variables: Mapping[str, str], python: Path) -> dict[str, str]:
    """Return variables by which a shell finds the step's Python, and what was installed with it."""
    path = os.pathsep.join([str(python.parent), variables.get("PATH", os.defpath)])
    return {**variables, "PATH": path}


def _unpacked(step: StepContext) -> Path:
    """Return the folder that the script runs in."""
    folder = step.folder / "wd"
    location = step.module.get("DataLocation") or {}
    if location.get("StorageId"):
        content.unpack(step.loopback, location["StorageId"], folder)
    for name in ("outputs", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder


def _reason(step: StepContext, error_file: Path, status: int) -> str:
    """Return the script's own last word, or how it ended if it said none."""
    if error_file.exists():
        return error_file.read_text(encoding="utf-8").strip()
    ended = f"The script ended with exit status {status}"
    if status - 128 in _SIGNALS:
        ended = f"The script was ended by signal {_SIGNALS[status - 128]}"
    last = step.log.last_error_line()
    return f"{ended}: {last}" if last else ended


_SIGNALS: Mapping[int, str] = {number.value: number.name for number in signal.Signals}
