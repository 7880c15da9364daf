"""An environment of azureml.yml as the SDK's Environment."""

from __future__ import annotations

from typing import Any

from azureml_deploy.config import Environment


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
