"""Data versions (``/data/v1.0``): v2 assets, and the definitions of v1 datasets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from azureml_loopback import wire
from azureml_loopback.errors import ServiceError
from azureml_loopback.paging import page, page_size
from azureml_loopback.routing import Call, Routes
from azureml_loopback.services.datasets import versions

routes = Routes("/data/v1.0/{scope}/dataversion")

_VERSION = "{name}/versions/{version}"


@routes.get(_VERSION, query=("includeSavedDatasets",))
def get_version(call: Call) -> dict[str, Any]:
    """Return a data version; the SDK asks for saved datasets as ``unregistered-ID``."""
    loopback, parts = call.loopback, call.parts
    return _shown(versions.get(loopback.store, loopback.identity, parts["name"], parts["version"]))


@routes.get(f"{_VERSION}/exists")
def version_exists(call: Call) -> bool:
    """Say whether there is a data version."""
    return versions.exists(call.loopback.store, call.parts["name"], call.parts["version"])


@routes.get("{name}/versions", query=("top", "continuationToken"))
def list_versions(call: Call) -> dict[str, Any]:
    """List an asset's versions, the newest first."""
    found = versions.versions(call.loopback.store, call.parts["name"])
    part = page(found, page_size(call.query, "top"), call.query.get("continuationToken"))
    query = {**call.query, "continuationToken": part.token}
    link = f"https://{call.host}{call.path}?{urlencode(query)}" if part.token else None
    return {
        "value": [_shown(entity) for entity in part.values],
        "continuationToken": part.token,
        "nextLink": link,
    }


@routes.post("{name}/versions")
def create_version(call: Call) -> dict[str, Any]:
    """Register a data version."""
    sent = wire.check("dataversion.DataVersion", call.object())
    store, identity = call.loopback.store, call.loopback.identity
    return _shown(versions.create(store, identity, call.parts["name"], sent, registered=True))


@routes.patch(_VERSION)
def modify_version(call: Call) -> dict[str, Any]:
    """Change description, tags, expiry or archived state."""
    sent = wire.check("dataversion.DataVersionMutable", call.object())
    name, version = call.parts["name"], call.parts["version"]
    return _shown(versions.modify(call.loopback.store, name, version, sent))


@routes.delete(_VERSION)
def delete_version(call: Call) -> dict[str, Any]:
    """Forget a data version; its data stay. The client wants to read that it went well."""
    versions.delete(call.loopback.store, call.parts["name"], call.parts["version"])
    return {"statusCode": "OK", "isSuccessStatusCode": True}


@routes.post("getByAssetId")
def get_by_asset_id(call: Call) -> dict[str, Any]:
    """Return the data version of an asset id."""
    sent = wire.check("dataversion.AssetId", call.object())
    loopback = call.loopback
    return _shown(versions.by_reference(loopback.store, loopback.identity, sent["value"]))


@routes.post("batchGetByAssetId")
def batch_get_by_asset_id(call: Call) -> dict[str, Any]:
    """Return the data versions of asset ids, by asset id."""
    sent = wire.check("dataversion.BatchGetByAssetId", call.object())
    store, identity = call.loopback.store, call.loopback.identity
    found = {
        asset_id: _shown(versions.by_reference(store, identity, asset_id))
        for asset_id in sent["assetIds"]
    }
    return {"dataVersions": found}


@routes.post("batchGetResolvedUris")
def batch_get_resolved_uris(call: Call) -> dict[str, Any]:
    """Return address and type of references, by reference."""
    sent = wire.check("dataversion.BatchGetResolvedURIs", call.object())
    store, identity = call.loopback.store, call.loopback.identity
    return {"values": {uri: versions.resolved_uri(store, identity, uri) for uri in sent["values"]}}


@routes.post("registerExisting")
def register_existing(call: Call) -> dict[str, Any]:
    """Give an unregistered asset a name."""
    sent = wire.check("dataversion.RegisterExistingData", call.object())
    made = versions.register_existing(call.loopback.store, call.loopback.identity, sent)
    return _container(call, made)


@routes.post("createUnregisteredInput")
def create_unregistered_input(call: Call) -> dict[str, Any]:
    """Note what a run reads."""
    sent = wire.check("dataversion.CreateUnregisteredInputData", call.object())
    return _container(call, _unregistered(call, "input", sent))


@routes.post("createUnregisteredOutput")
def create_unregistered_output(call: Call) -> dict[str, Any]:
    """Note what a run writes."""
    sent = wire.check("dataversion.CreateUnregisteredOutputData", call.object())
    return _container(call, _unregistered(call, "output", sent))


@routes.post("batchGetOrCreateUnregisteredInput")
def batch_unregistered_inputs(call: Call) -> dict[str, Any]:
    """Note what a run reads, by input name."""
    sent = wire.check("dataversion.BatchCreateUnregisteredInputData", call.object())
    return _batch(call, "input", sent.get("values") or ())


@routes.post("batchGetOrCreateUnregisteredOutput")
def batch_unregistered_outputs(call: Call) -> dict[str, Any]:
    """Note what a run writes, by output name; the SDK's context managers ask this in a step."""
    sent = wire.check("dataversion.BatchCreateUnregisteredOutputData", call.object())
    return _batch(call, "output", sent.get("values") or ())


def _batch(call: Call, side: str, values: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Answer each by itself: one that cannot be made is an error beside the others."""
    made: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for value in values:
        name = value[f"{side}Name"]
        try:
            made[name] = _shown(_unregistered(call, side, value))
        except ServiceError as error:
            request = f"createUnregistered{side.capitalize()}Data"
            errors[name] = {request: value, "application/json": {"error": error.body()["error"]}}
    return {"dataVersions": made, "errors": errors}


def _unregistered(call: Call, side: str, sent: dict[str, Any]) -> dict[str, Any]:
    name = f"azureml_{sent['runId']}_{side}_data_{sent[f'{side}Name']}"
    version = {"dataType": sent["type"], "dataUri": sent["uri"]}
    loopback = call.loopback
    return versions.get_or_create(loopback.store, loopback.identity, name, version)


def _container(call: Call, entity: dict[str, Any]) -> dict[str, Any]:
    """Return the asset that a version is of."""
    name = entity["dataVersion"]["dataContainerName"]
    found = versions.container(call.loopback.store, call.loopback.identity, name)
    shown: dict[str, Any] = wire.answer("dataversion.DataContainerEntity", found)
    return shown


def _shown(entity: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("dataversion.DataVersionEntity", entity)
    return shown
