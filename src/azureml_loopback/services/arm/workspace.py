"""What of the workspace its owner may set: tags, and words about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureml_loopback.errors import NotImplementedHere
from azureml_loopback.store import Document, Store

_KIND, _KEY = "workspace", "settings"
_PROPERTIES = frozenset({"friendlyName", "description"})


def settings(store: Store) -> Document:
    """Return ``tags`` and ``properties`` as they were set; empty at first."""
    return store.find(_KIND, _KEY) or {"tags": {}, "properties": {}}


def update(store: Store, sent: Mapping[str, Any]) -> None:
    """Set tags, all of them, and the properties that are given.

    Args:
        store: The documents.
        sent: ``tags`` and ``properties`` with friendlyName and description.

    Raises:
        NotImplementedHere: Something else is to change; names it.
    """
    given = {name: value for name, value in sent.items() if value is not None}
    properties = {
        name: value for name, value in given.get("properties", {}).items() if value is not None
    }
    refused = sorted((given.keys() - {"tags", "properties"}) | (properties.keys() - _PROPERTIES))
    if refused:
        raise NotImplementedHere(
            f"Of a workspace only tags, friendlyName and description can change, not "
            f"{', '.join(refused)}"
        )
    with store.transaction():
        known = settings(store)
        changed = {
            "tags": given.get("tags", known["tags"]),
            "properties": {**known["properties"], **properties},
        }
        store.put(_KIND, _KEY, changed)
