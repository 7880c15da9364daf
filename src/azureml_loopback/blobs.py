"""The bytes of the workspace: blobs of one storage account, kept by Azurite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import IO, Any
from urllib.parse import quote

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    BlobProperties,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from azureml_loopback.errors import NotFound

ARTIFACTS = "azureml"
"""Container of artifacts and snapshots, by Azure's own name."""


@dataclass(frozen=True)
class Blobs:
    """The storage account, reached directly on this machine.

    Attributes:
        account: Its name.
        key: Its shared key, base64.
        host: The name that clients know it by.
        port: Where Azurite listens on 127.0.0.1.
        data_container: The default datastore's container.
    """

    account: str
    key: str
    host: str
    port: int
    data_container: str

    @cached_property
    def _service(self) -> BlobServiceClient:
        return BlobServiceClient(
            f"http://127.0.0.1:{self.port}/{self.account}",
            credential={"account_name": self.account, "account_key": self.key},
            retry_total=2,
        )

    @cached_property
    def _containers(self) -> dict[str, ContainerClient]:
        return {}

    def prepare(self) -> None:
        """Make the containers that a new workspace has."""
        for name in (ARTIFACTS, self.data_container):
            self.container(name)

    def container(self, name: str) -> ContainerClient:
        """Return a container, made if it is missing."""
        known = self._containers.get(name)
        if known is None:
            known = self._service.get_container_client(name)
            with suppress(ResourceExistsError):
                known.create_container()
            self._containers[name] = known
        return known

    def upload(self, container: str, name: str, data: bytes | IO[bytes]) -> None:
        """Write a blob, over one of the same name."""
        self.container(container).upload_blob(name, data, overwrite=True)

    def append(self, container: str, name: str, data: bytes) -> None:
        """Add to an append blob, made if it is missing."""
        blob = self.container(container).get_blob_client(name)
        if not blob.exists():
            blob.create_append_blob()
        blob.append_block(data)

    def download(self, container: str, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Return a blob's bytes, or ``size`` of them from ``start`` on, which must be one of them.

        Raises:
            NotFound: There is no such blob.
        """
        offset = None if size is None else start
        try:
            blob = self.container(container).download_blob(name, offset=offset, length=size)
            content: bytes = blob.readall()
        except ResourceNotFoundError:
            raise NotFound(f"There is no blob {container}/{name}") from None
        return content

    def download_to(self, container: str, name: str, target: IO[bytes]) -> None:
        """Write a blob's bytes to an open file.

        Raises:
            NotFound: There is no such blob.
        """
        try:
            self.container(container).download_blob(name).readinto(target)
        except ResourceNotFoundError:
            raise NotFound(f"There is no blob {container}/{name}") from None

    def properties(self, container: str, name: str) -> BlobProperties | None:
        """Return size, ETag and time of a blob; nothing if there is none."""
        try:
            return self.container(container).get_blob_client(name).get_blob_properties()
        except ResourceNotFoundError:
            return None

    def list(self, container: str, prefix: str = "") -> Iterator[BlobProperties]:
        """Yield the blobs whose names begin with ``prefix``, by name."""
        found: Any = self.container(container).list_blobs(name_starts_with=prefix or None)
        yield from found

    def delete(self, container: str, name: str) -> None:
        """Remove a blob; one that is not there is no error."""
        with suppress(ResourceNotFoundError):
            self.container(container).delete_blob(name)

    def sas(self, container: str, permission: str = "r", hours: float = 48) -> str:
        """Return a signature for a container's blobs: letters of ``racwdl``."""
        self.container(container)
        return generate_container_sas(
            self.account,
            container,
            account_key=self.key,
            permission=ContainerSasPermissions.from_string(permission),
            expiry=datetime.now(timezone.utc) + timedelta(hours=hours),
        )

    def url(self, container: str, name: str, permission: str = "r") -> str:
        """Return a blob's signed address on the account's own host."""
        return f"https://{self.host}/{container}/{quote(name)}?{self.sas(container, permission)}"
