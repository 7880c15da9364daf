"""Experiments: created, found, listed, tagged, archived, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureml_loopback import odata, wire
from azureml_loopback.errors import NotImplementedHere
from azureml_loopback.paging import PAGE, page
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.history import state
from azureml_loopback.store import Document

routes = Routes("/history/v1.0/{scope}")

_FIELDS = ("experimentId", "name", "createdUtc", "archivedTime", "tags", "description")
_VIEWS: Mapping[str, tuple[bool, ...]] = {
    "activeonly": (False,),
    "archivedonly": (True,),
    "all": (False, True),
}
"""View -> whether what it shows is archived."""


@routes.get("experiments/{experiment}")
def by_name(call: Call) -> dict[str, Any]:
    """Return the active experiment of a name."""
    return _answer(state.experiment_named(call.loopback.store, call.parts["experiment"]))


@routes.post("experiments/{experiment}")
def create(call: Call) -> dict[str, Any]:
    """Make an experiment, or return the one of that name."""
    return _answer(state.ensure_experiment(call.loopback.store, call.parts["experiment"]))


@routes.get("experimentids/{experiment_id}")
def by_id(call: Call) -> dict[str, Any]:
    """Return an experiment, archived or not."""
    return _answer(state.get_experiment(call.loopback.store, call.parts["experiment_id"]))


@routes.patch("experimentids/{experiment_id}")
def update(call: Call) -> dict[str, Any]:
    """Tag, describe, archive or reactivate an experiment."""
    body = wire.check("restclient.ModifyExperimentDto", call.object())
    store, experiment_id = call.loopback.store, call.parts["experiment_id"]
    if body.get("name") not in {None, state.get_experiment(store, experiment_id)["name"]}:
        raise NotImplementedHere("Renaming an experiment is not implemented")
    return _answer(
        state.update_experiment(
            store,
            experiment_id,
            tags=body.get("tags"),
            description=body.get("description"),
            archived=body.get("archive"),
        )
    )


@routes.delete("experimentids/{experiment_id}")
def delete(call: Call) -> Answer:
    """Delete an experiment without runs."""
    state.delete_experiment(call.loopback.store, call.parts["experiment_id"])
    return Answer({})


@routes.post("experimentids/{experiment_id}/tags:delete")
def delete_tags(call: Call) -> dict[str, Any]:
    """Remove tags of an experiment."""
    body = wire.check("restclient.DeleteTagsCommandDto", call.object())
    store, experiment_id = call.loopback.store, call.parts["experiment_id"]
    state.remove_experiment_tags(store, experiment_id, body.get("tags") or [])
    return {"errors": {}}


@routes.post("experiments:query", query=("viewType",))
def query(call: Call) -> dict[str, Any]:
    """List the experiments that a filter wants."""
    body = wire.check("restclient.ExperimentQueryParamsDto", call.object())
    view = body.get("viewType") or call.query.get("viewType") or "ActiveOnly"
    archived = _VIEWS.get(view.lower())
    if archived is None:
        raise NotImplementedHere(f"viewType {view} is not implemented")
    wants = odata.parse(body.get("filter"), _FIELDS).wants
    in_view = [
        experiment
        for experiment in state.experiments(call.loopback.store)
        if bool(experiment["archivedTime"]) in archived and wants(experiment)
    ]
    found = odata.ordered(in_view, body.get("orderby"), _FIELDS)
    part = page(found, body.get("top") or PAGE, body.get("continuationToken"))
    values = wire.answers("restclient.ExperimentDto", list(part.values))
    return {"value": values, "continuationToken": part.token}


def _answer(experiment: Document) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("restclient.ExperimentDto", experiment)
    return shown
