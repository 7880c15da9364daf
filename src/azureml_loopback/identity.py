"""The names by which the local workspace goes: the same on every machine, but for its id."""

from __future__ import annotations

from dataclasses import dataclass

LOCAL = frozenset({"127.0.0.1", "localhost"})
"""Names by which the service itself is asked, and not one of Azure's hosts."""


@dataclass(frozen=True)
class Identity:
    """A subscription with one workspace in it, and the hosts that it answers for."""

    subscription_id: str = "00000000-0000-4000-8000-000000000001"
    tenant_id: str = "00000000-0000-4000-8000-000000000002"
    workspace_id: str = "00000000-0000-4000-8000-000000000003"
    user_id: str = "00000000-0000-4000-8000-000000000004"
    user_name: str = "loopback@localhost"
    resource_group: str = "loopback"
    workspace_name: str = "loopback"
    location: str = "loopback"
    storage_account: str = "loopbackstorage"
    datastore: str = "workspaceblobstore"

    @property
    def arm_scope(self) -> str:
        """Return the workspace's ARM identifier, without the leading slash."""
        return (
            f"subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace_name}"
        )

    @property
    def services_host(self) -> str:
        """Return the host of the workspace's services."""
        return f"{self.location}.api.azureml.ms"

    @property
    def services_url(self) -> str:
        """Return the base address of the workspace's services."""
        return f"https://{self.services_host}"

    @property
    def blob_host(self) -> str:
        """Return the host of the storage account's blobs."""
        return f"{self.storage_account}.blob.core.windows.net"

    @property
    def blob_container(self) -> str:
        """Return the container of the default datastore."""
        return f"azureml-blobstore-{self.workspace_id}"

    def is_service_host(self, host: str) -> bool:
        """Say whether the service itself answers for a host."""
        return host in {
            "management.azure.com",
            "login.microsoftonline.com",
            f"{self.location}.experiments.azureml.net",
        } or host.endswith(".api.azureml.ms")

    def is_blob_host(self, host: str) -> bool:
        """Say whether a host is the storage account's."""
        return host == self.blob_host
