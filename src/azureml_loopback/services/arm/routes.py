"""Cloud metadata, subscriptions and the workspace as Azure Resource Manager shows them."""

from __future__ import annotations

from typing import Any

from azureml_loopback import odata
from azureml_loopback.errors import NotFound
from azureml_loopback.identity import Identity
from azureml_loopback.routing import SCOPE, Call, Routes
from azureml_loopback.services.arm import compute_routes
from azureml_loopback.services.arm import workspace as workspace_state

routes = Routes()
services = [routes, *compute_routes.services]

_PROVIDER = "Microsoft.MachineLearningServices"


@routes.get("metadata/endpoints", open_=True)
def clouds(call: Call) -> list[dict[str, Any]]:
    """Describe the one cloud; the SDK asks without a token."""
    return [
        {
            "name": "AzureCloud",
            "portal": "https://portal.azure.com",
            "authentication": {
                "loginEndpoint": "https://login.microsoftonline.com/",
                "audiences": [
                    "https://management.core.windows.net/",
                    "https://management.azure.com/",
                ],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "media": "https://rest.media.azure.net",
            "graphAudience": "https://graph.windows.net/",
            "graph": "https://graph.windows.net/",
            "resourceManager": "https://management.azure.com/",
            "sqlManagement": "https://management.core.windows.net:8443/",
            "batch": "https://batch.core.windows.net/",
            "gallery": "https://gallery.azure.com/",
            "vmImageAliasDoc": "https://management.azure.com/aliases.json",
            "activeDirectoryDataLake": "https://datalake.azure.net/",
            "suffixes": {
                "storage": "core.windows.net",
                "keyVaultDns": "vault.azure.net",
                "acrLoginServer": "azurecr.io",
                "sqlServerHostname": "database.windows.net",
                "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
                "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
            },
        }
    ]


@routes.get("tenants")
def tenants(call: Call) -> dict[str, Any]:
    """List the tenant."""
    tenant = call.loopback.identity.tenant_id
    return {"value": [{"id": f"/tenants/{tenant}", "tenantId": tenant}]}


@routes.get("subscriptions")
def subscriptions(call: Call) -> dict[str, Any]:
    """List the subscription."""
    return {"value": [_subscription(call.loopback.identity)]}


@routes.get("subscriptions/{subscription}")
def subscription(call: Call) -> dict[str, Any]:
    """Return the subscription."""
    return _subscription(call.loopback.identity)


@routes.get(
    "subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/workspaces",
    "subscriptions/{subscription}/resourceGroups/{resource_group}"
    "/providers/Microsoft.MachineLearningServices/workspaces",
)
def workspaces(call: Call) -> dict[str, Any]:
    """List the workspace."""
    return {"value": [_workspace(call)]}


@routes.get(f"subscriptions/{{subscription}}/providers/{_PROVIDER}")
def provider(call: Call) -> dict[str, Any]:
    """Say where workspaces can be: in one location."""
    types = [{"resourceType": "workspaces", "locations": [call.loopback.identity.location]}]
    return {"namespace": _PROVIDER, "registrationState": "Registered", "resourceTypes": types}


@routes.get("subscriptions/{subscription}/resourcegroups/{resource_group}")
def resource_group(call: Call) -> dict[str, Any]:
    """Return the resource group."""
    identity = call.loopback.identity
    return {
        "id": f"/subscriptions/{identity.subscription_id}/resourceGroups/{identity.resource_group}",
        "name": identity.resource_group,
        "location": identity.location,
        "properties": {"provisioningState": "Succeeded"},
    }


@routes.get("subscriptions/{subscription}/resources", query=("$filter",))
def resources(call: Call) -> dict[str, Any]:
    """List what there is of a kind; the SDK asks for workspaces."""
    identity = call.loopback.identity
    shown = ("id", "name", "type", "location", "tags", "sku", "identity")
    found = {name: _workspace(call)[name] for name in shown}
    known = {
        "resourceType": found["type"],
        "resourceGroup": identity.resource_group,
        "name": identity.workspace_name,
    }
    wants = odata.parse(call.query.get("$filter"), known).wants
    return {"value": [found] if wants(known) else []}


@routes.get(SCOPE)
def workspace(call: Call) -> dict[str, Any]:
    """Return the workspace."""
    return _workspace(call)


@routes.patch(SCOPE)
def update_workspace(call: Call) -> dict[str, Any]:
    """Set the workspace's tags, friendly name and description."""
    workspace_state.update(call.loopback.store, call.object())
    return _workspace(call)


@routes.get(f"{SCOPE}/connections")
def connections(call: Call) -> list[Any]:
    """List the workspace's connections: none ever. The SDK reads them without an envelope."""
    return []


@routes.get(f"{SCOPE}/linkedServices")
def linked_services(call: Call) -> dict[str, Any]:
    """List the services that the workspace is linked to: none ever."""
    return {"value": []}


@routes.post(f"{SCOPE}/listKeys")
def workspace_keys(call: Call) -> dict[str, Any]:
    """Return the keys of what belongs to the workspace: its storage."""
    identity, blobs = call.loopback.identity, call.loopback.blobs
    return {
        "userStorageKey": blobs.key,
        "userStorageResourceId": _storage_id(identity),
        "appInsightsInstrumentationKey": "",
        "containerRegistryCredentials": None,
    }


@routes.get(
    "subscriptions/{subscription}/resourceGroups/{resource_group}"
    "/providers/Microsoft.Storage/storageAccounts/{account}"
)
def storage_account(call: Call) -> dict[str, Any]:
    """Return the storage account."""
    identity = call.loopback.identity
    if call.parts["account"] != identity.storage_account:
        raise NotFound(f"There is no storage account '{call.parts['account']}'")
    return {
        "id": _storage_id(identity),
        "name": identity.storage_account,
        "location": identity.location,
        "properties": {"primaryEndpoints": {"blob": f"https://{identity.blob_host}/"}},
    }


def _subscription(identity: Identity) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{identity.subscription_id}",
        "subscriptionId": identity.subscription_id,
        "displayName": "loopback",
        "state": "Enabled",
        "tenantId": identity.tenant_id,
    }


def _workspace(call: Call) -> dict[str, Any]:
    identity, own = call.loopback.identity, workspace_state.settings(call.loopback.store)
    scope = identity.arm_scope.rpartition("/providers/")[0]
    return {
        "id": f"/{identity.arm_scope}",
        "name": identity.workspace_name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": identity.location,
        "tags": own["tags"],
        "etag": None,
        "sku": {"name": "Basic", "tier": "Basic"},
        "identity": {
            "type": "SystemAssigned",
            "tenantId": identity.tenant_id,
            "principalId": identity.user_id,
        },
        "properties": {
            "friendlyName": identity.workspace_name,
            "description": "Azure ML on 127.0.0.1",
            "workspaceId": identity.workspace_id,
            "creationTime": "2020-01-01T00:00:00.000000+00:00",
            "provisioningState": "Succeeded",
            "discoveryUrl": f"{identity.services_url}/discovery",
            "storageAccount": _storage_id(identity),
            "keyVault": f"/{scope}/providers/Microsoft.KeyVault/vaults/loopback",
            "applicationInsights": f"/{scope}/providers/Microsoft.Insights/components/loopback",
            "containerRegistry": None,
            "hbiWorkspace": False,
            **own["properties"],
        },
    }


def _storage_id(identity: Identity) -> str:
    scope = identity.arm_scope.rpartition("/providers/")[0]
    return f"/{scope}/providers/Microsoft.Storage/storageAccounts/{identity.storage_account}"
