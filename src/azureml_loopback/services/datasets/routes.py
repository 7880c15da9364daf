"""Datasets of SDK v1: saved definitions, and names registered for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import NotImplementedHere
from azureml_loopback.paging import page, page_size
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.datasets import saved, state, version_routes

routes = Routes("/dataset/v1.0/{scope}")
services = [routes, version_routes.routes]


@routes.post(
    "datasets",
    query=("ifExistsOk", "registerAsPending", "updateDefinitionIfExists", "withDataHash"),
)
def register(call: Call) -> dict[str, Any]:
    """Register a dataset, or a new version of it."""
    _refuse_if_set(call, "registerAsPending", "withDataHash")
    sent = wire.check("restclient.DatasetDto", call.object())
    registered = state.register(
        call.loopback.store,
        sent,
        exists_ok=_flag(call, "ifExistsOk"),
        new_version=_flag(call, "updateDefinitionIfExists"),
    )
    return _shown(registered)


@routes.get(
    "datasets",
    query=(
        "continuationToken",
        "datasetNames",
        "includeInvisible",
        "includeLatestDefinition",
        "pageSize",
        "searchText",
    ),
)
def list_datasets(call: Call) -> dict[str, Any]:
    """List datasets in their latest versions."""
    found = state.datasets(call.loopback.store)
    if not _flag(call, "includeInvisible"):
        found = [dataset for dataset in found if dataset["isVisible"]]
    if "datasetNames" in call.query:
        names = call.query["datasetNames"].split(",")
        found = [dataset for dataset in found if dataset["name"] in names]
    text = call.query.get("searchText", "").lower()
    found = [dataset for dataset in found if text in dataset["name"].lower()]
    if call.query.get("includeLatestDefinition", "true").lower() == "false":
        found = [_without_dataflow(dataset) for dataset in found]
    return _page(call, found)


@routes.get("datasets/query/name={name}", query=("versionId", "includeLatestDefinition"))
def dataset_by_name(call: Call) -> dict[str, Any]:
    """Return a version of a dataset, by default the latest."""
    version = call.query.get("versionId")
    found = state.dataset_named(call.loopback.store, call.parts["name"], version)
    return _shown(found)


@routes.get("datasets/query/savedDatasetId={saved_id}", query=("pageSize", "continuationToken"))
def datasets_by_saved_id(call: Call) -> dict[str, Any]:
    """Return what is registered of a saved dataset."""
    return _page(call, state.with_saved_id(call.loopback.store, call.parts["saved_id"]))


@routes.get("datasets/{dataset_id}", query=("includeLatestDefinition",))
def dataset_by_id(call: Call) -> dict[str, Any]:
    """Return a dataset in its latest version."""
    return _shown(state.dataset_by_id(call.loopback.store, call.parts["dataset_id"]))


@routes.put("datasets/{dataset_id}", query=("forceUpdate",))
def update(call: Call) -> dict[str, Any]:
    """Change description and tags."""
    _refuse_if_set(call, "forceUpdate")
    sent = wire.check("restclient.DatasetDto", call.object())
    return _shown(state.update(call.loopback.store, call.parts["dataset_id"], sent))


@routes.delete("datasets/{name}")
def unregister(call: Call) -> Answer:
    """Forget a dataset with all its versions; data stay."""
    state.unregister(call.loopback.store, call.parts["name"])
    return Answer(status=200)


@routes.get("datasets/{dataset_id}/definitions", query=("pageSize", "continuationToken"))
def definitions(call: Call) -> dict[str, Any]:
    """List the versions of a dataset."""
    found = state.versions(call.loopback.store, call.parts["dataset_id"])
    part = page(found, page_size(call.query, "pageSize"), call.query.get("continuationToken"))
    return {
        "value": wire.answers("restclient.DatasetDefinitionDto", list(part.values)),
        "continuationToken": part.token,
    }


@routes.get("datasets/{dataset_id}/definitions/{version}")
def definition(call: Call) -> dict[str, Any]:
    """Return one version of a dataset."""
    found = state.dataset_by_id(
        call.loopback.store, call.parts["dataset_id"], call.parts["version"]
    )
    shown: dict[str, Any] = wire.answer("restclient.DatasetDefinitionDto", found["latest"])
    return shown


@routes.post("saveddatasets", query=("withDataHash",))
def ensure_saved(call: Call) -> dict[str, Any]:
    """Save a definition, unless an equal one is saved."""
    _refuse_if_set(call, "withDataHash")
    sent = wire.check("restclient.SavedDatasetDto", call.object())
    return _shown_saved(saved.ensure_saved(call.loopback.store, sent))


@routes.get("saveddatasets/{saved_id}", query=("checkDataHash", "resolveLegacyId"))
def saved_dataset(call: Call) -> dict[str, Any]:
    """Return a saved definition. There are no ids of older services to resolve."""
    _refuse_if_set(call, "checkDataHash")
    return _shown_saved(saved.saved_dataset(call.loopback.store, call.parts["saved_id"]))


def _flag(call: Call, name: str) -> bool:
    return call.query.get(name, "").lower() == "true"


def _refuse_if_set(call: Call, *names: str) -> None:
    for name in names:
        if _flag(call, name):
            raise NotImplementedHere(f"{name}=true is not implemented by the loopback service")


def _shown(dataset: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("restclient.DatasetDto", dataset)
    return shown


def _shown_saved(document: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("restclient.SavedDatasetDto", document)
    return shown


def _page(call: Call, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    part = page(found, page_size(call.query, "pageSize"), call.query.get("continuationToken"))
    return {"value": [_shown(dataset) for dataset in part.values], "continuationToken": part.token}


def _without_dataflow(dataset: dict[str, Any]) -> dict[str, Any]:
    latest = {key: value for key, value in dataset["latest"].items() if key != "dataflow"}
    return {**dataset, "latest": latest}
