"""Schedules: when a published pipeline is run again, by the clock or by a change of blobs.

What the service adds to a PipelineScheduleEntity: ``_due``, when to look at it next, and ``_seen``,
the watched blobs as they were at the last look.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from azureml_loopback.clock import as_text
from azureml_loopback.errors import BadRequest, NotImplementedHere
from azureml_loopback.services.datastores import state as datastores
from azureml_loopback.services.pipelines import endpoints, published
from azureml_loopback.services.pipelines.expressions import refuse_expressions
from azureml_loopback.services.pipelines.recurrence import first_due, read_recurrence

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document, Store

RECURRENCE, DATASTORE = "Recurrence", "DataStore"

_KIND = "schedule"
_TYPES: Mapping[str | None, str] = {
    "0": RECURRENCE,  # as the SDK sends them
    "1": DATASTORE,
    RECURRENCE: RECURRENCE,
    DATASTORE: DATASTORE,
}
_TRIGGERS = ("Recurrence", "DataStoreTriggerInfo", "EntityStatus")
"""What a schedule starts anew for when it is changed."""


def create(loopback: Loopback, info: Mapping[str, Any]) -> Document:
    """Make a schedule of a ScheduleCreationInfo, and return the PipelineScheduleEntity.

    Raises:
        NotFound: There is no such pipeline, endpoint or datastore.
        BadRequest: The recurrence or the trigger makes no sense.
        NotImplementedHere: A parameter's value is an expression.
    """
    store = loopback.store
    _refuse_expressions(info)
    if info.get("PipelineEndpointId"):
        endpoints.get(store, info["PipelineEndpointId"])
    else:
        published.get(store, info.get("PipelineId") or "")
    schedule_id, now = store.new_id(), store.clock.now()
    schedule: Document = {
        "Id": schedule_id,
        "Name": info.get("Name"),
        "PipelineId": info.get("PipelineId"),
        "PipelineEndpointId": info.get("PipelineEndpointId"),
        "PipelineSubmissionInfo": info.get("PipelineSubmissionInfo") or {},
        "Recurrence": info.get("Recurrence"),
        "DataStoreTriggerInfo": info.get("DataStoreTriggerInfo"),
        "ScheduleType": _type(info),
        "ProvisioningStatus": "Completed",
        "EntityStatus": "Active",
        "CreatedDate": as_text(now),
        "LastModifiedDate": as_text(now),
    }
    if schedule["ScheduleType"] == RECURRENCE:
        schedule["_due"] = as_text(first_due(schedule["Recurrence"], now))
    else:
        schedule |= {"_due": next_due(schedule, now), "_seen": watched_blobs(loopback, schedule)}
    return store.insert(_KIND, schedule_id, schedule)


def get(store: Store, schedule_id: str) -> Document:
    """Return a PipelineScheduleEntity.

    Raises:
        NotFound: There is none.
    """
    return store.get(_KIND, schedule_id)


def listed(store: Store, *, active_only: bool = False) -> list[Document]:
    """Return the schedules, newest first."""
    found = store.list(_KIND, newest_first=True)
    return [schedule for schedule in found if published.is_active(schedule) or not active_only]


def of_pipeline(store: Store, pipeline_id: str) -> list[Document]:
    """Return the schedules of a published pipeline."""
    return [s for s in listed(store) if s["PipelineId"] == pipeline_id]


def of_endpoint(store: Store, endpoint_id: str) -> list[Document]:
    """Return the schedules of a pipeline endpoint."""
    return [s for s in listed(store) if s["PipelineEndpointId"] == endpoint_id]


def update(loopback: Loopback, schedule_id: str, updated: Mapping[str, Any]) -> Document:
    """Replace what a schedule does and when; with another trigger it starts anew.

    Raises:
        NotFound: There is no such schedule or datastore.
        BadRequest: The recurrence or the trigger makes no sense.
        NotImplementedHere: A parameter's value is an expression.
    """
    _refuse_expressions(updated)
    before, now = get(loopback.store, schedule_id), loopback.clock.now()
    kept = ("Id", "PipelineId", "PipelineEndpointId", "ScheduleType", "CreatedDate")
    changed = {
        **before,
        **updated,
        **{key: before[key] for key in kept},
        "EntityStatus": published.checked_status(updated.get("EntityStatus")),
        "LastModifiedDate": as_text(now),
    }
    if any(changed[key] != before[key] for key in _TRIGGERS):
        changed["_due"] = next_due(changed, now)
        if changed["ScheduleType"] == DATASTORE:
            changed["_seen"] = watched_blobs(loopback, changed)
    return loopback.store.put(_KIND, schedule_id, changed)


def due(store: Store) -> list[Document]:
    """Return the active schedules that are to be looked at now."""
    return [schedule for schedule in listed(store) if _is_due(store, schedule)]


def is_due(store: Store, schedule_id: str) -> bool:
    """Say whether a schedule is active and to be looked at now."""
    return _is_due(store, get(store, schedule_id))


def looked_at(store: Store, schedule_id: str, seen: Mapping[str, str] | None = None) -> None:
    """Note that a schedule was looked at, and what was seen; what was missed is not made up."""
    now = store.clock.now()
    store.update(
        _KIND, schedule_id, lambda s: {**s, "_due": next_due(s, now), "_seen": dict(seen or {})}
    )


def next_due(schedule: Document, after: datetime) -> str:
    """Return when a schedule is to be looked at next.

    Raises:
        BadRequest: The recurrence or the polling interval makes no sense.
    """
    if schedule["ScheduleType"] == RECURRENCE:
        created = datetime.fromisoformat(schedule["CreatedDate"])
        return as_text(read_recurrence(schedule["Recurrence"], created).next_due(after))
    minutes = schedule["DataStoreTriggerInfo"].get("PollingInterval") or 5
    if minutes < 1:
        raise BadRequest(f"PollingInterval: found {minutes}, minutes from 1 on are allowed")
    return as_text(after + timedelta(minutes=minutes))


def watched_blobs(loopback: Loopback, schedule: Document) -> dict[str, str]:
    """Return name -> ETag of the blobs in the watched folder, and not in folders below it.

    Raises:
        NotFound: There is no such datastore.
        NotImplementedHere: It is in another storage account.
    """
    trigger = schedule["DataStoreTriggerInfo"]
    section = datastores.get(loopback, trigger["DataStoreName"])["azureStorageSection"]
    if section["accountName"] != loopback.blobs.account:
        raise NotImplementedHere(
            f"Polling datastore {trigger['DataStoreName']}: only the workspace's own storage "
            "account can be polled by the loopback service"
        )
    folder = PurePosixPath((trigger.get("PathOnDataStore") or "").strip("/"))
    prefix = "" if folder == PurePosixPath() else f"{folder}/"
    blobs = loopback.blobs.list(section["containerName"], prefix)
    return {blob.name: blob.etag for blob in blobs if PurePosixPath(blob.name).parent == folder}


def _refuse_expressions(schedule: Mapping[str, Any]) -> None:
    submission = schedule.get("PipelineSubmissionInfo") or {}
    refuse_expressions(submission.get("ParameterAssignments") or {})


def _is_due(store: Store, schedule: Document) -> bool:
    return published.is_active(schedule) and bool(schedule["_due"] <= store.clock.text())


def _type(info: Mapping[str, Any]) -> str:
    kind = _TYPES.get(info.get("ScheduleType"))
    needed = {RECURRENCE: "Recurrence", DATASTORE: "DataStoreTriggerInfo"}
    if kind is None or not info.get(needed[kind]):
        raise BadRequest(
            "A schedule needs ScheduleType Recurrence with Recurrence, "
            "or ScheduleType DataStore with DataStoreTriggerInfo"
        )
    return kind
