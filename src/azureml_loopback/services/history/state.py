"""Experiments and runs, in the wire's own shape (``ExperimentDto``, ``RunDto``).

Fields that begin with ``_`` are the service's own: ``_statuses`` (each status with its time),
``_byClient`` (a client made the run and tells its status, as in ``start_logging``),
``_inputDatasets`` and ``_outputDatasets`` (which ``RunDetailsDto`` has and ``RunDto`` has not).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from azureml_loopback.errors import BadRequest, Conflict, NotFound
from azureml_loopback.identity import Identity
from azureml_loopback.services.history.changes import blamed, changed, moved, told
from azureml_loopback.store import Document, Store

_EXPERIMENT = "experiment"
_RUN = "run"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")


def ensure_experiment(store: Store, name: str) -> Document:
    """Return the active experiment of that name, made if it is missing.

    Raises:
        BadRequest: No experiment can have that name.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"'{name}' is no experiment name: use letters, digits, '_' and '-', at most 255, "
            "beginning with a letter or digit"
        )
    with store.transaction():
        known = _active(store, name)
        if known is not None:
            return known
        experiment_id = store.new_id()
        document: Document = {
            "experimentId": experiment_id,
            "name": name,
            "description": None,
            "createdUtc": store.clock.text(),
            "archivedTime": None,
            "tags": {},
        }
        return store.insert(_EXPERIMENT, experiment_id, document, name=name)


def experiment_named(store: Store, name: str) -> Document:
    """Return the active experiment of that name.

    Raises:
        NotFound: There is none.
    """
    known = _active(store, name)
    if known is None:
        raise NotFound(f"There is no experiment '{name}'")
    return known


def get_experiment(store: Store, experiment_id: str) -> Document:
    """Return an experiment by id, archived or not.

    Raises:
        NotFound: There is none.
    """
    return store.get(_EXPERIMENT, experiment_id)


def experiments(store: Store) -> list[Document]:
    """Return all experiments, oldest first."""
    return store.list(_EXPERIMENT)


def update_experiment(
    store: Store,
    experiment_id: str,
    *,
    tags: Mapping[str, str] | None = None,
    description: str | None = None,
    archived: bool | None = None,
) -> Document:
    """Add tags to an experiment, describe it, archive it or make it active again.

    Raises:
        NotFound: There is none.
        Conflict: It is to be active, and another one of its name is.
    """

    def change(experiment: Document) -> Document:
        changed = {**experiment, "tags": {**experiment["tags"], **(tags or {})}}
        if description is not None:
            changed["description"] = description
        if archived is not None:
            changed["archivedTime"] = store.clock.text() if archived else None
        return changed

    with store.transaction():
        experiment = get_experiment(store, experiment_id)
        other = _active(store, experiment["name"])
        if archived is False and other and other["experimentId"] != experiment_id:
            raise Conflict(f"There is another active experiment '{experiment['name']}'")
        return store.update(_EXPERIMENT, experiment_id, change)


def remove_experiment_tags(store: Store, experiment_id: str, keys: Iterable[str]) -> Document:
    """Remove tags of an experiment; one that is not there is no error."""
    gone = set(keys)
    return store.update(
        _EXPERIMENT, experiment_id, lambda found: {**found, "tags": _without(found["tags"], gone)}
    )


def delete_experiment(store: Store, experiment_id: str) -> None:
    """Delete an experiment without runs.

    Raises:
        NotFound: There is none.
        BadRequest: It has runs.
    """
    with store.transaction():
        name = get_experiment(store, experiment_id)["name"]
        count = store.count(_RUN, parent=experiment_id)
        if count:
            raise BadRequest(f"Experiment '{name}' has {count} runs; only an empty one is deleted")
        store.delete(_EXPERIMENT, experiment_id)


