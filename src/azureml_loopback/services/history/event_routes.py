"""Events: what clients tell of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import BadRequest, NotImplementedHere, ServiceError
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.history import state
from azureml_loopback.services.history.access import experiment_of, run_of
from azureml_loopback.store import Document

routes = Routes("/history/v1.0/{scope}")

_PREFIX = "Microsoft.MachineLearning.Run."
_STATUSES = {
    "Start": "Running",
    "Queued": "Queued",
    "Completed": "Completed",
    "Failed": "Failed",
}


@routes.post(
    "experiments/{experiment}/runs/{run}/events", "experimentids/{experiment_id}/runs/{run}/events"
)
def post(call: Call) -> Answer:
    """Take one event of a run."""
    event = wire.check("restclient.BaseEventDto", call.object())
    _take(call, run_of(call), event)
    return Answer({})


@routes.post("experiments/{experiment}/batch/events")
def post_several(call: Call) -> dict[str, Any]:
    """Take events of several runs; each one's error stands by itself."""
    body = wire.check("restclient.BatchEventCommandDto", call.object())
    experiment_of(call)
    errors = []
    for event in body.get("events") or []:
        try:
            run_id = str((event.get("data") or {}).get("RunId"))
            _take(call, state.get_run(call.loopback.store, run_id), event)
        except ServiceError as error:
            errors.append({"key": event, "value": {"error": error.body()["error"]}})
    return {"errors": errors}


def _take(call: Call, run: Document, event: Mapping[str, Any]) -> None:
    name = str(event.get("name")).removeprefix(_PREFIX)
    data = event.get("data") or {}
    if name in _STATUSES:
        _move(call, run, _STATUSES[name])
        return
    handler = _HANDLERS.get(name)
    if handler is None:
        raise NotImplementedHere(f"Event {event.get('name')} is not implemented")
    handler(call, run["runId"], data)


def _move(call: Call, run: Document, status: str) -> None:
    if not run["_byClient"]:
        raise BadRequest(
            f"A client is not permitted to update the status of run {run['runId']}: "
            "the service runs it"
        )
    state.set_status(call.loopback.store, run["runId"], status)


def _cancel(call: Call, run_id: str, data: Mapping[str, Any]) -> None:
    """Stop what runs; a run that nothing executes here has ended at once."""
    call.loopback.engine.cancel(run_id)
    state.set_status(call.loopback.store, run_id, "Canceled")


def _ask_to_cancel(call: Call, run_id: str, data: Mapping[str, Any]) -> None:
    state.set_status(call.loopback.store, run_id, "CancelRequested")
    call.loopback.engine.cancel(run_id)


def _warn(call: Call, run_id: str, data: Mapping[str, Any]) -> None:
    source, message = str(data.get("Source")), str(data.get("Message"))
    state.add_warning(call.loopback.store, run_id, source, message)


def _blame(call: Call, run_id: str, data: Mapping[str, Any]) -> None:
    state.set_error(call.loopback.store, run_id, data.get("ErrorResponse") or {})


def _beat(call: Call, run_id: str, data: Mapping[str, Any]) -> None:
    beat = {"time": call.loopback.clock.text(), "seconds": data.get("TimeToLiveSeconds")}
    state.update_run(call.loopback.store, run_id, _heartbeat=beat)


_HANDLERS: Mapping[str, Callable[[Call, str, Mapping[str, Any]], None]] = {
    "Canceled": _cancel,
    "CancelRequested": _ask_to_cancel,
    "Warning": _warn,
    "Error": _blame,
    "Heartbeat": _beat,
}
