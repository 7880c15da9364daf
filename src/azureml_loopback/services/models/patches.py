"""Changes to models and assets, sent as JSON Patch: the operations that the SDK uses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from azureml_loopback.errors import BadRequest, NotImplementedHere
from azureml_loopback.store import Document

_EXTENDED = "datasets"
"""A list: adding to it means more items, and not another list."""
_ONLY_EXTENDED = "properties"
"""A dictionary whose values stay as they are."""


def patched(
    document: Document, operations: Sequence[Mapping[str, Any]], fields: Collection[str]
) -> Document:
    """Return a document after changes.

    Args:
        document: As it was.
        operations: What is to be added or replaced, each with ``op``, ``path`` and ``value``.
        fields: Those that may change.

    Raises:
        NotImplementedHere: Another operation, or another field.
        BadRequest: A property that exists would get another value.
    """
    for operation in operations:
        verb, path = operation.get("op"), str(operation.get("path", ""))
        field = path.removeprefix("/")
        if verb not in {"add", "replace"} or field not in fields:
            raise NotImplementedHere(f"The change '{verb}' of '{path}' is not implemented")
        document = {**document, field: _changed(document, field, operation.get("value"))}
    return document


def _changed(document: Document, field: str, value: Any) -> Any:
    if field == _EXTENDED:
        return [*document[field], *value]
    if field == _ONLY_EXTENDED:
        _refuse_changed_values(document[field], value)
        return {**document[field], **value}
    return value


def _refuse_changed_values(properties: Mapping[str, Any], value: Mapping[str, Any]) -> None:
    changed = sorted(
        key for key in properties if value.get(key, properties[key]) != properties[key]
    )
    if changed:
        raise BadRequest(f"Properties cannot be changed, only added: {', '.join(changed)}")
