"""A plan as Azure ML SDK v1 objects; the only file that builds steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azureml_deploy.config import RegisteredDataset
from azureml_deploy.deployment import Deployment
from azureml_deploy.plan import (
    AUTOML_ENVIRONMENT,
    DeploymentPlan,
    ParameterArgument,
    Port,
    PortArgument,
    Step,
)
from azureml_deploy.snapshot import SCRIPTS

OUTPUT_NAMES: Mapping[str, str] = {"metrics": "metrics_output", "model": "model_output"}
"""Role -> pipeline_output_name, as the how-to has them."""

TRAINING_OUTPUTS: Mapping[str, str] = {"metrics": "Metrics", "model": "Model"}
"""Role -> type of `TrainingOutput`."""


@dataclass(frozen=True)
class Resources:
    """What a workspace has for a plan: found or made before.

    Attributes:
        compute_targets: Name in azureml.yml -> `ComputeTarget`.
        environments: Name in azureml.yml -> `Environment`.
        datasets: Catalog name -> registered `Dataset`.
        datastore: Where what travels between steps is kept.
    """

    compute_targets: Mapping[str, Any]
    environments: Mapping[str, Any]
    datasets: Mapping[str, Any]
    datastore: Any


@dataclass
class _Builder:
    """The objects that several steps share, while steps are built."""

    plan: DeploymentPlan
    resources: Resources
    registered: Mapping[str, RegisteredDataset]
    outputs: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)


def build_pipeline(
    workspace: Any, deployment: Deployment, resources: Resources, snapshots: Path
) -> Any:
    """Build the `azureml.pipeline.core.Pipeline` of a plan.

    Args:
        workspace: Where it will run.
        deployment: Plan and files.
        resources: The workspace's.
        snapshots: Folder that snapshots are written to.
    """
    from azureml.pipeline.core import Pipeline  # noqa: PLC0415

    return Pipeline(
        workspace,
        list(build_steps(deployment, resources, snapshots).values()),
        default_datastore=resources.datastore,
    )


def build_steps(deployment: Deployment, resources: Resources, snapshots: Path) -> dict[str, Any]:
    """Build the steps of a plan; sends nothing.

    Args:
        deployment: Plan and files.
        resources: The workspace's.
        snapshots: Folder that snapshots are written to.

    Returns:
        Name -> step, in the plan's order.
    """
    plan = deployment.plan
    config = deployment.project.config
    builder = _Builder(
        plan,
        resources,
        config.datasets,
        parameters=_pipeline_parameters(plan),
    )
    for step in plan.steps:
        for port in step.outputs:
            builder.outputs[port.dataset] = _output(builder, step, port)
    steps: dict[str, Any] = {}
    for step in plan.steps:
        folder = deployment.files[step.name].write(snapshots)
        build = _automl_step if step.kind == "automl" else _script_step
        steps[step.name] = build(builder, step, folder)
    for step in plan.steps:
        for earlier in step.run_after:
            steps[step.name].run_after(steps[earlier])
    return steps


def _pipeline_parameters(plan: DeploymentPlan) -> dict[str, Any]:
    from azureml.pipeline.core.graph import PipelineParameter  # noqa: PLC0415

    return {
        parameter.name: PipelineParameter(parameter.name, default_value=parameter.default)
        for parameter in plan.pipeline_parameters
        if parameter.default is not None
    }


def _output(builder: _Builder, step: Step, port: Port) -> Any:
    """Make what a step writes a dataset to."""
    from azureml.pipeline.core import PipelineData, TrainingOutput  # noqa: PLC0415

    datastore = builder.resources.datastore
    readers = [c.to_step for c in builder.plan.crossings if c.dataset == port.dataset]
    if port.role in TRAINING_OUTPUTS:
        return PipelineData(
            port.name,
            datastore=datastore,
            pipeline_output_name=_training_output_name(builder, step, str(port.role)),
            training_output=TrainingOutput(type=TRAINING_OUTPUTS[str(port.role)]),
        )
    registered = builder.registered.get(port.dataset)
    if port.travels == "OutputFileDatasetConfig" or (registered and registered.type == "tabular"):
        return _output_dataset(builder, port)
    # what nobody reads is a result, and can be downloaded from the pipeline's run by its name
    result = port.name if readers == [None] else None
    data = PipelineData(port.name, datastore=datastore, pipeline_output_name=result)
    if registered:
        new_version = registered.create_new_version
        return data.as_dataset().register(port.registered_as, create_new_version=new_version)
    automl = any(reader and builder.plan.step(reader).kind == "automl" for reader in readers)
    # only a dataset can be parsed into the table that AutoML takes
    return data.as_dataset() if automl else data


def _output_dataset(builder: _Builder, port: Port) -> Any:
    from azureml.data import OutputFileDatasetConfig  # noqa: PLC0415

    place = f"{builder.plan.experiment_name}/{{run-id}}/{port.name}"
    return OutputFileDatasetConfig(name=port.name, destination=(builder.resources.datastore, place))


def _as_output(builder: _Builder, port: Port) -> Any:
    """Return what a script's step lists as its output: a table where one is registered."""
    made = builder.outputs[port.dataset]
    registered = builder.registered.get(port.dataset)
    if registered is None or registered.type == "file":
        return made
    return _read(made, port).register_on_complete(port.registered_as, registered.description)


