"""Data versions (v2 data assets), in the wire's shape (``DataVersionEntity``).

A v2 asset is a type and an address. Datasets of SDK v1 are readable here too, with their dataflow
as ``legacyDataflow``: that is where the SDK fetches the definition of every dataset it loads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from azureml_loopback.errors import BadRequest, Conflict, NotFound
from azureml_loopback.identity import Identity
from azureml_loopback.services.datasets import saved, state
from azureml_loopback.store import Document, Store

UNREGISTERED = "unregistered-"
"""Before the id of a saved dataset: the name that the SDK asks its definition by."""

_KIND = "data version"
_TYPES = {"urifile": "UriFile", "urifolder": "UriFolder", "mltable": "MLTable"}
_ASSET_ID = re.compile(
    r"azureml://locations/[^/]+/workspaces/[^/]+/data/(?P<name>[^/]+)/versions/(?P<version>[^/]+)"
)
_SHORT_ID = re.compile(r"azureml:(?P<name>[^/:]+):(?P<version>[^/:]+)")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,254}")


def get(store: Store, identity: Identity, name: str, version: str) -> Document:
    """Return a data version, or a v1 dataset as one.

    Raises:
        NotFound: There is neither.
    """
    if name.startswith(UNREGISTERED):
        definition = saved.saved_dataset(store, name.removeprefix(UNREGISTERED))
        return _legacy(identity, name, version, definition)
    found = store.find(_KIND, _key(name, version))
    if found is not None:
        return found
    registered = state.dataset_named(store, name, version)
    definition = saved.saved_dataset(store, registered["latest"]["savedDatasetId"])
    return _legacy(identity, name, version, definition)


def exists(store: Store, name: str, version: str) -> bool:
    """Say whether there is a data version of v2."""
    return store.find(_KIND, _key(name, version)) is not None


def versions(store: Store, name: str) -> list[Document]:
    """Return an asset's versions, the newest first."""
    return store.list(_KIND, parent=name, newest_first=True)


