"""The execution service's routes: a script is submitted by its snapshot."""

from __future__ import annotations

from typing import Any

from azureml_loopback.errors import BadRequest, NotImplementedHere
from azureml_loopback.routing import Call, Routes
from azureml_loopback.services.execution import state
from azureml_loopback.services.history import state as history

routes = Routes("/execution/v1.0/{scope}/experiments/{experiment}")

_IGNORED = {"TelemetryValues"}
_FIELDS = {"Configuration", "SnapshotId", "ParentRunId", *_IGNORED}


@routes.post("snapshotrun", query=("runId",))
def submit(call: Call) -> dict[str, Any]:
    """Run a script of a snapshot."""
    body = {name: value for name, value in call.object().items() if value is not None}
    unknown = sorted(body.keys() - _FIELDS)
    if unknown:
        raise NotImplementedHere(f"A script run's {unknown[0]} is not implemented")
    if not isinstance(body.get("Configuration"), dict) or not body.get("SnapshotId"):
        raise BadRequest("A script run needs Configuration and SnapshotId")
    experiment = history.ensure_experiment(call.loopback.store, call.parts["experiment"])
    run_id = call.query.get("runId") or call.loopback.store.new_id()
    run = state.submit(call.loopback, experiment["experimentId"], run_id, body)
    return {"runId": run["runId"]}


@routes.post("localrun", "localprepare", query=("runId",))
def submit_locally(call: Call) -> None:
    """Refuse a run on the client's own machine, and say what to do instead.

    Raises:
        NotImplementedHere: Always.
    """
    raise NotImplementedHere(
        "Runs on the target 'local' are not implemented by the loopback service. Give the run an "
        "AmlCompute cluster as compute_target: it runs on this machine all the same"
    )