def _read(made: Any, port: Port) -> Any:
    """Return a step's output as a table."""
    from azureml.data import OutputFileDatasetConfig  # noqa: PLC0415

    from azureml_deploy.reusable import with_fixed_ids  # noqa: PLC0415

    parquet = port.file_format == "parquet"
    if isinstance(made, OutputFileDatasetConfig):
        return with_fixed_ids(made.read_parquet_files() if parquet else made.read_delimited_files())
    # a port is a folder whose file is named by the catalog, so no ending is asked for
    parse = made.parse_parquet_files if parquet else made.parse_delimited_files
    return with_fixed_ids(parse(file_extension=None))


def _training_output_name(builder: _Builder, step: Step, role: str) -> str:
    alone = sum(other.kind == "automl" for other in builder.plan.steps) == 1
    return OUTPUT_NAMES[role] if alone else f"{step.name}_{OUTPUT_NAMES[role]}"


def _script_step(builder: _Builder, step: Step, folder: Path) -> Any:
    from azureml.pipeline.steps import PythonScriptStep  # noqa: PLC0415

    # one object for a port's argument and input: the SDK puts the path in place by its identity
    inputs = {port.name: _script_input(builder, port) for port in step.inputs}
    outputs = {port.name: _as_output(builder, port) for port in step.outputs}
    ports = {**inputs, **outputs}
    arguments: list[Any] = []
    for argument in step.arguments:
        if isinstance(argument, PortArgument):
            arguments.append(ports[argument.port])
        elif isinstance(argument, ParameterArgument):
            arguments.append(builder.parameters[argument.pipeline_parameter])
        else:
            arguments.append(argument)
    return PythonScriptStep(
        script_name=SCRIPTS[step.kind][0],
        name=step.name,
        arguments=arguments,
        inputs=list(inputs.values()),
        outputs=list(outputs.values()),
        compute_target=builder.resources.compute_targets[step.compute],
        runconfig=_run_configuration(builder, step),
        source_directory=str(folder),
        allow_reuse=step.reuse,
    )


def _script_input(builder: _Builder, port: Port) -> Any:
    """Return what a script reads a dataset from."""
    from azureml.data import OutputFileDatasetConfig  # noqa: PLC0415
    from azureml.pipeline.core import PipelineData  # noqa: PLC0415

    made = builder.outputs.get(port.dataset)
    if made is None:
        registered = builder.resources.datasets[port.dataset].as_named_input(port.name)
        return registered if port.dataset_type == "tabular" else registered.as_mount()
    if isinstance(made, PipelineData):
        return made
    if isinstance(made, OutputFileDatasetConfig):
        return made.as_input(port.name).as_mount()
    return made.as_named_input(port.name).as_mount()


def _automl_step(builder: _Builder, step: Step, folder: Path) -> Any:
    from azureml.train.automl import AutoMLConfig  # noqa: PLC0415

    from azureml_deploy.reusable import ReusableAutoMLStep  # noqa: PLC0415

    settings = step.settings.model_dump(mode="json", exclude_none=True) if step.settings else {}
    data = {str(port.role): _automl_input(builder, port) for port in step.inputs if port.role}
    config = AutoMLConfig(
        path=str(folder),
        debug_log="automated_ml_errors.log",
        compute_target=builder.resources.compute_targets[step.compute],
        run_configuration=_run_configuration(builder, step),
        **settings,
        **data,
    )
    return ReusableAutoMLStep(
        name=step.name,
        automl_config=config,
        outputs=[builder.outputs[port.dataset] for port in step.outputs],
        enable_default_model_output=False,
        enable_default_metrics_output=False,
        allow_reuse=step.reuse,
    )


def _automl_input(builder: _Builder, port: Port) -> Any:
    """Return a dataset as the table that AutoML takes."""
    made = builder.outputs.get(port.dataset)
    return builder.resources.datasets[port.dataset] if made is None else _read(made, port)


def _run_configuration(builder: _Builder, step: Step) -> Any:
    from azureml.core.runconfig import RunConfiguration  # noqa: PLC0415

    configuration = RunConfiguration()
    configuration.target = builder.resources.compute_targets[step.compute]
    if step.environment != AUTOML_ENVIRONMENT:
        configuration.environment = builder.resources.environments[step.environment]
    return configuration
