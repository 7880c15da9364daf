"""Assets: which artifacts belong together, in the wire's shape (``Asset``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.services.models.patches import patched
from azureml_loopback.services.models.queries import has_all, ordered
from azureml_loopback.store import Document, Store

_KIND = "asset"
_CHANGEABLE = ("kvTags", "description", "properties")


def create(store: Store, asset: Mapping[str, Any]) -> Document:
    """Add an asset.

    Args:
        store: The documents.
        asset: ``name`` and ``artifacts``, each with ``id`` or ``prefix``; perhaps ``runid``.

    Raises:
        BadRequest: It has no name or no artifacts.
    """
    if not asset.get("name") or not asset.get("artifacts"):
        raise BadRequest("An asset needs a name and artifacts")
    document = {
        **asset,
        "id": store.new_id().replace("-", ""),
        "kvTags": asset.get("kvTags") or {},
        "properties": asset.get("properties") or {},
        "createdTime": store.clock.text(),
    }
    return store.insert(
        _KIND, document["id"], document, parent=asset.get("runid") or "", name=asset["name"]
    )


def get(store: Store, asset_id: str) -> Document:
    """Return an asset.

    Raises:
        NotFound: There is none.
    """
    found = store.find(_KIND, asset_id)
    if found is None:
        raise NotFound(f"There is no asset '{asset_id}'", code="AssetNotFound")
    return found


def listed(store: Store, query: Mapping[str, str]) -> list[Document]:
    """Return the assets that a query asks for, by default the newest first.

    Args:
        store: The documents.
        query: ``runId``, ``name``, ``type``; ``tag``, ``tags`` and ``properties`` (see `has_all`);
            ``orderby``.

    Raises:
        BadRequest: The order is none.
    """
    found = [
        asset
        for asset in store.list(_KIND, parent=query.get("runId"), name=query.get("name"))
        if query.get("type") in {None, asset.get("type")}
        and has_all(asset["kvTags"], query.get("tags"))
        and has_all(asset["kvTags"], query.get("tag"))
        and has_all(asset["properties"], query.get("properties"))
    ]
    return ordered(found, query.get("orderby"))


def patch(store: Store, asset_id: str, operations: Sequence[Mapping[str, Any]]) -> Document:
    """Change tags, description or properties.

    Raises:
        NotFound: There is no such asset.
        NotImplementedHere: Another change.
        BadRequest: See `patched`.
    """
    get(store, asset_id)
    return store.update(_KIND, asset_id, lambda asset: patched(asset, operations, _CHANGEABLE))


def delete(store: Store, asset_id: str) -> None:
    """Forget an asset; its artifacts stay.

    Raises:
        NotFound: There is no such asset.
    """
    get(store, asset_id)
    store.delete(_KIND, asset_id)
