"""Schedules over HTTP."""

from __future__ import annotations

from typing import Any

from azureml_loopback import wire
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.pipelines import schedules, state
from azureml_loopback.services.pipelines.published_routes import active_only

routes = Routes("/pipelines/v1.0/{scope}")

_ENTITY = "aeva.PipelineScheduleEntity"


@routes.post("Schedules/Create")
def create(call: Call) -> Any:
    """Make a schedule."""
    info = wire.check("aeva.ScheduleCreationInfo", call.object())
    return wire.answer(_ENTITY, schedules.create(call.loopback, info))


@routes.get("Schedules", query=("activeOnly",))
def listed(call: Call) -> list[Any]:
    """List the schedules."""
    found = schedules.listed(call.loopback.store, active_only=active_only(call))
    return wire.answers(_ENTITY, found)


@routes.get("Schedules/{schedule}")
def get(call: Call) -> Any:
    """Return a schedule."""
    return wire.answer(_ENTITY, schedules.get(call.loopback.store, call.parts["schedule"]))


@routes.put("Schedules/{schedule}")
def update(call: Call) -> Any:
    """Change, enable or disable a schedule."""
    updated = wire.check(_ENTITY, call.object())
    return wire.answer(_ENTITY, schedules.update(call.loopback, call.parts["schedule"], updated))


@routes.get("Schedules/Pipeline/{pipeline}")
def of_pipeline(call: Call) -> list[Any]:
    """List the schedules of a published pipeline."""
    found = schedules.of_pipeline(call.loopback.store, call.parts["pipeline"])
    return wire.answers(_ENTITY, found)


@routes.get("Schedules/PipelineEndpoint/{endpoint}")
def of_endpoint(call: Call) -> list[Any]:
    """List the schedules of a pipeline endpoint."""
    found = schedules.of_endpoint(call.loopback.store, call.parts["endpoint"])
    return wire.answers(_ENTITY, found)


@routes.get("PipelineRuns/Schedule/{schedule}")
def runs(call: Call) -> list[Any]:
    """List the runs that a schedule triggered."""
    return wire.answers("aeva.PipelineRunEntity", _runs(call))


@routes.get("PipelineRuns/Schedule/{schedule}/Last")
def last_run(call: Call) -> Any:
    """Return the run that a schedule triggered last; JSON null before the first."""
    found = _runs(call)
    if not found:
        return Answer(b"null", content_type="application/json")
    return wire.answer("aeva.PipelineRunEntity", found[-1])


def _runs(call: Call) -> list[Any]:
    store = call.loopback.store
    return state.runs_of_schedule(store, schedules.get(store, call.parts["schedule"])["Id"])
