"""Script runs as they are submitted. A run keeps its ``_snapshotId`` and ``_configuration``.

A run on the target ``local`` is announced first, and has its snapshot named by the client later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import BadRequest, Conflict, NotFound, NotImplementedHere
from azureml_loopback.services.arm import computes
from azureml_loopback.services.content import state as content
from azureml_loopback.services.environments import state as environments
from azureml_loopback.services.history import state as history

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document

RUN_TYPE = "azureml.scriptrun"
LOCAL = "local"
"""The target that is the client's own machine, which is the service's."""
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
    content.get(loopback.store, snapshot_id)
    properties = {
        "_azureml.ComputeTargetType": "amlcompute",
        "ContentSnapshotId": snapshot_id,
    }
    with loopback.store.transaction():
        _create(loopback, experiment_id, run_id, definition, properties)
        run = _queue(loopback, run_id, snapshot_id)
    loopback.engine.submit(run_id)
    return run


def announce_local(
    loopback: Loopback, experiment_id: str, run_id: str, definition: Mapping[str, Any]
) -> Document:
    """Make a run on the target ``local``, unless it was announced before; see `start_local`.

    Args:
        loopback: The service.
        experiment_id: Its experiment.
        run_id: Its identifier, chosen by the client.
        definition: ``Configuration`` (a run configuration), ``ParentRunId``.

    Raises:
        BadRequest: There is no script.
        NotFound: There is no such parent.
        Conflict: Another run has that id.
        NotImplementedHere: No snapshot is to be taken.
    """
    config = definition["Configuration"]
    known = history.find_run(loopback.store, run_id)
    if known is not None and known.get("_configuration") == config:
        return known
    taken = config.get("history") or {}
    if taken.get("snapshotProject") is False:
        raise NotImplementedHere(
            "A local run without a snapshot is not implemented: leave run_config.history."
            "snapshot_project as it is, for the service runs the script from its snapshot"
        )
    properties = {"_azureml.ComputeTargetType": LOCAL}
    return _create(loopback, experiment_id, run_id, definition, properties)


def start_local(loopback: Loopback, run: Document) -> None:
    """Start a run that was announced, once its snapshot is named; leave every other alone.

    Raises:
        NotFound: There is no such snapshot.
    """
    snapshot_id = run["properties"].get("ContentSnapshotId")
    announced = run["target"] == LOCAL and "_configuration" in run and not is_script_run(run)
    if announced and snapshot_id:
        content.get(loopback.store, snapshot_id)
        _queue(loopback, run["runId"], snapshot_id)
        loopback.engine.submit(run["runId"])


def is_script_run(run: Mapping[str, Any]) -> bool:
    """Say whether a run was submitted as a script by itself."""
    return "_snapshotId" in run


def _create(
    loopback: Loopback,
    experiment_id: str,
    run_id: str,
    definition: Mapping[str, Any],
    properties: Mapping[str, str],
) -> Document:
    config = definition["Configuration"]
    if not config.get("script") and not config.get("command"):
        raise BadRequest("The run configuration has neither script nor command")
    return history.create_run(
        loopback.store,
        experiment_id,
        run_id,
        parent_run_id=definition.get("ParentRunId"),
        run_type=RUN_TYPE,
        target=config["target"],
        properties=properties,
        definition=environments.autosave(loopback.store, config),
        script_name=config.get("script"),
        _configuration=config,
    )


def _queue(loopback: Loopback, run_id: str, snapshot_id: str) -> Document:
    with loopback.store.transaction():
        history.update_run(loopback.store, run_id, _snapshotId=snapshot_id)
        return history.set_status(loopback.store, run_id, "Queued")


def _check_target(loopback: Loopback, target: str) -> None:
    try:
        computes.compute(loopback.store, target)
    except NotFound:
        known = ", ".join(found["name"] for found in computes.computes(loopback.store)) or "none"
        raise BadRequest(
            f"There is no compute target '{target}'; there are: {known}. Create an AmlCompute "
            "cluster, which costs nothing here, and name it as compute_target"
        ) from None
