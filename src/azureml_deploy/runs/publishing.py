"""Published pipelines: a deployment kept in the workspace, and started there by REST."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from azureml_deploy.azureml_v1 import Resources, build_pipeline
from azureml_deploy.deployment import Deployment
from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.reuse import git_properties
from azureml_deploy.runs.following import open_run
from azureml_deploy.service_errors import Patience
from local_automl.settings import did_you_mean

ALL = 10_000
"""More endpoints than a workspace has; the SDK lists a hundred unless it is told."""

REST_TIMEOUT = 100
"""Seconds, as the SDK's own clients have it."""


@dataclass(frozen=True)
class Publication:
    """A published pipeline as a version of its endpoint.

    Attributes:
        pipeline_id: Of the `PublishedPipeline`.
        endpoint: Name of the `PipelineEndpoint`.
        version: Which version of it.
        default: Whether it is what the endpoint runs when no version is named.
        url: Where to POST to.
        created: Whether the endpoint had to be made.
    """

    pipeline_id: str
    endpoint: str
    version: str
    default: bool
    url: str
    created: bool


def without_reuse(deployment: Deployment) -> Deployment:
    """Return the same deployment with all steps run each time.

    Azure ML reuses a step as long as its Dataset's id is the same, and a published pipeline's is
    fixed, whatever becomes of the files behind it.
    """
    steps = tuple(step.model_copy(update={"reuse": False}) for step in deployment.plan.steps)
    return replace(deployment, plan=deployment.plan.model_copy(update={"steps": steps}))


def publish_deployment(
    workspace: Any,
    deployment: Deployment,
    resources: Resources,
    snapshots: Path,
    patience: Patience,
    *,
    endpoint: str,
    description: str,
    default: bool,
) -> Publication:
    """Publish a deployment, as a new version of an endpoint.

    Args:
        workspace: Where.
        deployment: Plan and files.
        resources: The workspace's.
        snapshots: Folder that snapshots are written to.
        patience: With the service.
        endpoint: The endpoint's name; it is made where there is none.
        description: For people.
        default: Whether the new version becomes the default.

    Raises:
        ServiceError: The service failed.
    """
    from azureml.pipeline.core import PipelineEndpoint  # noqa: PLC0415

    pipeline = patience.ask(
        "Building the pipeline", build_pipeline, workspace, deployment, resources, snapshots
    )
    published = patience.ask(
        "Publishing the pipeline",
        pipeline.publish,
        name=endpoint,
        description=description,
        version=_commit(deployment.project.path),
        repeatable=False,
    )
    there = _endpoints(workspace, patience).get(endpoint)
    if there is None:
        what = f"Creating pipeline endpoint '{endpoint}'"
        made = patience.ask(
            what,
            PipelineEndpoint.publish,
            workspace,
            endpoint,
            description,
            published,
            repeatable=False,
        )
    else:
        add = there.add_default if default else there.add
        patience.ask(f"Adding to endpoint '{endpoint}'", add, published, repeatable=False)
        made = _endpoints(workspace, patience)[endpoint]
    version = _version_of(made, published.id, patience)
    return Publication(
        pipeline_id=published.id,
        endpoint=endpoint,
        version=version,
        default=made.default_version == version,
        url=made.endpoint,
        created=there is None,
    )


def find_endpoint(workspace: Any, name: str, patience: Patience) -> Any:
    """Return a `PipelineEndpoint` by its name.

    Raises:
        UsageError: There is none.
        ServiceError: The service failed.
    """
    found = _endpoints(workspace, patience)
    if name not in found:
        raise UsageError(
            f"Workspace {workspace.name} has no pipeline endpoint '{name}'"
            f"{did_you_mean(name, found)} (it has: {', '.join(sorted(found)) or 'none'}); "
            "make one with: kedro azureml publish"
        )
    return found[name]


