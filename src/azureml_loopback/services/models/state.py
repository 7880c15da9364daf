"""Registered models in the wire's shape (``Model``); the files are an asset's artifacts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.identity import Identity
from azureml_loopback.services.models import assets
from azureml_loopback.services.models.patches import patched
from azureml_loopback.services.models.queries import has_all, ordered
from azureml_loopback.store import Document, Store

ASSET_URL = "aml://asset/"
"""Before an asset's id, where a model says where its files are."""

_KIND = "model"
_COUNTER = "model versions"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,254}", re.ASCII)
_CHANGEABLE = (
    "kvTags",
    "description",
    "properties",
    "datasets",
    "sampleInputData",
    "sampleOutputData",
    "resourceRequirements",
)


def register(store: Store, identity: Identity, model: Mapping[str, Any]) -> Document:
    """Add a model, or the next version of one.

    Versions of a name only ever count up: a deleted one is not given out again.

    Args:
        store: The documents.
        identity: Who registers.
        model: ``name`` and ``url`` (see `ASSET_URL`); ``kvTags``, ``properties``, ``framework``,
            ``runId``, … as they are known.

    Raises:
        BadRequest: The name is none, or the asset is not there.
    """
    name = str(model.get("name") or "")
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"'{name}' is no model name: use letters, digits, '-', '.' and '_', at most 255, "
            "beginning with a letter or digit"
        )
    with store.transaction():
        _check_asset(store, str(model.get("url") or ""))
        version = _next_version(store, name)
        now = store.clock.text()
        document = {
            **model,
            "id": f"{name}:{version}",
            "version": version,
            "kvTags": model.get("kvTags") or {},
            "properties": model.get("properties") or {},
            "datasets": model.get("datasets") or [],
            "unpack": bool(model.get("unpack")),
            "createdTime": now,
            "modifiedTime": now,
            "createdBy": {
                "userObjectId": identity.user_id,
                "userTenantId": identity.tenant_id,
                "userName": identity.user_name,
            },
        }
        return store.insert(_KIND, document["id"], document, name=name)


def get(store: Store, model_id: str) -> Document:
    """Return a model by ``NAME:VERSION``, or the latest by ``NAME``.

    Raises:
        NotFound: There is none.
    """
    found = store.find(_KIND, model_id)
    if found is None and ":" not in model_id:
        found = next(iter(store.list(_KIND, name=model_id, newest_first=True, limit=1)), None)
    if found is None:
        raise NotFound(f"There is no model '{model_id}'", code="ModelNotFound")
    return found


def listed(store: Store, query: Mapping[str, str]) -> list[Document]:
    """Return the models that a query asks for, by default the newest first.

    Args:
        store: The documents.
        query: ``name``, ``framework``, ``description``, ``runId``, ``datasetId``; ``tag``, ``tags``
            and ``properties`` (see `has_all`); ``latestVersionOnly``; ``orderBy``.

    Raises:
        BadRequest: The order is none.
    """
    found = store.list(_KIND, name=query.get("name"))
    if query.get("latestVersionOnly", "").lower() == "true":
        found = list({model["name"]: model for model in found}.values())
    return ordered([model for model in found if _is_asked(model, query)], query.get("orderBy"))


def patch(store: Store, model_id: str, operations: Sequence[Mapping[str, Any]]) -> Document:
    """Change tags, description, properties, datasets, samples or resource requirements.

    Raises:
        NotFound: There is no such model.
        NotImplementedHere: Another change.
        BadRequest: See `patched`.
    """
    now = store.clock.text()

    def changed(model: Document) -> Document:
        return {**patched(model, operations, _CHANGEABLE), "modifiedTime": now}

    with store.transaction():
        return store.update(_KIND, get(store, model_id)["id"], changed)


def delete(store: Store, model_id: str) -> None:
    """Forget a model; its files stay.

    Raises:
        NotFound: There is no such model.
    """
    get(store, model_id)
    store.delete(_KIND, model_id)


def _next_version(store: Store, name: str) -> int:
    counter = store.find(_COUNTER, name) or {"last": 0}
    version = int(counter["last"]) + 1
    store.put(_COUNTER, name, {"last": version})
    return version


def _check_asset(store: Store, url: str) -> None:
    if not url.startswith(ASSET_URL):
        raise BadRequest(f"A model's url is {ASSET_URL}ID, and not '{url}'")
    try:
        assets.get(store, url.removeprefix(ASSET_URL))
    except NotFound as error:
        raise BadRequest(f"The model's files are missing: {error}") from None


def _is_asked(model: Document, query: Mapping[str, str]) -> bool:
    plain = ("framework", "description", "runId")
    return (
        all(query.get(name) in {None, model.get(name)} for name in plain)
        and query.get("datasetId") in {None, *(data["id"] for data in model["datasets"])}
        and has_all(model["kvTags"], query.get("tag"))
        and has_all(model["kvTags"], query.get("tags"))
        and has_all(model["properties"], query.get("properties"))
    )
