"""The workspace of azureml.yml: signed in to, and what was found or made in it for a plan."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from azureml_deploy.azureml_v1 import Resources
from azureml_deploy.config import WorkspaceConfig
from azureml_deploy.errors import ConfigError
from azureml_deploy.service_errors import Patience
from azureml_deploy.workspace.found import Found

CONFIG_FILES = (".azureml/config.json", "aml_config/config.json", "config.json")
"""Where the SDK looks for the workspace's file, in each folder upwards."""

SERVICE_PRINCIPAL = {
    "tenant_id": "AZUREML_SERVICE_PRINCIPAL_TENANT_ID",
    "service_principal_id": "AZUREML_SERVICE_PRINCIPAL_ID",
    "service_principal_password": "AZUREML_SERVICE_PRINCIPAL_PASSWORD",
}
"""Argument of `ServicePrincipalAuthentication` -> the variable that the SDK itself reads for it."""


def open_workspace(config: WorkspaceConfig, project_path: Path, patience: Patience) -> Any:
    """Sign in and open the workspace.

    Args:
        config: azureml.yml's ``workspace``.
        project_path: What its path is relative to, and where config.json is looked for.
        patience: With the service.

    Raises:
        ConfigError: config.json or a variable is missing or wrong.
        ServiceError: Signing in, or opening the workspace, failed.
    """
    from azureml.core import Workspace  # noqa: PLC0415

    names = (
        (config.subscription_id, config.resource_group, config.workspace_name)
        if config.workspace_name
        else _names_in(_config_file(config, project_path))
    )
    auth = patience.ask(f"Signing in ({config.auth})", _sign_in, config)
    subscription, group, name = names
    return patience.ask(
        f"Opening workspace '{name}' (resource group {group}, subscription {subscription})",
        Workspace,
        subscription,
        group,
        name,
        auth=auth,
    )


def _sign_in(config: WorkspaceConfig) -> Any:
    from azureml.core import authentication  # noqa: PLC0415

    if config.auth == "service_principal":
        given = {key: os.environ.get(name, "") for key, name in SERVICE_PRINCIPAL.items()}
        given["tenant_id"] = config.tenant_id or given["tenant_id"]
        missing = [SERVICE_PRINCIPAL[key] for key, value in given.items() if not value]
        if missing:
            raise ConfigError(
                f"workspace.auth is service_principal, and {', '.join(missing)} is not set in the "
                "environment"
            )
        return authentication.ServicePrincipalAuthentication(**given)
    if config.auth == "cli":
        return authentication.AzureCliAuthentication()
    if config.auth == "msi":
        return authentication.MsiAuthentication()
    return authentication.InteractiveLoginAuthentication(tenant_id=config.tenant_id)


def _config_file(config: WorkspaceConfig, project_path: Path) -> Path:
    if config.path:
        path = project_path / config.path
        if not path.is_file():
            raise ConfigError(f"workspace.path in azureml.yml: there is no file {path}")
        return path
    for folder in (project_path, *project_path.parents):
        for name in CONFIG_FILES:
            if (folder / name).is_file():
                return folder / name
    raise ConfigError(
        f"No workspace is named: there is no config.json in {project_path} or a folder above it. "
        "Download it from the workspace's page in the Azure portal, name the workspace in "
        "azureml.yml (subscription_id, resource_group, workspace_name), or submit with --loopback"
    )


def _names_in(file: Path) -> tuple[str, str, str]:
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
        return values["subscription_id"], values["resource_group"], values["workspace_name"]
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{file}: cannot be read as JSON ({error})") from None
    except KeyError as error:
        raise ConfigError(f"{file}: has no {error.args[0]}") from None


def resources_of(workspace: Any, found: tuple[Found, ...]) -> Resources:
    """Sort what was found or made, for the pipeline to be built from."""
    by_kind: dict[str, dict[str, Any]] = {}
    for one in found:
        by_kind.setdefault(one.kind, {})[one.key] = one.value
    return Resources(
        compute_targets=by_kind.get("compute target", {}),
        environments=by_kind.get("environment", {}),
        datasets=by_kind.get("dataset", {}),
        datastore=workspace.get_default_datastore(),
    )
