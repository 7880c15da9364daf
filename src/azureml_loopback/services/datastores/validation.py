"""Whether a datastore can be used: its account, container and credential are tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.storage.blob import ContainerClient

from azureml_loopback.blobs import Blobs
from azureml_loopback.errors import BadRequest


def check_storage(blobs: Blobs, section: Mapping[str, Any], *, create: bool) -> None:
    """Look for a datastore's container with the datastore's own credential.

    Args:
        blobs: The one storage account that there is.
        section: The datastore's ``azureStorageSection``.
        create: Make a container that is missing.

    Raises:
        BadRequest: The account is another one, the credential is not accepted, or there is no such
            container.
    """
    account, container = section.get("accountName"), section.get("containerName")
    if account != blobs.account:
        raise BadRequest(
            f"The storage account '{account}' cannot be reached, only '{blobs.account}' can; "
            "skip_validation=True registers the datastore all the same"
        )
    try:
        with _container(blobs, str(container), section) as client:
            if _is_there(client):
                return
            if create:
                client.create_container()
                return
    except (ClientAuthenticationError, HttpResponseError, ValueError):
        raise BadRequest(
            f"The credentials given for the storage account '{account}' are not valid"
        ) from None
    raise BadRequest(
        f"There is no container '{container}' in the storage account '{account}'; "
        "create_if_not_exists=True makes it"
    )


def _is_there(container: ContainerClient) -> bool:
    """Look for one blob, which a signature allows that does not allow to see the container."""
    try:
        next(container.list_blobs(results_per_page=1), None)
    except ResourceNotFoundError:
        return False
    return True


def _container(blobs: Blobs, name: str, section: Mapping[str, Any]) -> ContainerClient:
    secret = str(section.get("credential"))
    key = AzureNamedKeyCredential(blobs.account, secret)
    credential = key if section.get("credentialType") == "AccountKey" else secret
    url = f"http://127.0.0.1:{blobs.port}/{blobs.account}"
    return ContainerClient(url, name, credential=credential, retry_total=1)
