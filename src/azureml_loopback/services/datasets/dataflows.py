"""Dataflows as the SDK writes them: where data are, and how they are read. Uses its dataprep."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from azureml_loopback.errors import NotImplementedHere
from azureml_loopback.identity import Identity


def datastore_uri(identity: Identity, datastore: str, path: str) -> str:
    """Return the address of a file or folder in a datastore."""
    return (
        f"azureml://subscriptions/{identity.subscription_id}"
        f"/resourcegroups/{identity.resource_group}/workspaces/{identity.workspace_name}"
        f"/datastores/{datastore}/paths/{quote(path.lstrip('/'))}"
    )


@dataclass(frozen=True)
class StepOutput:
    """What a step wrote.

    Attributes:
        datastore: Where.
        path: File or folder in there.
        transformations: How it is read, as the graph's ``AdditionalTransformations`` say: JSON with
            the blocks of ``parse_parquet_files()``, ``drop_columns()``, …; without them, as files.
    """

    datastore: str
    path: str
    transformations: str | None = None


def output_dataflow(identity: Identity, output: StepOutput) -> str:
    """Return the dataflow of what a step wrote.

    Raises:
        NotImplementedHere: A transformation that the SDK's own converter does not know.
    """
    pattern = datastore_uri(identity, output.datastore, output.path)
    files = f'type: mltable\npaths:\n  - pattern: "{pattern}"\n'
    if not output.transformations:
        return json.dumps({"blocks": [], "meta": {"RsDataflow": files}})
    return _transformed(files, output.transformations)


def is_tabular(output: StepOutput) -> bool:
    """Say whether rows are read of it, and not files."""
    if not output.transformations:
        return False
    from azureml.data import _dataprep_stub  # noqa: PLC0415  (slow to import)

    tabular: bool = _dataprep_stub.is_tabular(
        _dataprep_stub.DataflowStub.from_json(output.transformations)
    )
    return tabular


def _transformed(files: str, transformations: str) -> str:
    from azureml.data import _dataprep_helper, _dataprep_stub  # noqa: PLC0415
    from azureml.dataprep import EnginelessDataflow  # noqa: PLC0415

    stub = _dataprep_stub.DataflowStub.from_json(transformations)
    try:
        steps: Any = _dataprep_helper._convert_dataflow_stub_to_engineless(stub)
    except ValueError as error:
        raise NotImplementedHere(f"AdditionalTransformations: {error}") from None
    return str((EnginelessDataflow(files) + steps).to_json())
