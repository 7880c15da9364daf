"""A run with all that it and its steps tell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from azureml_deploy.errors import UsageError
from azureml_deploy.runs.following import RunState, StepState, read_state, step_state
from azureml_deploy.runs.history import is_automl
from azureml_deploy.runs.records import RunRecords
from azureml_deploy.runs.step_definition import Place, StepDefinition, read_definition
from azureml_deploy.service_errors import Patience
from local_automl.settings import did_you_mean

GIT = "azureml.git."


@dataclass(frozen=True)
class StepDetail:
    """One step of a run.

    Attributes:
        state: Its name, status and times.
        source: The run that did its work: its own, or the one that it was reused from.
        snapshot: Id of the folder that was uploaded for it.
        script: What it ran; nothing of AutoML, or of a step that has not started.
        settings: Of AutoML, by the SDK's names.
        inputs: What it read: port -> place or dataset.
        outputs: Where it wrote: port -> place.
        metrics: What it logged.
        logs: Names of its log files.
    """

    state: StepState
    source: str
    snapshot: str | None = None
    script: StepDefinition | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Place] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    logs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunDetail:
    """A run.

    Attributes:
        state: Its status and steps.
        parameters: Pipeline parameter -> value.
        tags: What `submit` noted of the project.
        git: What is known of the commit that it was submitted from.
        steps: In the order in which they began.
    """

    state: RunState
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    git: Mapping[str, str]
    steps: tuple[StepDetail, ...]

    def step(self, name: str) -> StepDetail:
        """Return a step by its name.

        Raises:
            UsageError: There is none of that name that has begun.
        """
        steps = {step.state.name: step for step in self.steps}
        if name not in steps:
            raise UsageError(
                f"--step {name}: run {self.state.run_id} has no such step that has begun"
                f"{did_you_mean(name, steps)} (it has: {', '.join(steps) or 'none'})"
            )
        return steps[name]


def describe_run(run: Any, patience: Patience) -> RunDetail:
    """Ask for all that a run and its steps tell.

    Args:
        run: The SDK's `PipelineRun`.
        patience: With the service.

    Raises:
        ServiceError: The service failed.
    """
    workspace, experiment = run.experiment.workspace, run.experiment.name
    records = RunRecords(workspace, patience)
    state = patience.ask(f"Asking for the state of run {run.id}", read_state, run, ())
    record = records.get(run.id)
    properties, tags = record.properties or {}, record.tags or {}
    return RunDetail(
        state=state,
        parameters=json.loads(properties.get("azureml.parameters") or "{}"),
        tags=tags,
        git={
            name.removeprefix(GIT): value
            for name, value in properties.items()
            if name.startswith(GIT)
        },
        steps=tuple(
            _describe_step(run, records, child) for child in records.children(experiment, record)
        ),
    )


def _describe_step(run: Any, records: RunRecords, child: Any) -> StepDetail:
    properties = child.properties or {}
    source = properties.get("azureml.reusedrunid") or child.run_id
    experiment = run.experiment.name
    details = records.details(experiment, source)
    script = None
    if (details.get("runDefinition") or {}).get("script"):
        script = read_definition(details)
    settings = details["properties"].get("AMLSettingsJsonString") if is_automl(properties) else None
    return StepDetail(
        state=step_state(child),
        source=source,
        snapshot=details["properties"].get("ContentSnapshotId"),
        script=script,
        settings=json.loads(settings or "{}"),
        inputs=dict(_inputs(details, script)),
        outputs=step_outputs(run, child, records.patience),
        metrics=_metrics(run, source, child.name, records.patience),
        logs=tuple(sorted(records.log_files(experiment, source))),
    )


def _inputs(details: Mapping[str, Any], script: StepDefinition | None) -> Iterator[tuple[str, str]]:
    for given in script.inputs if script else ():
        if given.place:
            yield given.name, str(given.place)
    for dataset in details.get("inputDatasets") or []:
        identifier, consumed = dataset["identifier"], dataset.get("inputDetails") or {}
        name = consumed.get("inputName") or "dataset"
        version = identifier.get("registeredVersion")
        text = f"dataset {identifier.get('savedId')}"
        yield name, f"{text} (version {version})" if version else text


def step_outputs(run: Any, child: Any, patience: Patience) -> dict[str, Place]:
    """Return where a step's outputs are, as the pipelines service keeps them for later steps."""
    node = (child.tags or {}).get("azureml.nodeid")
    provider = run._context.workflow_provider.step_run_provider
    found = patience.ask(
        f"Asking for the outputs of step {child.name}",
        provider.get_outputs,
        None,
        run._context,
        run.id,
        node,
    )
    return {name: _place(output.step_output) for name, output in found.items()}


def _place(output: Any) -> Place:
    """Return where a NodeOutput is; only blob datastores are told of by name here."""
    location = output.data_location
    reference = location.data_reference if location else None
    blob = reference.azure_blob_reference if reference else None
    if blob is None:
        return Place(reference.type if reference else "nowhere", "")
    return Place(blob.aml_data_store_name, blob.relative_path or "")


def _metrics(run: Any, run_id: str, step: str, patience: Patience) -> dict[str, Any]:
    from azureml.core import Run  # noqa: PLC0415

    what = f"Asking for the metrics of step {step}"
    opened = patience.ask(what, Run, run.experiment, run_id)
    metrics: dict[str, Any] = patience.ask(what, opened.get_metrics)
    return metrics
