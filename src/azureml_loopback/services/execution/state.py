"""Script runs as they are submitted. A run keeps its ``_snapshotId`` and ``_configuration``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import BadRequest, Conflict, NotFound
from azureml_loopback.services.arm import computes
from azureml_loopback.services.content import state as content
from azureml_loopback.services.history import state as history

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document

RUN_TYPE = "azureml.scriptrun"
MODULE_TYPE = "escloud"
"""What a pipeline calls a step that runs a script."""


def submit(
    loopback: Loopback, experiment_id: str, run_id: str, definition: Mapping[str, Any]
) -> Document:
    """Make a script run and start it; one that was submitted before goes on.

    Args:
        loopback: The service.
        experiment_id: Its experiment.
        run_id: Its identifier, chosen by the client.
        definition: ``Configuration`` (a run configuration), ``SnapshotId``, ``ParentRunId``.

    Raises:
        BadRequest: It names no compute that is there, and no script.
        NotFound: There is no such snapshot or parent.
        Conflict: Another run has that id.
    """
    config, snapshot_id = definition["Configuration"], str(definition["SnapshotId"])
    known = history.find_run(loopback.store, run_id)
    if known is not None:
        if known.get("_snapshotId") != snapshot_id:
            raise Conflict(f"There is another run '{run_id}' already")
        return known
    _check_target(loopback, str(config.get("target")))
    if not config.get("script") and not config.get("command"):
        raise BadRequest("The run configuration has neither script nor command")
    content.get(loopback.store, snapshot_id)
    run = history.create_run(
        loopback.store,
        experiment_id,
        run_id,
        parent_run_id=definition.get("ParentRunId"),
        run_type=RUN_TYPE,
        target=config["target"],
        status="Queued",
        properties={
            "_azureml.ComputeTargetType": "amlcompute",
            "ContentSnapshotId": snapshot_id,
        },
        definition=config,
        script_name=config.get("script"),
        _snapshotId=snapshot_id,
        _configuration=config,
    )
    loopback.engine.submit(run_id)
    return run


def is_script_run(run: Mapping[str, Any]) -> bool:
    """Say whether a run was submitted as a script by itself."""
    return "_snapshotId" in run


def _check_target(loopback: Loopback, target: str) -> None:
    try:
        computes.compute(loopback.store, target)
    except NotFound:
        known = ", ".join(found["name"] for found in computes.computes(loopback.store)) or "none"
        raise BadRequest(
            f"There is no compute target '{target}'; there are: {known}. Create an AmlCompute "
            "cluster, which costs nothing here, and name it as compute_target"
        ) from None