def create(
    store: Store, identity: Identity, name: str, version: Mapping[str, Any], *, registered: bool
) -> Document:
    """Add a data version; without ``versionId``, the next number.

    Raises:
        BadRequest: The name is none, or type or address is missing.
        Conflict: There is that version already.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(f"'{name}' is no data asset name: use letters, digits, '_', '-' and '.'")
    with store.transaction():
        number = version.get("versionId") or str(store.count(_KIND, parent=name) + 1)
        if store.find(_KIND, _key(name, number)):
            raise Conflict(f"There is a version {number} of '{name}' already")
        now = store.clock.text()
        asset_id = _asset_id(identity, name, number)
        entity = {
            "dataVersion": {
                **version,
                "assetId": asset_id,
                "initialAssetId": asset_id,
                "dataContainerName": name,
                "versionId": number,
                "dataType": _type(version),
                "dataUri": _uri(version),
                "mutableProps": version.get("mutableProps") or {},
                "properties": version.get("properties") or {},
                "isRegistered": registered,
            },
            "entityMetadata": {"etag": store.new_id(), "createdTime": now, "modifiedTime": now},
        }
        return store.insert(_KIND, _key(name, number), entity, parent=name)


def get_or_create(
    store: Store, identity: Identity, name: str, version: Mapping[str, Any]
) -> Document:
    """Return the first version of an unregistered asset, made if it is missing.

    Raises:
        BadRequest: The name is none, or type or address is missing.
    """
    with store.transaction():
        known = store.find(_KIND, _key(name, "1"))
        return known or create(store, identity, name, version, registered=False)


def modify(store: Store, name: str, version: str, changes: Mapping[str, Any]) -> Document:
    """Change description, tags, expiry or archived state.

    Raises:
        NotFound: There is no such version.
    """

    def changed(entity: Document) -> Document:
        data = entity["dataVersion"]
        data = {**data, "mutableProps": {**data["mutableProps"], **changes}}
        metadata = {**entity["entityMetadata"], "modifiedTime": store.clock.text()}
        return {**entity, "dataVersion": data, "entityMetadata": metadata}

    return store.update(_KIND, _key(name, version), changed)


def delete(store: Store, name: str, version: str) -> None:
    """Forget a data version; its data stay.

    Raises:
        NotFound: There is no such version.
    """
    if not store.delete(_KIND, _key(name, version)):
        raise NotFound(f"There is no version {version} of '{name}'")


def by_reference(store: Store, identity: Identity, reference: str) -> Document:
    """Return what an asset id, or ``azureml:NAME:VERSION``, refers to.

    Raises:
        BadRequest: It is neither.
        NotFound: There is no such version.
    """
    match = _ASSET_ID.fullmatch(reference) or _SHORT_ID.fullmatch(reference)
    if match is None:
        raise BadRequest(
            f"'{reference}' is no data asset: give azureml:NAME:VERSION or its asset id"
        )
    return get(store, identity, match["name"], match["version"])


def register_existing(store: Store, identity: Identity, request: Mapping[str, Any]) -> Document:
    """Give an unregistered asset a name and a version of its own.

    Args:
        store: The documents.
        identity: Of the workspace.
        request: ``RegisterExistingData``.

    Raises:
        BadRequest: There is no asset id or no name.
        NotFound: There is no such asset.
        Conflict: There is that version already.
    """
    name, asset_id = request.get("name"), request.get("existingUnregisteredAssetId")
    if not name or not asset_id:
        raise BadRequest("registerExisting needs existingUnregisteredAssetId and name")
    source = by_reference(store, identity, asset_id)["dataVersion"]
    version = {
        "dataType": source["dataType"],
        "dataUri": source["dataUri"],
        "versionId": request.get("version"),
    }
    return create(store, identity, name, version, registered=True)


def container(store: Store, identity: Identity, name: str) -> Document:
    """Return an asset with its latest version (``DataContainerEntity``).

    Raises:
        NotFound: There is no such asset.
    """
    known = versions(store, name)
    if not known:
        raise NotFound(f"There is no data asset '{name}'")
    latest = known[0]["dataVersion"]
    return {
        "dataContainer": {
            "assetId": _asset_id(identity, name, latest["versionId"]).partition("/versions/")[0],
            "name": name,
            "dataType": latest["dataType"],
            "isRegistered": latest["isRegistered"],
        },
        "entityMetadata": known[0]["entityMetadata"],
        "latestVersion": known[0],
        "nextVersionId": str(len(known) + 1),
    }


def resolved_uri(store: Store, identity: Identity, uri: str) -> Document:
    """Return address and type (``DataUriV2Response``) of what a reference means.

    Raises:
        BadRequest: It is neither an address nor a data asset.
        NotFound: There is no such asset.
    """
    if not uri.startswith("azureml:") or uri.startswith("azureml://datastores/"):
        return {"uri": uri, "type": "UriFolder" if uri.endswith("/") else "UriFile"}
    data = by_reference(store, identity, uri)["dataVersion"]
    return {"uri": data["dataUri"], "type": data["dataType"]}


def _legacy(identity: Identity, name: str, version: str, definition: Mapping[str, Any]) -> Document:
    """Return a v1 dataset as a data version."""
    asset_id = _asset_id(identity, name, version)
    return {
        "dataVersion": {
            "assetId": asset_id,
            "dataContainerName": name,
            "versionId": version,
            "dataType": "MLTable",
            "dataUri": asset_id,
            "isRegistered": not name.startswith(UNREGISTERED),
        },
        "legacyDatasetType": definition["datasetType"],
        "legacyDataflowType": "Yaml",
        "legacyDataflow": saved.dataflow_yaml(definition),
    }


def _asset_id(identity: Identity, name: str, version: str) -> str:
    return (
        f"azureml://locations/{identity.location}/workspaces/{identity.workspace_id}"
        f"/data/{name}/versions/{version}"
    )


def _key(name: str, version: str) -> str:
    return f"{name}:{version}"


def _type(version: Mapping[str, Any]) -> str:
    sent = str(version.get("dataType") or "")
    known = _TYPES.get(sent.lower().replace("_", ""))
    if known is None:
        raise BadRequest(f"dataType: found '{sent}', allowed: {', '.join(_TYPES.values())}")
    return known


def _uri(version: Mapping[str, Any]) -> str:
    uri = version.get("dataUri")
    if not uri:
        raise BadRequest("A data version needs dataUri")
    return str(uri)
