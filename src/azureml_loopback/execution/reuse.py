"""Whether a step's outputs of an earlier run may be used again: equal keys mean equal work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from azureml_loopback.execution.step import StepInput


def content_of(run_id: str, port: str) -> str:
    """Return what tells an output from every other: the run that wrote it, not its bytes."""
    return hashlib.sha256(f"{run_id}/{port}".encode()).hexdigest()


def key(
    node: Mapping[str, Any],
    module: Mapping[str, Any],
    parameters: Mapping[str, str | None],
    inputs: Mapping[str, StepInput],
    contents: Mapping[str, str | None],
) -> str | None:
    """Return what must be equal for a step to be reused; nothing for one that never is.

    As in Azure an input is what it is by where it comes from - an output's own run, a dataset's
    version, a path - and its bytes are not looked at.

    Args:
        node: The GraphModuleNode: run configuration, input and output settings.
        module: The ModuleEntity; its hash stands for snapshot, ports and arguments.
        parameters: Resolved.
        inputs: What arrives at each port.
        contents: Port -> `content_of` the upstream output that arrives there.
    """
    if not module.get("IsDeterministic"):
        return None
    parts = {
        "module": module.get("IdentifierHash") or module["Id"],
        "parameters": parameters,
        "runconfig": json.loads(node.get("Runconfig") or "null"),
        "inputs": {name: _of_input(arrives) for name, arrives in inputs.items()},
        "contents": contents,
        "outputs": [_of_output(setting) for setting in node.get("ModuleOutputSettings") or []],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _of_input(arrives: StepInput) -> dict[str, Any]:
    return {**asdict(arrives), "transformations": _blocks(arrives.transformations)}


def _of_output(setting: Mapping[str, Any]) -> dict[str, Any]:
    registration = setting.get("DatasetRegistration") or {}
    blocks = _blocks(registration.get("AdditionalTransformations"))
    return {**setting, "DatasetRegistration": {**registration, "AdditionalTransformations": blocks}}


def _blocks(dataflow: str | None) -> list[dict[str, Any]]:
    """Return what a dataflow does, without the ids that the SDK gives its blocks at random."""
    blocks = json.loads(dataflow or "{}").get("blocks") or []
    return [{name: value for name, value in block.items() if name != "id"} for block in blocks]
