"""Runs an AutoML step of a pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from azureml_loopback.execution import runconfig, transfer
from azureml_loopback.execution.automl import TRAINING, VALIDATION, Training, train
from azureml_loopback.execution.automl_command import AutoMLCommand
from azureml_loopback.execution.environments import Environments
from azureml_loopback.execution.made_datasets import consumed_dataset
from azureml_loopback.execution.step import StepContext, StepFailed, StepOutput
from azureml_loopback.services.history import state as history
from azureml_loopback.services.jasmine import state as jasmine
from azureml_loopback.services.jasmine.properties import parent_properties
from azureml_loopback.services.jasmine.settings import AutoMLJob


class AutoMLRunner:
    """Implements `step.Runner` for modules of type ``AutoMLCloud``."""

    def __init__(self, environments: Environments, command: AutoMLCommand) -> None:
        """Take what gives a step its Python, and what trains."""
        self._environments = environments
        self._command = command

    def run(self, step: StepContext) -> None:
        """Train, and leave metrics and model at the step's outputs.

        Raises:
            StepFailed: The settings, the data or the outputs are not to be had, or training failed.
            StepCanceled: It was stopped.
        """
        request = _request(step)
        job = jasmine.job_of(request)
        for output in step.outputs.values():
            _refuse_other_than_the_best(output, job)
        properties = parent_properties(request, job)
        history.update_run(step.loopback.store, step.run_id, properties=properties)
        training = Training(
            loopback=step.loopback,
            run_id=step.run_id,
            job=job,
            datasets=dict(_datasets(step, request)),
            environment=_environment(step.parameters),
            folder=step.folder,
            log=step.log,
            canceled=step.canceled,
            seconds=runconfig.time_limit({}, step),
        )
        trained = train(training, self._command, self._environments)
        files = {"model": trained.model, "metrics": trained.metrics}
        for output in step.outputs.values():
            kind = _training_output(output)["TrainingOutputType"].lower()
            transfer.send(step.loopback, files[kind], output.location)


def _request(step: StepContext) -> dict[str, Any]:
    """Return the CreateParentRun that the SDK put whole into a parameter."""
    text = step.parameters.get("AutoMLConfig")
    if not text:
        raise StepFailed("The step has no parameter AutoMLConfig; use azureml-pipeline 1.62")
    return jasmine.by_wire_names(json.loads(text))


def _datasets(step: StepContext, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield role and saved dataset of the data: of the step's ports, else of the settings."""
    named = jasmine.datasets_of(request)
    for role in (TRAINING, VALIDATION):
        if role in step.inputs:
            yield role, consumed_dataset(step.loopback, step.inputs[role])
        elif role in named:
            yield role, named[role]
        elif role == TRAINING:
            ports = ", ".join(step.inputs) or "none"
            raise StepFailed(f"AutoML needs training_data; the step's inputs are: {ports}")


def _environment(parameters: Mapping[str, str | None]) -> Mapping[str, Any]:
    """Return the definition of the environment that the step declares."""
    if parameters.get("use_ce") == "True":
        return jasmine.CURATED_ENVIRONMENT
    return {
        "name": "AutoML",
        "python": {"condaDependencies": json.loads(parameters.get("CondaDependencies") or "null")},
    }


def _training_output(output: StepOutput) -> Mapping[str, Any]:
    found = output.port.get("TrainingOutput")
    if not found:
        raise StepFailed(
            f"Output '{output.name}' of an AutoML step needs training_output=TrainingOutput(…)"
        )
    training_output: Mapping[str, Any] = found
    return training_output


def _refuse_other_than_the_best(output: StepOutput, job: AutoMLJob) -> None:
    """Refuse what the command does not leave: other models than the best by the primary metric."""
    wanted = _training_output(output)
    asked = {
        "iteration": wanted.get("Iteration"),
        "metric": None if wanted.get("Metric") == job.primary_metric else wanted.get("Metric"),
        "model_file": wanted.get("ModelFile"),
    }
    for name, value in asked.items():
        if value is not None:
            raise StepFailed(
                f"Output '{output.name}': TrainingOutput({name}={value!r}) is not implemented by "
                "the loopback service, where only the best model by the primary metric is left"
            )
