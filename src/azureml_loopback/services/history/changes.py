"""How a run changes: pure functions of its document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureml_loopback.errors import BadRequest
from azureml_loopback.store import Document

GOING_ON = ("NotStarted", "Queued", "Preparing", "Running", "Finalizing", "CancelRequested")
"""Statuses of a run that has not ended."""
TERMINAL = ("Completed", "Failed", "Canceled")
"""Statuses that a run never leaves."""

_SETTABLE = (
    "name",
    "displayName",
    "description",
    "hidden",
    "runType",
    "runTypeV2",
    "scriptName",
    "target",
    "runDefinition",
    "primaryMetricName",
    "createdFrom",
    "cancelUri",
    "diagnosticsUri",
    "queueingInfo",
    "heartbeatEnabled",
    "startTimeUtc",
    "endTimeUtc",
)


def moved(run: Document, status: str, now: str) -> Document:
    """Return the run in another status, with the times that belong to it.

    A run that has ended stays so, and one that is asked to stop does not start again.

    Raises:
        BadRequest: There is no such status.
    """
    if status not in GOING_ON and status not in TERMINAL:
        raise BadRequest(f"'{status}' is no status: use one of {', '.join((*GOING_ON, *TERMINAL))}")
    before = run["status"]
    unchanged = before == status and run["_statuses"]
    asked_to_stop = before == "CancelRequested" and status in GOING_ON
    if before in TERMINAL or asked_to_stop or unchanged:
        return run
    result = {
        **run,
        "status": status,
        "_statuses": [*run["_statuses"], {"status": status, "time": now}],
    }
    if status == "Running" and not run["startTimeUtc"]:
        result["startTimeUtc"] = now
    if status in TERMINAL:
        result["endTimeUtc"] = now
    return result


def told(run: Document, status: str, now: str) -> Document:
    """Return the run in the status that a client says it has.

    Raises:
        BadRequest: The service runs it and knows better, or there is no such status.
    """
    if not run["_byClient"]:
        raise BadRequest(
            f"A client is not permitted to update the status of run {run['runId']}: "
            "the service runs it"
        )
    return moved(run, status, now)


def blamed(run: Document, error: Mapping[str, Any] | str | None) -> Document:
    """Return the run with the reason for its failure: an ``ErrorResponse``, or a message."""
    if error is None or run["status"] in TERMINAL:
        return run
    if isinstance(error, str):
        error = {"error": {"code": "UserError", "message": error}}
    return {**run, "error": dict(error)}


def changed(run: Document, wanted: Mapping[str, Any], now: str) -> Document:
    """Return the run as a ``CreateRunDto`` wants it; what is not given stays.

    Raises:
        BadRequest: A property has another value already, or the status is not the client's to say.
    """
    properties = wanted.get("properties") or {}
    for name in sorted(properties.keys() & run["properties"].keys()):
        before = run["properties"][name]
        if properties[name] != before:
            raise BadRequest(
                f"Property '{name}' of run {run['runId']} has the value '{before}' already: "
                "properties are written once, tags may change"
            )
    given = {name: wanted[name] for name in _SETTABLE if wanted.get(name) is not None}
    result = {
        **run,
        **given,
        "tags": {**run["tags"], **(wanted.get("tags") or {})},
        "properties": {**run["properties"], **properties},
        "_inputDatasets": _joined(run["_inputDatasets"], wanted.get("inputDatasets")),
        "_outputDatasets": _joined(run["_outputDatasets"], wanted.get("outputDatasets")),
    }
    return told(result, wanted["status"], now) if wanted.get("status") else result


def _joined(known: list[Any], more: list[Any] | None) -> list[Any]:
    return [*known, *(value for value in more or [] if value not in known)]
