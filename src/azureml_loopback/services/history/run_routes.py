"""Runs: made and changed, found, listed and described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from azureml_loopback import odata, tokens, wire
from azureml_loopback.clock import as_text
from azureml_loopback.errors import NotFound, NotImplementedHere, ServiceError
from azureml_loopback.paging import PAGE, page, page_size
from azureml_loopback.routing import Call, Routes
from azureml_loopback.services.artifacts import state as artifacts
from azureml_loopback.services.execution import state as scripts
from azureml_loopback.services.history import state
from azureml_loopback.services.history.access import experiment_of, run_of
from azureml_loopback.store import Document, Store

routes = Routes("/history/v1.0/{scope}")

_EXPERIMENT = ("experiments/{experiment}", "experimentids/{experiment_id}")
_RUN = tuple(f"{experiment}/runs/{{run}}" for experiment in _EXPERIMENT)
_ANY_RUN = (*_RUN, "runs/{run}")
_LIST_QUERY = ("$filter", "$continuationToken", "$orderby", "$sortorder", "$top")
_FIELDS = (
    "runId",
    "runNumber",
    "rootRunId",
    "parentRunId",
    "experimentId",
    "status",
    "name",
    "displayName",
    "runType",
    "runTypeV2",
    "target",
    "scriptName",
    "tags",
    "properties",
    "createdUtc",
    "startTimeUtc",
    "endTimeUtc",
)
_LOG_FOLDERS = ("azureml-logs/", "logs/", "user_logs/", "system_logs/")


@routes.get(*_ANY_RUN)
def get(call: Call) -> dict[str, Any]:
    """Return a run."""
    return _answer(run_of(call))


@routes.patch(*_RUN)
def patch(call: Call) -> dict[str, Any]:
    """Make a run, or change it if there is one of that id."""
    wanted = {**call.object(), "runId": call.parts["run"]}
    run = _add_or_modify(call, experiment_of(call), wanted)
    scripts.start_local(call.loopback, run)  # its client names the snapshot by a property
    return _answer(run)


@routes.patch(*(f"{experiment}/batch/runs" for experiment in _EXPERIMENT))
def patch_several(call: Call) -> dict[str, Any]:
    """Make or change several runs; each one's error stands by itself."""
    body = wire.check("restclient.BatchAddOrModifyRunRequestDto", call.object())
    experiment = experiment_of(call)
    made: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for wanted in body.get("runs") or []:
        try:
            run = _add_or_modify(call, experiment, wanted)
            made[run["runId"]] = _answer(run)
        except ServiceError as error:
            errors[str(wanted.get("runId"))] = {"error": error.body()["error"]}
    return {"runs": made, "errors": errors}


@routes.get(*(f"{run}/details" for run in _ANY_RUN))
def details(call: Call) -> dict[str, Any]:
    """Describe a run: its definition, what it read and wrote, where its logs are."""
    run = run_of(call)
    names = artifacts.names(call.loopback, run["runId"])
    logs = {
        name: artifacts.url(call.loopback, run["runId"], name)
        for name in names
        if name.startswith(_LOG_FOLDERS)
    }
    same = ("runId", "target", "status", "startTimeUtc", "endTimeUtc", "error", "warnings")
    described = {
        **{name: run.get(name) for name in (*same, "properties", "runDefinition")},
        "inputDatasets": run["_inputDatasets"],
        "outputDatasets": run["_outputDatasets"],
        "logFiles": logs,
    }
    shown: dict[str, Any] = wire.answer("restclient.RunDetailsDto", described)
    return shown


@routes.get(*(f"{run}/token" for run in _RUN))
def token(call: Call) -> dict[str, Any]:
    """Return a token that speaks for the run."""
    expiry = datetime.now(timezone.utc) + timedelta(seconds=tokens.LIFETIME)
    issued = call.loopback.tokens.issue(f"run:{run_of(call)['runId']}")
    return {"token": issued, "expiryTimeUtc": as_text(expiry)}


@routes.delete(*(f"{run}/tags" for run in _ANY_RUN))
def delete_tags(call: Call) -> dict[str, Any]:
    """Remove tags of a run."""
    run_id = run_of(call)["runId"]
    return _answer(state.remove_tags(call.loopback.store, run_id, call.json or []))


@routes.patch(*(f"{run}/tags" for run in _RUN))
def change_tags(call: Call) -> dict[str, Any]:
    """Set and remove tags of a run at once."""
    body, store = call.object(), call.loopback.store
    unknown = sorted(body.keys() - {"tagsToModify", "tagsToDelete"})
    if unknown:
        raise NotImplementedHere(f"Changing tags by {unknown[0]} is not implemented")
    with store.transaction():
        run_id = run_of(call)["runId"]
        state.update_run(store, run_id, tags=body.get("tagsToModify"))
        return _answer(state.remove_tags(store, run_id, body.get("tagsToDelete") or []))


