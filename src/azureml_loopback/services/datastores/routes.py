"""Datastores: get, list, register, change, forget, and which is the default."""

from __future__ import annotations

from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import BadRequest, NotImplementedHere
from azureml_loopback.paging import page, page_size
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.datastores import state
from azureml_loopback.services.datastores.validation import check_storage

routes = Routes("/datastore/v1.0/{scope}")

_CREDENTIALS = ("AccountKey", "Sas")


@routes.get("datastores", query=("count", "continuationToken", "includeSecret", "dataStoreNames"))
def list_datastores(call: Call) -> dict[str, Any]:
    """List datastores, without credentials unless asked for."""
    found = state.all_datastores(call.loopback)
    if "dataStoreNames" in call.query:
        wanted = call.query["dataStoreNames"].lower().split(",")
        found = [datastore for datastore in found if datastore["name"] in wanted]
    if call.query.get("includeSecret", "").lower() != "true":
        found = [state.without_secrets(datastore) for datastore in found]
    part = page(found, page_size(call.query, "count"), call.query.get("continuationToken"))
    return {
        "value": wire.answers("restclient.DataStore", list(part.values)),
        "continuationToken": part.token,
    }


@routes.get("datastores/{name}")
def get_datastore(call: Call) -> dict[str, Any]:
    """Return a datastore with its credential, which its readers need."""
    return _shown(state.get(call.loopback, call.parts["name"]))


@routes.post("datastores", query=("createIfNotExists", "skipValidation"))
def create_datastore(call: Call) -> Answer:
    """Register a datastore."""
    state.create(call.loopback, _sent(call))
    return Answer(status=200)


@routes.put("datastores/{name}", query=("createIfNotExists", "skipValidation"))
def update_datastore(call: Call) -> Answer:
    """Change what a datastore refers to, as registering with ``overwrite=True`` does."""
    state.update(call.loopback, call.parts["name"], _sent(call))
    return Answer(status=200)


@routes.delete("datastores/{name}")
def delete_datastore(call: Call) -> None:
    """Forget a datastore; its data stay."""
    state.delete(call.loopback, call.parts["name"])


@routes.get("default")
def get_default(call: Call) -> dict[str, Any]:
    """Return the default datastore."""
    return _shown(state.default(call.loopback))


@routes.put("default/{name}")
def set_default(call: Call) -> Answer:
    """Make a datastore the default one."""
    state.set_default(call.loopback, call.parts["name"])
    return Answer(status=200)


def _shown(datastore: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("restclient.DataStore", datastore)
    return shown


def _sent(call: Call) -> dict[str, Any]:
    """Return the datastore of a request, once its container has been looked for.

    Raises:
        NotImplementedHere: It is no blob container, or its credential is of another kind.
        BadRequest: It cannot be used.
    """
    sent: dict[str, Any] = wire.check("restclient.DataStore", call.object())
    kind = sent.get("dataStoreType")
    if kind != "AzureBlob":
        raise NotImplementedHere(f"Datastores of type {kind} are not implemented; AzureBlob is")
    section = sent.get("azureStorageSection")
    if not isinstance(section, dict):
        raise BadRequest("A blob datastore needs azureStorageSection")
    if section.get("credentialType") not in _CREDENTIALS:
        raise NotImplementedHere(
            f"The credential type {section.get('credentialType')} is not implemented; "
            f"{' and '.join(_CREDENTIALS)} are"
        )
    if call.query.get("skipValidation", "").lower() != "true":
        create = call.query.get("createIfNotExists", "").lower() == "true"
        check_storage(call.loopback.blobs, section, create=create)
    return sent
