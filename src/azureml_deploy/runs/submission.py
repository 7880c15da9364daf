"""A deployment submitted: values for its parameters, the run, and what it says of its origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from azureml_deploy.azureml_v1 import Resources, build_pipeline
from azureml_deploy.deployment import Deployment
from azureml_deploy.errors import UsageError
from azureml_deploy.plan import DeploymentPlan, PipelineParameterValue
from azureml_deploy.reuse import git_properties
from azureml_deploy.service_errors import Patience
from local_automl.settings import did_you_mean


def parameter_values(plan: DeploymentPlan, given: Iterable[str]) -> dict[str, Any]:
    """Read values of pipeline parameters.

    Args:
        plan: Says which there are, and of which type each is.
        given: ``NAME=VALUE`` each.

    Raises:
        UsageError: There is no such parameter, or the value is of another type.
    """
    known = {parameter.name: parameter for parameter in plan.pipeline_parameters}
    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--pipeline-parameter {text}: write NAME=VALUE")
        if name not in known:
            raise UsageError(
                f"--pipeline-parameter {text}: the plan has no parameter '{name}'"
                f"{did_you_mean(name, known)} (it has: {', '.join(known) or 'none'})"
            )
        values[name] = _typed(known[name], value)
    return values


def _typed(parameter: PipelineParameterValue, text: str) -> Any:
    default = parameter.default
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        return type(default)(text) if isinstance(default, int | float) else text
    except (KeyError, ValueError):
        raise UsageError(
            f"--pipeline-parameter {parameter.name}: found {text!r}, but its default "
            f"{default!r} is of type {type(default).__name__}"
        ) from None


def submit_deployment(
    workspace: Any,
    deployment: Deployment,
    resources: Resources,
    parameters: Mapping[str, Any],
    snapshots: Path,
    patience: Patience,
) -> Any:
    """Submit a deployment.

    Nothing runs, and nothing is left that another submit could stumble over, until the service has
    taken the whole pipeline.

    Args:
        workspace: Where it runs.
        deployment: Plan and files.
        resources: The workspace's.
        parameters: Values of pipeline parameters.
        snapshots: Folder that snapshots are written to.
        patience: With the service.

    Returns:
        The SDK's `PipelineRun`.

    Raises:
        ServiceError: The service failed.
    """
    from azureml.core import Experiment  # noqa: PLC0415

    pipeline = patience.ask(
        "Building the pipeline", build_pipeline, workspace, deployment, resources, snapshots
    )
    experiment = patience.ask(
        "Opening the experiment", Experiment, workspace, deployment.plan.experiment_name
    )
    return patience.ask(
        "Submitting the pipeline",
        experiment.submit,
        pipeline,
        pipeline_parameters=dict(parameters) or None,
        repeatable=False,
    )


def note_origin(run: Any, deployment: Deployment, patience: Patience) -> None:
    """Note with a run which project, pipelines, environment and commit it was made from.

    Args:
        run: The SDK's `PipelineRun`.
        deployment: What was submitted.
        patience: With the service.
    """
    patience.ask("Tagging the run", run.set_tags, _tags(deployment))
    git = git_properties(deployment.project.path)
    patience.ask("Noting the run's commit", run.add_properties, dict(git))


def _tags(deployment: Deployment) -> dict[str, str]:
    project = deployment.project
    return {
        "kedro_project": project.project_name,
        "kedro_pipelines": ",".join(project.pipeline_names),
        "kedro_env": project.run_env,
    }
