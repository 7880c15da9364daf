"""Datastores in the wire's shape (``DataStore``).

The workspace's own two are not kept as documents: they are what `Blobs` says they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from azureml_loopback.blobs import ARTIFACTS, Blobs
from azureml_loopback.context import Loopback
from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.store import Document

ARTIFACT_DATASTORE = "workspaceartifactstore"
"""Azure's name of the datastore over the container of artifacts."""
ENDPOINT = "core.windows.net"
"""The cloud that a storage account is in, unless its datastore says otherwise."""

_KIND = "datastore"
_DEFAULT = "default datastore"
_NAME = re.compile(r"[a-z0-9_]{1,255}")
_SECRETS = ("credential", "accountKey", "sasToken")


def all_datastores(loopback: Loopback) -> list[Document]:
    """Return every datastore, the workspace's own first."""
    return [*_built_in(loopback).values(), *loopback.store.list(_KIND)]


def get(loopback: Loopback, name: str) -> Document:
    """Return a datastore; letter case does not matter.

    Raises:
        NotFound: There is none of that name.
    """
    key = name.lower()
    found = _built_in(loopback).get(key) or loopback.store.find(_KIND, key)
    if found is None:
        known = ", ".join(datastore["name"] for datastore in all_datastores(loopback))
        raise NotFound(f"Could not find datastore {name}; there are: {known}", code="UserError")
    return found


def create(loopback: Loopback, datastore: Mapping[str, Any]) -> Document:
    """Add a datastore.

    Raises:
        BadRequest: It exists already, or cannot have that name.
    """
    key = _valid_name(datastore)
    if key in _built_in(loopback) or loopback.store.find(_KIND, key):
        # the SDK knows a conflict by this text, and not by the status
        raise BadRequest(f"Another datastore with the same name already exists: {key}")
    return loopback.store.insert(_KIND, key, _completed(key, datastore))


def update(loopback: Loopback, name: str, datastore: Mapping[str, Any]) -> Document:
    """Replace what a datastore refers to.

    Raises:
        NotFound: There is none of that name.
        BadRequest: It is one of the workspace's own.
    """
    key = get(loopback, name)["name"]
    _refuse_built_in(loopback, key)
    return loopback.store.put(_KIND, key, _completed(key, datastore))


def delete(loopback: Loopback, name: str) -> None:
    """Forget a datastore; its data stay.

    Raises:
        NotFound: There is none of that name.
        BadRequest: It is the default one, or one of the workspace's own.
    """
    key = get(loopback, name)["name"]
    _refuse_built_in(loopback, key)
    if key == default(loopback)["name"]:
        raise BadRequest(f"{key} is the default datastore; make another one the default first")
    loopback.store.delete(_KIND, key)


def default(loopback: Loopback) -> Document:
    """Return the default datastore."""
    chosen = loopback.store.find(_DEFAULT, "")
    return get(loopback, chosen["name"] if chosen else loopback.identity.datastore)


def set_default(loopback: Loopback, name: str) -> None:
    """Make a datastore the default one.

    Raises:
        NotFound: There is none of that name.
    """
    key = get(loopback, name)["name"]
    loopback.store.put(_DEFAULT, "", {"name": key})


def without_secrets(datastore: Document) -> Document:
    """Return a datastore as lists show it: without its credential."""
    section = datastore["azureStorageSection"]
    shown = {key: value for key, value in section.items() if key not in _SECRETS}
    return {**datastore, "azureStorageSection": shown}


def _built_in(loopback: Loopback) -> dict[str, Document]:
    identity, blobs = loopback.identity, loopback.blobs
    return {
        identity.datastore: _own(blobs, identity.datastore, blobs.data_container),
        ARTIFACT_DATASTORE: _own(blobs, ARTIFACT_DATASTORE, ARTIFACTS),
    }


def _own(blobs: Blobs, name: str, container: str) -> Document:
    section = {
        "accountName": blobs.account,
        "containerName": container,
        "credentialType": "AccountKey",
        "credential": blobs.key,
    }
    return _completed(name, {"azureStorageSection": section})


def _completed(name: str, datastore: Mapping[str, Any]) -> Document:
    """Fill in what a client may leave out, and the credential under both of its names."""
    section = datastore["azureStorageSection"]
    kind, credential = section.get("credentialType"), section.get("credential")
    return {
        **datastore,
        "name": name,
        "dataStoreType": "AzureBlob",
        "hasBeenValidated": True,
        "tags": datastore.get("tags") or {},
        "azureStorageSection": {
            **section,
            "endpoint": section.get("endpoint") or ENDPOINT,
            "protocol": section.get("protocol") or "https",
            "accountKey": credential if kind == "AccountKey" else None,
            "sasToken": credential if kind == "Sas" else None,
            "isSas": kind == "Sas",
        },
    }


def _valid_name(datastore: Mapping[str, Any]) -> str:
    key = str(datastore.get("name", "")).lower()
    if not _NAME.fullmatch(key):
        raise BadRequest(
            f"'{datastore.get('name')}' is no datastore name: "
            "use letters, digits and '_', at most 255 of them"
        )
    return key


def _refuse_built_in(loopback: Loopback, key: str) -> None:
    if key in _built_in(loopback):
        raise BadRequest(f"{key} is the workspace's own datastore and stays as it is")