def trigger(
    workspace: Any,
    endpoint: Any,
    patience: Patience,
    *,
    experiment_name: str,
    parameters: Mapping[str, str],
    version: str | None = None,
) -> Any:
    """Start a run of an endpoint by REST, as any program with a token can.

    Args:
        workspace: Where.
        endpoint: The `PipelineEndpoint`.
        patience: With the service.
        experiment_name: What the run belongs to.
        parameters: Values of pipeline parameters.
        version: Which version; the default one otherwise.

    Returns:
        The SDK's `PipelineRun`.

    Raises:
        UsageError: There is no such version or parameter, or the endpoint is disabled.
        ServiceError: The service failed.
    """
    if endpoint.status != "Active":
        raise UsageError(f"Pipeline endpoint '{endpoint.name}' is {endpoint.status}")
    versions = _versions(endpoint, patience)
    if version is not None and version not in versions:
        raise UsageError(
            f"Pipeline endpoint '{endpoint.name}' has no version {version} "
            f"(it has: {', '.join(versions)}; the default is {endpoint.default_version})"
        )
    pipeline = versions[version or endpoint.default_version]
    _check_parameters(pipeline, parameters, patience)
    answer = patience.ask(
        f"Starting pipeline endpoint '{endpoint.name}'",
        _post,
        endpoint.endpoint,
        {"ExperimentName": experiment_name, "ParameterAssignments": dict(parameters)},
        {"pipelineVersion": version} if version else {},
        workspace._auth_object.get_authentication_header(),
        repeatable=False,
    )
    return open_run(workspace, answer["Id"], patience)


def assignments(given: Iterable[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` texts.

    Raises:
        UsageError: One is something else.
    """
    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise UsageError(f"--pipeline-parameter {text}: write NAME=VALUE")
        values[name] = value
    return values


def _post(
    url: str, body: Mapping[str, Any], query: Mapping[str, str], header: Mapping[str, str]
) -> Mapping[str, Any]:
    import requests  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415  (the SDK's own client)

    answer = requests.post(url, json=body, params=query, headers=header, timeout=REST_TIMEOUT)
    answer.raise_for_status()
    found: Mapping[str, Any] = answer.json()
    return found


def _endpoints(workspace: Any, patience: Patience) -> dict[str, Any]:
    from azureml.pipeline.core import PipelineEndpoint  # noqa: PLC0415

    found = patience.ask(
        "Listing pipeline endpoints",
        PipelineEndpoint.list,
        workspace,
        active_only=False,
        max_results=ALL,
    )
    return {endpoint.name: endpoint for endpoint in found}


def _versions(endpoint: Any, patience: Patience) -> dict[str, Any]:
    """Return the published pipelines by their version in the endpoint."""
    what = f"Listing the versions of pipeline endpoint '{endpoint.name}'"
    listed = patience.ask(what, endpoint.list_versions)
    return {str(each.version): each.pipeline for each in listed}


def _version_of(endpoint: Any, pipeline_id: str, patience: Patience) -> str:
    for version, pipeline in _versions(endpoint, patience).items():
        if pipeline.id == pipeline_id:
            return version
    raise ServiceError(
        f"Pipeline endpoint '{endpoint.name}' does not list what was just added to it; see whether "
        "another publish has replaced it"
    )


def _check_parameters(pipeline: Any, given: Mapping[str, str], patience: Patience) -> None:
    if not given:
        return
    # get_graph() makes objects of its Datasets by a function that the SDK itself has removed
    caller = pipeline._pipeline_provider._service_caller
    what = f"Reading published pipeline {pipeline.id}"
    interface = patience.ask(what, caller.get_graph_interface_async, pipeline.graph_id)
    known = [parameter.name for parameter in interface.parameters or ()]
    for name in given:
        if name not in known:
            raise UsageError(
                f"--pipeline-parameter {name}: the published pipeline has no such parameter"
                f"{did_you_mean(name, known)} (it has: {', '.join(known) or 'none'})"
            )


def _commit(project_path: Path) -> str | None:
    """Return the commit that is published, as its version for people."""
    git = git_properties(project_path)
    if not git:
        return None
    changed = "-dirty" if git["azureml.git.dirty"] == "True" else ""
    return f"{git['azureml.git.commit'][:10]}{changed}"
