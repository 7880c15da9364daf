"""Environment definitions by name and version, as JSON in the SDK's own shape."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from azureml_loopback.errors import BadRequest, Conflict, NotFound
from azureml_loopback.services.environments import curated
from azureml_loopback.store import Document, Store

_KIND = "environment"
_AUTOSAVED = "autosaved environment"
_LABEL = "environment label"
_NAME = re.compile(r"[A-Za-z0-9][\w .-]{0,254}")


def register(
    store: Store, name: str, definition: Mapping[str, Any], version: str | None = None
) -> Document:
    """Add an environment, or a version of one.

    The same definition again is no new version.

    Args:
        store: The documents.
        name: Of the environment.
        definition: ``python``, ``docker``, ``environmentVariables``, ….
        version: Nothing for the next number.

    Raises:
        BadRequest: No environment of a user can have that name.
        Conflict: There is that version already, with another definition.
    """
    _check_name(name)
    with store.transaction():
        known = store.list(_KIND, name=name)
        if version is None:
            if known and _content(known[-1]) == _content(definition):
                return known[-1]
            version = str(len(known) + 1)
        existing = store.find(_KIND, _key(name, version))
        if existing is None:
            document = {**definition, "name": name, "version": version}
            return store.insert(_KIND, _key(name, version), document, name=name)
        if _content(existing) != _content(definition):
            raise Conflict(
                f"Environment '{name}' has a version {version} with another definition; "
                "leave the version out to get a new one"
            )
        return existing


def autosave(store: Store, config: Mapping[str, Any]) -> Document:
    """Return a run configuration whose environment can be asked for, as `Run.get_environment` does.

    One that nobody registered is kept under a version of its own, as Azure does. It is found by
    that version only, so that numbers, latest versions and lists stay those of what is registered.

    Args:
        store: The documents.
        config: A run configuration; as it is if its environment has no name.
    """
    environment = config.get("environment") or {}
    name, version = environment.get("name"), environment.get("version")
    if not name or (version and _find(store, name, version)):
        return dict(config)
    saved = {**environment, "version": f"Autosave_{fingerprint(environment)[:8]}"}
    store.put(_AUTOSAVED, _key(name, saved["version"]), saved)
    return {**config, "environment": saved}


def get(store: Store, name: str, version: str | None = None) -> Document:
    """Return an environment's version, the latest if none is given.

    Raises:
        NotFound: There is no such environment or version.
    """
    found = _find(store, name, version)
    if found is None:
        wanted = f"'{name}'" if version is None else f"'{name}' in version {version}"
        raise NotFound(f"There is no environment {wanted}")
    return found


def labelled(store: Store, name: str, label: str) -> Document:
    """Return the version of an environment that a label is on.

    Raises:
        NotFound: There is no such environment, or no such label on it.
    """
    if label == "latest" or (name in curated.ENVIRONMENTS and label in curated.LABELS):
        return get(store, name)
    found = store.find(_LABEL, _key(name, label))
    if found is None:
        raise NotFound(f"There is no environment '{name}' with the label '{label}'")
    return get(store, name, found["version"])


def set_labels(store: Store, name: str, version: str, labels: Sequence[str]) -> None:
    """Put labels on a version; a label that is on another one moves.

    Raises:
        NotFound: There is no such version.
        BadRequest: It is a curated one.
    """
    _check_name(name)
    get(store, name, version)
    with store.transaction():
        for label in labels:
            store.put(_LABEL, _key(name, label), {"version": version})


def environments(store: Store) -> list[Document]:
    """Return every environment in its latest version, the curated ones first."""
    own = {document["name"]: document for document in store.list(_KIND)}
    return [*curated.ENVIRONMENTS.values(), *own.values()]


def fingerprint(definition: Mapping[str, Any]) -> str:
    """Return what environments have in common that need the same image."""
    return hashlib.sha256(_content(definition).encode()).hexdigest()[:32]


def _find(store: Store, name: str, version: str | None) -> Document | None:
    known = curated.ENVIRONMENTS.get(name)
    if known is not None and version in {None, curated.VERSION}:
        return known
    if version is None:
        return next(iter(store.list(_KIND, name=name, newest_first=True, limit=1)), None)
    key = _key(name, version)
    return store.find(_KIND, key) or store.find(_AUTOSAVED, key)


def _content(definition: Mapping[str, Any]) -> str:
    """Return a definition without name and version, comparable."""
    parts = {key: value for key, value in definition.items() if key not in {"name", "version"}}
    return json.dumps(parts, sort_keys=True)


def _check_name(name: str) -> None:
    if name.lower().startswith(curated.RESERVED):
        raise BadRequest(
            f"Environment name '{name}' is reserved for curated environments; clone() takes another"
        )
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"'{name}' is no environment name: use letters, digits, '_', '-', '.' and spaces"
        )


def _key(name: str, version: str) -> str:
    return f"{name}:{version}"
