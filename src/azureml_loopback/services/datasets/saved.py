"""Saved datasets: definitions with an id, in the wire's shape (``SavedDatasetDto``).

A definition says where the data are and how they are read; the data themselves are not copied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

import yaml  # type: ignore[import-untyped,unused-ignore]

from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.store import Document, Store

DatasetType = Literal["tabular", "file"]

_KIND = "saved dataset"


def saved_dataset(store: Store, saved_id: str) -> Document:
    """Return a saved dataset: ``id``, ``datasetType``, ``dataflowJson``, ``properties``.

    Raises:
        NotFound: There is none.
    """
    found = store.find(_KIND, saved_id)
    if found is None:
        raise NotFound(f"Cannot find dataset with id {saved_id}", code="UserError")
    return found


def ensure_saved(store: Store, definition: Mapping[str, Any]) -> Document:
    """Return the saved dataset of a definition: the one that was saved first, or a new one.

    Raises:
        BadRequest: The definition cannot be read; see `fingerprint`.
    """
    with store.transaction():
        known = store.list(_KIND, name=fingerprint(definition), limit=1)
        return known[0] if known else save(store, definition)


def save(store: Store, definition: Mapping[str, Any]) -> Document:
    """Save a definition under a new id, even if there is an equal one.

    Raises:
        BadRequest: The definition cannot be read; see `fingerprint`.
    """
    document = {
        "id": store.new_id(),
        "datasetType": definition.get("datasetType"),
        "properties": definition.get("properties") or {},
        "dataflowJson": definition["dataflowJson"],
    }
    return store.insert(_KIND, document["id"], document, name=fingerprint(definition))


def fingerprint(definition: Mapping[str, Any]) -> str:
    """Return what two definitions have in common if they mean the same.

    Raises:
        BadRequest: It has no type, or no dataflow that `dataflow_yaml` can read.
    """
    kind = definition.get("datasetType")
    if kind not in {"tabular", "file"}:
        raise BadRequest(f"datasetType: found {kind!r}, allowed: tabular, file")
    dataflow = _ordered(yaml.safe_load(dataflow_yaml(definition)))
    parts = [kind, dataflow, definition.get("properties") or {}]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def dataflow_yaml(definition: Mapping[str, Any]) -> str:
    """Return the dataflow as the reader (rslex) takes it, which clients send inside the JSON.

    Raises:
        BadRequest: There is no dataflow, or it was made by an SDK that did not yet write YAML.
    """
    try:
        text: Any = json.loads(definition.get("dataflowJson") or "")["meta"]["RsDataflow"]
    except (ValueError, KeyError, TypeError):
        raise BadRequest(
            "The dataset's dataflow has no meta.RsDataflow; azureml-dataprep 5 or later writes it"
        ) from None
    return str(text)


def _ordered(dataflow: Any) -> Any:
    """Order the columns' types by column: the SDK writes them as they come out of a hash map."""
    if not isinstance(dataflow, dict) or "transformations" not in dataflow:
        return dataflow
    steps = [
        {"convert_column_types": sorted(step["convert_column_types"], key=json.dumps)}
        if isinstance(step, dict) and "convert_column_types" in step
        else step
        for step in dataflow["transformations"]
    ]
    return {**dataflow, "transformations": steps}
