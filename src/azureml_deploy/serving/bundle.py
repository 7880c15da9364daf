"""What an Azure ML endpoint is made of: a folder with its entry script, and its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from azureml_deploy.errors import ConfigError
from azureml_deploy.plan import Step
from azureml_deploy.ports import is_parameter
from azureml_deploy.serving.opening import ServingProject, environment_of
from azureml_deploy.snapshot import Snapshots, StepFiles
from azureml_deploy.workspace.environments import build_environment

ENTRY_SCRIPT = "score.py"
SCRIPTS = (ENTRY_SCRIPT, "scorer.py")
SERVER_PACKAGE = "azureml-defaults"
"""Brings Azure's inference server; an environment without it cannot be an endpoint."""


@dataclass(frozen=True)
class Endpoint:
    """What `InferenceConfig` takes."""

    files: StepFiles
    environment: str


def endpoint_of(opened: ServingProject) -> Endpoint:
    """Gather the files of an endpoint: as a step's, with the entry script.

    Args:
        opened: The project.

    Raises:
        ConfigError: The pipeline needs more than the model brings, or a function that has no
            import path, or the environment has no inference server.
    """
    project, serving = opened.project, opened.serving
    nodes = project.sources.nodes
    others = sorted(
        name
        for name in project.sources.pipeline.inputs() - {serving.request, opened.registry}
        if not is_parameter(name)
    )
    if others:
        raise ConfigError(
            f"serving.pipeline: '{serving.pipeline}' reads {', '.join(others)}, which the "
            "registered model does not bring; make it one of its artifacts"
        )
    environment = environment_of(opened)
    step = Step(
        name="serving",
        kind="script",
        nodes=tuple(nodes),
        compute=project.config.default.compute_target,
        environment=environment,
    )
    snapshots = Snapshots(project)
    for name, location in snapshots.locations.items():
        if location.path is None:
            raise ConfigError(f"serving.pipeline: node '{name}': {location.problem}")
    files = snapshots.files_of(step)
    roles = serving.model_dump_json(include={"request", "response", "row_key"})
    remote = Path(__file__).parents[1] / "remote"
    added: Mapping[str, bytes | Path] = {
        "serving.json": roles.encode(),
        **{name: remote / name for name in SCRIPTS},
    }
    contents = dict(sorted({**files.contents, **added}.items()))
    return Endpoint(replace(files, contents=contents), environment)


def inference_config(opened: ServingProject, folder: Path, curated: Any = None) -> Any:
    """Make what `Model.deploy` and `Model.package` take.

    Args:
        opened: The project.
        folder: Where the entry script and what it needs are written, below a name of its content.
        curated: The curated environment that the endpoint's is based on, if it is.

    Returns:
        The SDK's `InferenceConfig`.

    Raises:
        ConfigError: The pipeline or its environment cannot be an endpoint.
    """
    from azureml.core.model import InferenceConfig  # noqa: PLC0415

    endpoint = endpoint_of(opened)
    settings = opened.project.config.environments[endpoint.environment]
    environment = build_environment(endpoint.environment, settings, curated)
    dependencies = environment.python.conda_dependencies
    if dependencies is not None and SERVER_PACKAGE not in dependencies.serialize_to_string():
        raise ConfigError(
            f"environments.{endpoint.environment}: has no {SERVER_PACKAGE}, which brings Azure's "
            "inference server; add it, or name another under serving.environment"
        )
    return InferenceConfig(
        entry_script=ENTRY_SCRIPT,
        source_directory=str(endpoint.files.write(folder)),
        environment=environment,
    )
