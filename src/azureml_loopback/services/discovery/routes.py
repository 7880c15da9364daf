"""Discovery tells only names, so it is open, as in Azure."""

from __future__ import annotations

from azureml_loopback.routing import Call, Routes

routes = Routes("/discovery")

SERVICES = (
    "api",
    "account",
    "artifact",
    "catalog",
    "content",
    "credential",
    "data",
    "dataset",
    "datastore",
    "dataprep",
    "discovery",
    "environment",
    "execution",
    "experimentation",
    "history",
    "hyperdrive",
    "inferencing",
    "jasmine",
    "metric",
    "mlflow",
    "modelmanagement",
    "modelregistry",
    "notification",
    "pipelines",
    "registry",
    "rp",
    "studio",
)
"""The services of a workspace, by the names that its discovery lists."""


@routes.get("workspaces/{workspace_id}", "", open_=True)
def discover(call: Call) -> dict[str, str]:
    """Return each service's address: all have one, but for the studio, which is the page."""
    addresses = dict.fromkeys(SERVICES, call.loopback.identity.services_url)
    return {**addresses, "studio": call.loopback.environment["HTTPS_PROXY"]}