@routes.post(*(f"{experiment}/runs/runIds" for experiment in _EXPERIMENT))
def by_ids(call: Call) -> dict[str, Any]:
    """Return the runs of an experiment that have these ids; each missing one is an error."""
    experiment_id = experiment_of(call)["experimentId"]
    wanted = [str(run_id) for run_id in call.object().get("runIds") or []]
    known = {run_id: state.find_run(call.loopback.store, run_id) for run_id in wanted}
    here = {i: run for i, run in known.items() if run and run["experimentId"] == experiment_id}
    missing = (run_id for run_id in wanted if run_id not in here)
    errors = {i: {"error": NotFound(f"There is no run '{i}'").body()["error"]} for i in missing}
    return {"runs": {i: _answer(run) for i, run in here.items()}, "errors": errors}


@routes.get(*(f"{run}/children" for run in _ANY_RUN), query=_LIST_QUERY)
def children(call: Call) -> dict[str, Any]:
    """List the runs right below a run."""
    found = state.children(call.loopback.store, run_of(call)["runId"])
    return _listed(found, _from_query(call.query))


@routes.post(*(f"{experiment}/runs:query" for experiment in _EXPERIMENT))
def query(call: Call) -> dict[str, Any]:
    """List the runs of an experiment that a filter wants."""
    body = wire.check("restclient.QueryParamsDto", call.object())
    store, experiment_id = call.loopback.store, experiment_of(call)["experimentId"]
    return _listed(_candidates(store, experiment_id, body.get("filter")), body)


@routes.get("computes/{compute}/runs", query=("$filter", "$continuationToken", "$top"))
def on_compute(call: Call) -> dict[str, Any]:
    """List the runs that were for a compute."""
    target = call.parts["compute"].lower()
    everything = state.runs(call.loopback.store)
    found = [run for run in everything if (run.get("target") or "").lower() == target]
    return _listed(found, _from_query(call.query))


@routes.get("experiments/{experiment}/runcounts", query=_LIST_QUERY)
def counts(call: Call) -> dict[str, Any]:
    """Count the runs of an experiment by status."""
    runs = state.runs(call.loopback.store, experiment_of(call)["experimentId"])
    wants = odata.parse(call.query.get("$filter"), _FIELDS).wants
    statuses = [run["status"] for run in runs if wants(run)]
    names = ("NotStarted", "Queued", "Preparing", "Running", "Completed", "Failed", "Canceled")
    values = {name[0].lower() + name[1:]: statuses.count(name) for name in names}
    shown: dict[str, Any] = wire.answer("restclient.RunCountsDto", values)
    return shown


def _add_or_modify(call: Call, experiment: Document, wanted: Mapping[str, Any]) -> Document:
    checked = wire.check("restclient.CreateRunDto", wanted)
    return state.add_or_modify(call.loopback.store, experiment["experimentId"], checked)


def _candidates(store: Store, experiment_id: str, text: str | None) -> list[Document]:
    """Return the runs among which a filter can find any, by what it pins down."""
    pinned = odata.parse(text, _FIELDS).pinned
    root_id = pinned.get("rootRunId")
    if root_id:
        root = state.find_run(store, root_id)
        tree = [root, *state.descendants(store, root_id)] if root else []
        return [run for run in tree if run["experimentId"] == experiment_id]
    if "parentRunId" in pinned and pinned["parentRunId"] is None:
        return state.top_runs(store, experiment_id)
    return state.runs(store, experiment_id)


def _from_query(given: Mapping[str, str]) -> dict[str, Any]:
    """Return a ``QueryParamsDto`` of query parameters."""
    order = " ".join(filter(None, (given.get("$orderby"), given.get("$sortorder"))))
    return {
        "filter": given.get("$filter"),
        "continuationToken": given.get("$continuationToken"),
        "orderby": order or None,
        "top": page_size(given, "$top"),
    }


def _listed(runs: Iterable[Document], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page of the runs that a ``QueryParamsDto`` wants."""
    wants = odata.parse(wanted.get("filter"), _FIELDS).wants
    found = odata.ordered(filter(wants, runs), wanted.get("orderby"), _FIELDS)
    part = page(found, wanted.get("top") or PAGE, wanted.get("continuationToken"))
    values = [_answer(run) for run in part.values]
    return {"value": values, "continuationToken": part.token}


def _answer(run: Document) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("restclient.RunDto", run)
    return shown
