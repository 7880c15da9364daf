"""Models and assets (``/modelmanagement/v1.0``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from azureml_loopback import wire
from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.paging import page, page_size
from azureml_loopback.routing import Call, Routes
from azureml_loopback.services.models import assets, state

routes = Routes("/modelmanagement/v1.0/{scope}")

_PAGES = ("count", "$skipToken")


@routes.post("models")
def register_model(call: Call) -> dict[str, Any]:
    """Register a model, or the next version of one."""
    sent = wire.check("restclient.Model", call.object())
    return _model(state.register(call.loopback.store, call.loopback.identity, sent))


@routes.get(
    "models",
    query=(
        *_PAGES,
        "datasetId",
        "description",
        "framework",
        "latestVersionOnly",
        "name",
        "orderBy",
        "properties",
        "runId",
        "tag",
        "tags",
    ),
)
def list_models(call: Call) -> dict[str, Any]:
    """List models, the newest first."""
    return _page(call, [_model(found) for found in state.listed(call.loopback.store, call.query)])


@routes.get("models/{model_id}")
def get_model(call: Call) -> dict[str, Any]:
    """Return a model by name and version."""
    return _model(state.get(call.loopback.store, call.parts["model_id"]))


@routes.patch("models/{model_id}")
def patch_model(call: Call) -> dict[str, Any]:
    """Change a model's tags, description, properties, …."""
    operations = _operations(call, "Model")
    return _model(state.patch(call.loopback.store, call.parts["model_id"], operations))


@routes.delete("models/{model_id}")
def delete_model(call: Call) -> None:
    """Forget a model."""
    state.delete(call.loopback.store, call.parts["model_id"])


@routes.post("assets")
def create_asset(call: Call) -> dict[str, Any]:
    """Note which artifacts belong together."""
    return _asset(assets.create(call.loopback.store, wire.check("restclient.Asset", call.object())))


@routes.get(
    "assets",
    query=(*_PAGES, "name", "orderby", "properties", "runId", "tag", "tags", "type"),
)
def list_assets(call: Call) -> dict[str, Any]:
    """List assets, the newest first."""
    return _page(call, [_asset(found) for found in assets.listed(call.loopback.store, call.query)])


@routes.get("assets/{asset_id}")
def get_asset(call: Call) -> dict[str, Any]:
    """Return an asset."""
    return _asset(assets.get(call.loopback.store, call.parts["asset_id"]))


@routes.patch("assets/{asset_id}")
def patch_asset(call: Call) -> dict[str, Any]:
    """Change an asset's tags, description or properties."""
    operations = _operations(call, "Asset")
    return _asset(assets.patch(call.loopback.store, call.parts["asset_id"], operations))


@routes.delete("assets/{asset_id}")
def delete_asset(call: Call) -> None:
    """Forget an asset."""
    assets.delete(call.loopback.store, call.parts["asset_id"])


_ANY_FILTER = (
    *_PAGES,
    "computeType",
    "expand",
    "id",
    "imageDigest",
    "imageId",
    "imageName",
    "modelId",
    "modelName",
    "name",
    "orderBy",
    "properties",
    "runId",
    "tags",
    "version",
)


@routes.get("services", "images", query=_ANY_FILTER)
def deployed(call: Call) -> dict[str, Any]:
    """List web services or images: there are none, whatever the filter, since none can be made."""
    return {"value": []}


@routes.get("services/{name}", query=("expand",))
def get_web_service(call: Call) -> None:
    """Say that there is no such web service."""
    raise NotFound(f"There is no web service '{call.parts['name']}': nothing is deployed here")


def _model(document: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("restclient.Model", document)
    return shown


def _asset(document: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("restclient.Asset", document)
    return shown


def _operations(call: Call, model: str) -> list[dict[str, Any]]:
    """Return the changes that a body asks for, each with a value of its field's type."""
    if not isinstance(call.json, list):
        raise BadRequest("A change is a list of JSON Patch operations")
    sent: list[dict[str, Any]] = wire.check("restclient.[JsonPatchOperation]", call.json)
    for operation in sent:
        field = str(operation.get("path")).removeprefix("/")
        wire.check(f"restclient.{model}", {field: operation.get("value")})
    return sent


def _page(call: Call, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a page; the client reads the next one's token out of a link."""
    part = page(found, page_size(call.query, "count"), call.query.get("$skipToken"))
    link = f"https://{call.host}{call.path}?{urlencode({'$skipToken': part.token})}"
    return {"value": list(part.values), "nextLink": link if part.token else None}