def create_run(  # noqa: PLR0913  (the fields of a run, all by name)
    store: Store,
    experiment_id: str,
    run_id: str,
    *,
    parent_run_id: str | None = None,
    root_run_id: str | None = None,
    name: str | None = None,
    run_type: str | None = None,
    target: str | None = None,
    status: str = "NotStarted",
    properties: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    definition: Any = None,
    script_name: str | None = None,
    display_name: str | None = None,
    **fields: Any,
) -> Document:
    """Add a run.

    Args:
        store: Where.
        experiment_id: Its experiment.
        run_id: Its identifier, unique in the workspace.
        parent_run_id: The run that it is a child of.
        root_run_id: The topmost run above it; found from the parent if not given.
        name: What it is called.
        run_type: Such as ``azureml.StepRun``.
        target: The compute that it is for.
        status: Its first status.
        properties: Values that are written once.
        tags: Values that may change.
        definition: What is run, as ``runDefinition`` tells it.
        script_name: The script that it runs.
        display_name: What pages show; the name, if not given.
        fields: Further fields of ``RunDto``, by their JSON names.

    Raises:
        Conflict: There is such a run already.
        NotFound: There is no such experiment, or no such parent.
        BadRequest: The identifier is none.
    """
    if not _NAME.fullmatch(run_id):
        raise BadRequest(f"'{run_id}' is no run id: use letters, digits, '_' and '-', at most 255")
    with store.transaction():
        get_experiment(store, experiment_id)
        parent = get_run(store, parent_run_id) if parent_run_id else None
        now = store.clock.text()
        document = {
            "runNumber": store.count(_RUN, parent=experiment_id) + 1,
            "rootRunId": root_run_id or (parent["rootRunId"] if parent else run_id),
            "experimentId": experiment_id,
            "createdUtc": now,
            "runId": run_id,
            "parentRunId": parent_run_id,
            "status": "NotStarted",
            "startTimeUtc": None,
            "endTimeUtc": None,
            "name": name,
            "displayName": display_name or name or run_id,
            "dataContainerId": f"dcid.{run_id}",
            "hidden": False,
            "runType": run_type,
            "properties": dict(properties or {}),
            "tags": dict(tags or {}),
            "scriptName": script_name,
            "target": target,
            "runDefinition": definition,
            "createdBy": _creator(),
            "warnings": [],
            "_statuses": [],
            "_inputDatasets": [],
            "_outputDatasets": [],
            "_byClient": False,
            **fields,
        }
        store.insert(
            _RUN,
            run_id,
            moved(document, status, now),
            parent=experiment_id,
            name=parent_run_id or "",
        )
        return get_run(store, run_id)


def get_run(store: Store, run_id: str) -> Document:
    """Return a run.

    Raises:
        NotFound: There is none.
    """
    found = store.find(_RUN, run_id)
    if found is None:
        raise NotFound(f"There is no run '{run_id}'")
    return found


def find_run(store: Store, run_id: str) -> Document | None:
    """Return a run, or nothing."""
    return store.find(_RUN, run_id)


def runs(store: Store, experiment_id: str | None = None) -> list[Document]:
    """Return the runs of an experiment, or all, oldest first."""
    return store.list(_RUN, parent=experiment_id)


def roots(store: Store, experiment_id: str | None = None, *, limit: int = -1) -> list[Document]:
    """Return the newest runs that have no parent, of an experiment or of all, newest first."""
    return store.list(_RUN, parent=experiment_id, name="", newest_first=True, limit=limit)


def count_roots(store: Store, experiment_id: str) -> int:
    """Return how many runs of an experiment have no parent."""
    return store.count(_RUN, parent=experiment_id, name="")


def top_runs(store: Store, experiment_id: str) -> list[Document]:
    """Return the runs of an experiment that have no parent, oldest first."""
    return store.list(_RUN, parent=experiment_id, name="")


def children(store: Store, run_id: str, *, newest_first: bool = False) -> list[Document]:
    """Return the runs whose parent this is, in the order in which they were made."""
    return store.list(_RUN, name=run_id, newest_first=newest_first)


