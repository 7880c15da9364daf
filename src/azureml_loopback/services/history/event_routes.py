"""Events: what clients tell of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import NotImplementedHere, ServiceError
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.history import state
from azureml_loopback.services.history.access import experiment_of, run_of
from azureml_loopback.store import Document

routes = Routes("/history/v1.0/{scope}")

_PREFIX = "Microsoft.MachineLearning.Run."
Handler = Callable[[Call, Document, Mapping[str, Any]], None]
"""Takes an event's data for a run."""


@routes.post(
    "experiments/{experiment}/runs/{run}/events", "experimentids/{experiment_id}/runs/{run}/events"
)
def post(call: Call) -> Answer:
    """Take one event of a run."""
    event = wire.check("restclient.BaseEventDto", call.object())
    _take(call, run_of(call), event)
    return Answer({})


@routes.post(
    "experiments/{experiment}/runs/{run}/cancel", "experimentids/{experiment_id}/runs/{run}/cancel"
)
def cancel(call: Call) -> dict[str, Any]:
    """Cancel a run."""
    run = run_of(call)
    _cancel(call, run, {})
    now = state.get_run(call.loopback.store, run["runId"])
    shown: dict[str, Any] = wire.answer("restclient.RunDto", now)
    return shown


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
    handler = _HANDLERS.get(name)
    if handler is None:
        raise NotImplementedHere(f"Event {event.get('name')} is not implemented")
    handler(call, run, event.get("data") or {})


def _moves_to(status: str) -> Handler:
    def move(call: Call, run: Document, data: Mapping[str, Any]) -> None:
        state.tell_status(call.loopback.store, run["runId"], status)

    return move


def _cancel(call: Call, run: Document, data: Mapping[str, Any]) -> None:
    """Cancel a client's own run at once; ask the engine to stop one that it runs."""
    if run["_byClient"]:
        state.set_status(call.loopback.store, run["runId"], "Canceled")
        return
    state.set_status(call.loopback.store, run["runId"], "CancelRequested")
    call.loopback.engine.cancel(run["runId"])


def _warn(call: Call, run: Document, data: Mapping[str, Any]) -> None:
    source, message = str(data.get("Source")), str(data.get("Message"))
    state.add_warning(call.loopback.store, run["runId"], source, message)


def _blame(call: Call, run: Document, data: Mapping[str, Any]) -> None:
    state.set_error(call.loopback.store, run["runId"], data.get("ErrorResponse") or {})


def _beat(call: Call, run: Document, data: Mapping[str, Any]) -> None:
    beat = {"time": call.loopback.clock.text(), "seconds": data.get("TimeToLiveSeconds")}
    state.update_run(call.loopback.store, run["runId"], _heartbeat=beat)


_HANDLERS: Mapping[str, Handler] = {
    "Queued": _moves_to("Queued"),
    "Start": _moves_to("Running"),
    "Completed": _moves_to("Completed"),
    "Failed": _moves_to("Failed"),
    "Canceled": _cancel,
    "CancelRequested": _cancel,
    "Warning": _warn,
    "Error": _blame,
    "Heartbeat": _beat,
}
