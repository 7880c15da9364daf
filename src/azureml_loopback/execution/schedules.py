"""Fires schedules by the service's clock, and looks at the blobs that some of them watch."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import ServiceError
from azureml_loopback.services.pipelines import endpoints, published, schedules

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5
"""Between two looks at what is due: the service's clock may jump at any moment."""


class ScheduleThread:
    """A thread that fires what is due, as long as the service runs."""

    def __init__(self, loopback: Loopback) -> None:
        """Take the service whose schedules these are."""
        self._loopback = loopback
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until what was begun is done."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_PAUSE_SECONDS):
            for schedule in schedules.due(self._loopback.store):
                try:
                    fire(self._loopback, schedule)
                except Exception:
                    # one schedule's trouble is not the others'; it is tried again
                    log.exception("schedule '%s' (%s)", schedule["Name"], schedule["Id"])


def fire(loopback: Loopback, schedule: Document) -> None:
    """Submit the runs that a schedule which is due asks for: one, or one for each changed blob.

    Runs and the note that it fired are one transaction: killed in between, it fires again.
    """
    seen = (
        schedules.watched_blobs(loopback, schedule)
        if schedule["ScheduleType"] == schedules.DATASTORE
        else None
    )
    try:
        with loopback.store.transaction():
            if not schedules.is_due(loopback.store, schedule["Id"]):
                return  # changed or disabled in the meantime
            for submission in _submissions(schedule, seen):
                _submit(loopback, schedule, submission)
            schedules.looked_at(loopback.store, schedule["Id"], seen)
    except ServiceError as refusal:
        log.warning("schedule '%s' submits nothing: %s", schedule["Name"], refusal)
        schedules.looked_at(loopback.store, schedule["Id"], seen)


def _submissions(schedule: Document, seen: dict[str, str] | None) -> list[dict[str, Any]]:
    submission = {**schedule["PipelineSubmissionInfo"], "RunType": "Schedule"}
    if seen is None:
        return [submission]
    before, trigger = schedule["_seen"], schedule["DataStoreTriggerInfo"]
    changed = [name for name, etag in seen.items() if before.get(name) != etag]
    parameter = trigger.get("DataPathParameterName")
    if not parameter:
        return [submission] if changed else []
    given = submission.get("DataPathAssignments") or {}
    return [
        {
            **submission,
            "DataPathAssignments": {
                **given,
                parameter: {"DataStoreName": trigger["DataStoreName"], "RelativePath": name},
            },
        }
        for name in changed
    ]


def _submit(loopback: Loopback, schedule: Document, submission: dict[str, Any]) -> None:
    schedule_id = schedule["Id"]
    if schedule["PipelineEndpointId"]:
        endpoint = endpoints.get(loopback.store, schedule["PipelineEndpointId"])
        endpoints.submit(loopback, endpoint, submission, schedule_id=schedule_id)
    else:
        published.submit(loopback, schedule["PipelineId"], submission, schedule_id=schedule_id)