def descendants(store: Store, run_id: str) -> Iterator[Document]:
    """Yield the runs below this one, at any depth."""
    for child in children(store, run_id):
        yield child
        yield from descendants(store, child["runId"])


def set_status(
    store: Store, run_id: str, status: str, *, error: Mapping[str, Any] | str | None = None
) -> Document:
    """Move a run to a status. A run that has ended stays as it is.

    Args:
        store: Where.
        run_id: Which.
        status: One of `changes.GOING_ON` or `changes.TERMINAL`.
        error: Why it failed: a message, or an ``ErrorResponse``.

    Returns:
        The run, as it is now.

    Raises:
        NotFound: There is no such run.
        BadRequest: There is no such status.
    """
    return store.update(
        _RUN, run_id, lambda run: moved(blamed(run, error), status, store.clock.text())
    )


def tell_status(store: Store, run_id: str, status: str) -> Document:
    """Move a run to the status that a client says it has.

    Raises:
        NotFound: There is no such run.
        BadRequest: The service runs it and knows better, or there is no such status.
    """
    return store.update(_RUN, run_id, lambda run: told(run, status, store.clock.text()))


def update_run(
    store: Store,
    run_id: str,
    *,
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    **fields: Any,
) -> Document:
    """Add tags and properties to a run, and replace other fields, by their JSON names.

    Raises:
        NotFound: There is no such run.
    """
    return store.update(
        _RUN,
        run_id,
        lambda run: {
            **run,
            **fields,
            "tags": {**run["tags"], **(tags or {})},
            "properties": {**run["properties"], **(properties or {})},
        },
    )


def add_or_modify(store: Store, experiment_id: str, wanted: Mapping[str, Any]) -> Document:
    """Do what a client asks in a ``CreateRunDto``: make a run, or change it if it is there.

    Raises:
        BadRequest: It would change what cannot change: parent, or the value of a property.
        Conflict: The run is one of another experiment.
        NotFound: There is no such parent.
    """
    run_id = str(wanted.get("runId"))
    parent_id = wanted.get("parentRunId")
    with store.transaction():
        run = find_run(store, run_id) or create_run(
            store,
            experiment_id,
            run_id,
            parent_run_id=parent_id,
            name=wanted.get("name"),
            _byClient=True,
        )
        if run["experimentId"] != experiment_id:
            raise Conflict(f"Run '{run_id}' is one of another experiment")
        if parent_id not in {None, run["parentRunId"]}:
            raise BadRequest(f"Run '{run_id}' cannot become a child of '{parent_id}'")
        return store.update(_RUN, run_id, lambda run: changed(run, wanted, store.clock.text()))


def remove_tags(store: Store, run_id: str, keys: Iterable[str]) -> Document:
    """Remove tags of a run; one that is not there is no error."""
    gone = set(keys)
    return store.update(_RUN, run_id, lambda run: {**run, "tags": _without(run["tags"], gone)})


def add_warning(store: Store, run_id: str, source: str, message: str) -> Document:
    """Add a warning to a run."""
    warning = {"source": source, "message": message}
    return store.update(_RUN, run_id, lambda run: {**run, "warnings": [*run["warnings"], warning]})


def set_error(store: Store, run_id: str, error: Mapping[str, Any] | str) -> Document:
    """Say why a run fails, as an ``ErrorResponse`` or a message; its status stays."""
    return store.update(_RUN, run_id, lambda run: blamed(run, error))


def _active(store: Store, name: str) -> Document | None:
    known = store.list(_EXPERIMENT, name=name)
    return next((found for found in known if not found.get("archivedTime")), None)


def _without(values: Mapping[str, str], keys: set[str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if key not in keys}


def _creator() -> dict[str, str]:
    me = Identity()
    return {
        "userObjectId": me.user_id,
        "userTenantId": me.tenant_id,
        "userName": me.user_name,
    }
