"""What a list of models or assets is narrowed by, in the SDK's own notation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from azureml_loopback.errors import BadRequest
from azureml_loopback.store import Document

_ORDERS = {
    "CreatedAtDesc": ("createdTime", True),
    "CreatedAtAsc": ("createdTime", False),
    "UpdatedAtDesc": ("modifiedTime", True),
    "UpdatedAtAsc": ("modifiedTime", False),
}


def has_all(values: Mapping[str, Any] | None, wanted: str | None) -> bool:
    """Say whether tags or properties have all that is asked for.

    Args:
        values: Of a document.
        wanted: ``key`` or ``key=value``, several with commas between.
    """
    present = values or {}
    for part in (wanted or "").split(","):
        key, given, value = part.strip().partition("=")
        if key and (key not in present or (given and str(present[key]) != value)):
            return False
    return True


def ordered(documents: Iterable[Document], order: str | None) -> list[Document]:
    """Return documents, given oldest first, in an order, by default the newest first.

    Raises:
        BadRequest: It is none of Azure's orders.
    """
    try:
        field, descending = _ORDERS[order or "CreatedAtDesc"]
    except KeyError:
        raise BadRequest(f"orderBy: found '{order}', allowed: {', '.join(_ORDERS)}") from None
    in_time = sorted(documents, key=lambda each: str(each.get(field) or each["createdTime"]))
    return in_time[::-1] if descending else in_time
