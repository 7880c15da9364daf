"""Secrets by name, each a CredentialDto."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import BadRequest

if TYPE_CHECKING:
    from azureml_loopback.store import Document, Store

_KIND = "secret"
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")


def put(store: Store, credential: Mapping[str, Any]) -> Document:
    """Keep a secret, or give it another value.

    Raises:
        BadRequest: The name is none that a key vault takes.
    """
    name, now = credential.get("name") or "", store.clock.text()
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"Secret name: found '{name}', 1 to 127 letters, digits and hyphens are allowed"
        )
    with store.transaction():
        before = store.find(_KIND, name.lower()) or {"createdTime": now}
        changed = {**before, **credential, "modifiedTime": now}
        return store.put(_KIND, name.lower(), changed)


def get(store: Store, name: str) -> Document:
    """Return a secret; letter case does not matter, as in a key vault.

    Raises:
        NotFound: There is none.
    """
    return store.get(_KIND, name.lower())


def find(store: Store, name: str) -> Document | None:
    """Return a secret, or nothing."""
    return store.find(_KIND, name.lower())


def names(store: Store) -> list[str]:
    """Return the secrets' names, and not their values."""
    return sorted(secret["name"] for secret in store.list(_KIND))


def delete(store: Store, name: str) -> None:
    """Forget a secret.

    Raises:
        NotFound: There is none.
    """
    get(store, name)
    store.delete(_KIND, name.lower())
