"""Registered datasets: a name, its versions, and the saved dataset that each version is.

A dataset and its versions are answered together, as the wire has them (``DatasetDto`` with the
asked version as ``latest``). Description and tags are a version's own, and kept as ``_description``
and ``_tags``, because the wire has them at the dataset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from azureml_loopback.errors import BadRequest, Conflict, NotFound
from azureml_loopback.identity import Identity
from azureml_loopback.services.datasets import saved
from azureml_loopback.services.datasets.dataflows import StepOutput, is_tabular, output_dataflow
from azureml_loopback.store import Document, Store
from azureml_loopback.wire import public

_DATASET = "dataset"
_VERSION = "dataset version"
_NAME = re.compile(r"[A-Za-z0-9][\w .-]{0,254}")

saved_dataset = saved.saved_dataset  # beside what else who runs steps needs of datasets


def register(
    store: Store, dataset: Mapping[str, Any], *, exists_ok: bool, new_version: bool
) -> Document:
    """Register a dataset, or a new version of one.

    A new version whose definition equals the latest one's is no new version, as in Azure.

    Args:
        store: The documents.
        dataset: ``DatasetDto`` with the definition in ``latest``: ``dataflow``, or the
            ``savedDatasetId`` of one that was saved.
        exists_ok: A dataset of that name may exist.
        new_version: Give that one a new version; else it is returned as it is.

    Raises:
        BadRequest: The name or the definition is none, or the saved dataset is registered already.
        Conflict: The name is taken.
    """
    name = str(dataset.get("name") or "")
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"'{name}' is no dataset name: use letters, digits, '_', '-', '.' and spaces, "
            "at most 255, beginning with a letter or digit"
        )
    with store.transaction():
        known = _find(store, name)
        if known and not exists_ok:
            raise Conflict(f"There is a dataset '{name}' already")
        if known and not new_version:
            return _shown(known, _latest(store, known))
        if known:
            latest = _latest(store, known)
            if _same_definition(saved_dataset(store, latest["savedDatasetId"]), dataset):
                return _relabelled(store, known, latest, dataset)
        definition = _saved_once(store, dataset)
        found = known or _add_dataset(store, name, dataset)
        return _add_version(store, found, definition, dataset)


def save_output(store: Store, identity: Identity, output: StepOutput) -> Document:
    """Save the definition of what a step wrote, unless an equal one is saved.

    Returns:
        The saved dataset (``SavedDatasetDto``).

    Raises:
        NotImplementedHere: A transformation that cannot be translated.
    """
    definition = {
        "datasetType": "tabular" if is_tabular(output) else "file",
        "dataflowJson": output_dataflow(identity, output),
    }
    return saved.ensure_saved(store, definition)


def register_output(
    store: Store,
    identity: Identity,
    name: str,
    output: StepOutput,
    *,
    create_new_version: bool = True,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Document:
    """Register what a step wrote, as ``PipelineData.as_dataset().register`` asks for.

    Args:
        store: The documents.
        identity: Of the workspace.
        name: Of the dataset.
        output: Where it is, and how it is read.
        create_new_version: As the SDK's argument.
        description: Of the version.
        tags: Of the version.

    Returns:
        The dataset (``DatasetDto``); its id for a run's lineage is ``latest.savedDatasetId``.

    Raises:
        BadRequest: No dataset can have that name.
        Conflict: The name is taken, and no new version was asked for.
        NotImplementedHere: A transformation that cannot be translated.
    """
    dataset = {
        "name": name,
        "datasetType": "tabular" if is_tabular(output) else "file",
        "description": description,
        "tags": tags,
        "latest": {"dataflow": output_dataflow(identity, output)},
    }
    return register(store, dataset, exists_ok=create_new_version, new_version=create_new_version)


def datasets(store: Store) -> list[Document]:
    """Return all registered datasets in their latest versions, oldest name first."""
    with store.transaction():
        return [_shown(found, _latest(store, found)) for found in store.list(_DATASET)]


def dataset_named(store: Store, name: str, version: str | None = None) -> Document:
    """Return a version of a dataset, the latest if none is given.

    Raises:
        NotFound: There is no such dataset or version.
    """
    with store.transaction():
        found = _find(store, name)
        if found is None:
            raise NotFound(f"There is no dataset '{name}'", code="UserError")
        return _shown(found, _version(store, found, version))


def dataset_by_id(store: Store, dataset_id: str, version: str | None = None) -> Document:
    """Return a version of a dataset, the latest if none is given.

    Raises:
        NotFound: There is no such dataset or version.
    """
    with store.transaction():
        found = store.get(_DATASET, dataset_id)
        return _shown(found, _version(store, found, version))


def versions(store: Store, dataset_id: str) -> list[Document]:
    """Return a dataset's definitions, the first one first.

    Raises:
        NotFound: There is no such dataset.
    """
    store.get(_DATASET, dataset_id)
    return store.list(_VERSION, parent=dataset_id)


def with_saved_id(store: Store, saved_id: str) -> list[Document]:
    """Return the dataset versions that are registered of a saved dataset."""
    with store.transaction():
        return [
            _shown(store.get(_DATASET, version["datasetId"]), version)
            for version in store.list(_VERSION, name=saved_id)
        ]


def update(store: Store, dataset_id: str, dataset: Mapping[str, Any]) -> Document:
    """Change description and tags of the version in ``latest``, or of the latest.

    Raises:
        NotFound: There is no such dataset or version.
    """
    with store.transaction():
        found = store.get(_DATASET, dataset_id)
        asked = (dataset.get("latest") or {}).get("versionId")
        return _relabelled(store, found, _version(store, found, asked), dataset)


def unregister(store: Store, name: str) -> None:
    """Forget a name and its versions; saved datasets and data stay.

    Raises:
        NotFound: There is no such dataset.
    """
    with store.transaction():
        dataset_id = dataset_named(store, name)["datasetId"]
        for version in store.list(_VERSION, parent=dataset_id):
            store.delete(_VERSION, _version_key(dataset_id, version["versionId"]))
        store.delete(_DATASET, dataset_id)


def _find(store: Store, name: str) -> Document | None:
    known = store.list(_DATASET, name=name.lower(), limit=1)
    return known[0] if known else None


def _latest(store: Store, dataset: Document) -> Document:
    return store.list(_VERSION, parent=dataset["datasetId"], newest_first=True, limit=1)[0]


def _version(store: Store, dataset: Document, version: str | None) -> Document:
    if version is None:
        return _latest(store, dataset)
    found = store.find(_VERSION, _version_key(dataset["datasetId"], version))
    if found is None:
        last = _latest(store, dataset)["versionId"]
        raise NotFound(
            f"Dataset '{dataset['name']}' has no version {version}; the latest is {last}",
            code="UserError",
        )
    return found


def _same_definition(known: Document, dataset: Mapping[str, Any]) -> bool:
    sent = _definition(dataset)
    return sent["dataflowJson"] is not None and saved.fingerprint(known) == saved.fingerprint(sent)


def _saved_once(store: Store, dataset: Mapping[str, Any]) -> Document:
    """Return the saved dataset to register: a new one, or one that is not registered yet."""
    saved_id = (dataset.get("latest") or {}).get("savedDatasetId")
    if not saved_id:
        return saved.save(store, _definition(dataset))
    registered = with_saved_id(store, saved_id)
    if registered:
        name, version = registered[0]["name"], registered[0]["latest"]["versionId"]
        # the SDK reads name and version out of this text
        raise BadRequest(
            f"Dataset {saved_id} has been registered as {name}:{version} (name:version)."
        )
    return saved_dataset(store, saved_id)


def _definition(dataset: Mapping[str, Any]) -> Document:
    latest = dataset.get("latest") or {}
    return {
        "datasetType": dataset.get("datasetType"),
        "dataflowJson": latest.get("dataflow"),
        "properties": latest.get("properties"),
    }


def _add_dataset(store: Store, name: str, dataset: Mapping[str, Any]) -> Document:
    document = {
        "datasetId": store.new_id(),
        "name": name,
        "datasetState": {"state": "active"},
        "isVisible": dataset.get("isVisible", True),
        "createdTime": store.clock.text(),
    }
    return store.insert(_DATASET, document["datasetId"], document, name=name.lower())


def _add_version(
    store: Store, dataset: Document, definition: Document, sent: Mapping[str, Any]
) -> Document:
    dataset_id, now = dataset["datasetId"], store.clock.text()
    version = {
        "datasetId": dataset_id,
        "versionId": str(store.count(_VERSION, parent=dataset_id) + 1),
        "savedDatasetId": definition["id"],
        "dataflow": definition["dataflowJson"],
        "properties": definition["properties"],
        "datasetDefinitionState": {"state": "active"},
        "createdTime": now,
        "modifiedTime": now,
        "_datasetType": definition["datasetType"],
        "_description": None,
        "_tags": {},
        **_sent_labels(sent),
    }
    key = _version_key(dataset_id, version["versionId"])
    store.insert(_VERSION, key, version, parent=dataset_id, name=definition["id"])
    return _shown(dataset, version)


def _relabelled(
    store: Store, dataset: Document, version: Document, sent: Mapping[str, Any]
) -> Document:
    key = _version_key(dataset["datasetId"], version["versionId"])
    changes = {**_sent_labels(sent), "modifiedTime": store.clock.text()}
    return _shown(dataset, store.update(_VERSION, key, lambda document: {**document, **changes}))


def _sent_labels(dataset: Mapping[str, Any]) -> Document:
    """Return what a client says of description and tags; what it leaves out stays as it is."""
    return {
        f"_{name}": dataset[name]
        for name in ("description", "tags")
        if dataset.get(name) is not None
    }


def _version_key(dataset_id: str, version: str) -> str:
    return f"{dataset_id}:{version}"


def _shown(dataset: Document, version: Document) -> Document:
    """Return a dataset with one of its versions, as the wire has them."""
    return {
        **dataset,
        "datasetType": version["_datasetType"],
        "description": version["_description"],
        "tags": version["_tags"],
        "modifiedTime": version["modifiedTime"],
        "latest": public(version),
    }
