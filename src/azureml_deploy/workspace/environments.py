"""The environments of azureml.yml: built as the SDK's, and found in the workspace or registered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from azureml_deploy.config import Environment
from azureml_deploy.deployment import Deployment
from azureml_deploy.errors import ConfigError, ServiceError
from azureml_deploy.plan import PlannedEnvironment
from azureml_deploy.service_errors import Patience, status_of
from azureml_deploy.workspace.found import Found, State
from local_automl.settings import did_you_mean


def build_environment(name: str, settings: Environment, curated: Any = None) -> Any:
    """Make an `azureml.core.Environment`.

    Args:
        name: Its name in azureml.yml.
        settings: What azureml.yml says of it.
        curated: The workspace's curated environment that it is based on.

    Returns:
        The curated environment itself where nothing is layered on it.
    """
    from azureml.core import Environment as AzureEnvironment  # noqa: PLC0415
    from azureml.core.conda_dependencies import CondaDependencies  # noqa: PLC0415

    layered = settings.conda_packages or settings.pip_packages
    if curated is not None and not layered:
        return curated
    # a curated environment cannot be changed, so packages go on a clone of it
    environment = curated.clone(name) if curated is not None else AzureEnvironment(name)
    dependencies = environment.python.conda_dependencies if curated is not None else None
    if dependencies is None:
        dependencies = CondaDependencies.create(pin_sdk_version=False)
        # added unasked, and its server pins packages that a step may need newer
        dependencies.remove_pip_package("azureml-defaults")
    if settings.python_version:
        dependencies.set_python_version(settings.python_version)
    for package in settings.conda_packages:
        dependencies.add_conda_package(package)
    for package in settings.pip_packages:
        dependencies.add_pip_package(package)
    for channel in settings.channels:
        dependencies.add_channel(channel)
    environment.python.conda_dependencies = dependencies
    environment.python.user_managed_dependencies = False
    if settings.docker_image:
        environment.docker.base_image = settings.docker_image
    return environment


def find_environments(
    workspace: Any, deployment: Deployment, patience: Patience, *, create: bool = True
) -> Iterator[Found]:
    """Find or register the environments of a plan's steps.

    Args:
        workspace: The workspace.
        deployment: What is deployed.
        patience: With the service.
        create: Whether to make what is missing.

    Yields:
        Each as soon as it is there.

    Raises:
        ConfigError: A curated environment does not exist.
    """
    for planned in deployment.plan.environments:
        settings = planned.definition
        base = _curated(workspace, planned.name, settings, patience) if settings.curated else None
        built = build_environment(planned.name, settings, base)
        if built is base:
            detail = f"curated environment {base.name}"
            yield Found("environment", planned.name, base.name, "found", detail, base.version, base)
        else:
            yield _find_or_register(workspace, planned, built, patience, create=create)


def _find_or_register(
    workspace: Any, planned: PlannedEnvironment, built: Any, patience: Patience, *, create: bool
) -> Found:
    """Register an environment; the service gives the version that is there if it is the same."""
    name, detail = planned.name, _base(planned.definition)
    before = _environment(workspace, name, patience)
    if not create:
        if before is None:
            return Found("environment", name, name, "missing", detail)
        return Found("environment", name, name, "found", detail, before.version, before)
    after = patience.ask(f"Registering environment '{name}'", built.register, workspace)
    same = before is not None and before.version == after.version
    state: State = "found" if same else "created"
    return Found("environment", name, name, state, detail, after.version, after)


def _curated(workspace: Any, key: str, settings: Environment, patience: Patience) -> Any:
    from azureml.core import Environment as AzureEnvironment  # noqa: PLC0415

    found = _environment(workspace, str(settings.curated), patience)
    if found is None:
        names = patience.ask("Listing environments", AzureEnvironment.list, workspace)
        raise ConfigError(
            f"environments.{key}.curated: workspace {workspace.name} has no environment "
            f"'{settings.curated}'{did_you_mean(settings.curated, names)}"
        )
    return found


def _environment(workspace: Any, name: str, patience: Patience) -> Any:
    from azureml.core import Environment as AzureEnvironment  # noqa: PLC0415

    try:
        return patience.ask(
            f"Looking for environment '{name}'", AzureEnvironment.get, workspace, name
        )
    except ServiceError as error:
        if status_of(error) == 404:
            return None
        raise


def _base(settings: Environment) -> str:
    base = settings.curated or settings.docker_image or "the default image"
    python = f", Python {settings.python_version}" if settings.python_version else ""
    return f"{base}{python}"
