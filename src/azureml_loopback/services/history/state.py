"""Experiments and runs, in the wire's own shape (``ExperimentDto``, ``RunDto``).

Fields that begin with ``_`` are the service's own: ``_statuses`` (each status with its time),
``_inputDatasets``, ``_outputDatasets`` (which ``RunDetailsDto`` has and ``RunDto`` has not).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.identity import Identity
from azureml_loopback.store import Document, Store

RUNNING = ("NotStarted", "Queued", "Preparing", "Running", "Finalizing", "CancelRequested")
"""Statuses of a run that goes on."""
TERMINAL = ("Completed", "Failed", "Canceled")
"""Statuses that a run never leaves."""

_EXPERIMENT = "experiment"
_RUN = "run"
_EXPERIMENT_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,254}")
_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,254}")


def ensure_experiment(store: Store, name: str) -> Document:
    """Return the experiment of that name, made if it is missing.

    Raises:
        BadRequest: No experiment can have that name.
    """
    if not _EXPERIMENT_NAME.fullmatch(name):
        raise BadRequest(
            f"'{name}' is no experiment name: use letters, digits, '_' and '-', at most 255, "
            "beginning with a letter or digit"
        )
    with store.transaction():
        known = store.list(_EXPERIMENT, name=name)
        if known:
            return known[0]
        experiment_id = store.new_id()
        document = {
            "experimentId": experiment_id,
            "name": name,
            "createdUtc": store.clock.text(),
            "tags": {},
        }
        return store.insert(_EXPERIMENT, experiment_id, document, name=name)


def experiment_named(store: Store, name: str) -> Document:
    """Return an experiment by name.

    Raises:
        NotFound: There is none.
    """
    known = store.list(_EXPERIMENT, name=name)
    if not known:
        raise NotFound(f"There is no experiment '{name}'")
    return known[0]


def get_experiment(store: Store, experiment_id: str) -> Document:
    """Return an experiment by id.

    Raises:
        NotFound: There is none.
    """
    return store.get(_EXPERIMENT, experiment_id)


def experiments(store: Store) -> list[Document]:
    """Return all experiments, oldest first."""
    return store.list(_EXPERIMENT)


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
    if not _RUN_ID.fullmatch(run_id):
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
            **fields,
        }
        store.insert(
            _RUN,
            run_id,
            _moved(document, status, now),
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
        status: One of `RUNNING` or `TERMINAL`.
        error: Why it failed: a message, or an ``ErrorResponse``.

    Returns:
        The run, as it is now.

    Raises:
        NotFound: There is no such run.
        BadRequest: There is no such status.
    """
    return store.update(
        _RUN, run_id, lambda run: _moved(_blamed(run, error), status, store.clock.text())
    )


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
    return store.update(_RUN, run_id, lambda run: _blamed(run, error))


def _moved(run: Document, status: str, now: str) -> Document:
    """Return the run in another status, with the times that belong to it."""
    if status not in RUNNING and status not in TERMINAL:
        raise BadRequest(f"'{status}' is no status: use one of {', '.join((*RUNNING, *TERMINAL))}")
    before = run["status"]
    asked_to_stop = before == "CancelRequested" and status in RUNNING
    if before in TERMINAL or asked_to_stop or (before == status and run["_statuses"]):
        return run
    moved = {
        **run,
        "status": status,
        "_statuses": [*run["_statuses"], {"status": status, "time": now}],
    }
    if status == "Running" and not run.get("startTimeUtc"):
        moved["startTimeUtc"] = now
    if status in TERMINAL:
        moved["endTimeUtc"] = now
    return moved


def _blamed(run: Document, error: Mapping[str, Any] | str | None) -> Document:
    if error is None or run["status"] in TERMINAL:
        return run
    if isinstance(error, str):
        error = {"error": {"code": "UserError", "message": error}}
    return {**run, "error": dict(error)}


def _without(values: Mapping[str, str], keys: set[str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if key not in keys}


def _creator() -> dict[str, str]:
    me = Identity()
    return {
        "userObjectId": me.user_id,
        "userTenantId": me.tenant_id,
        "userName": me.user_name,
    }
