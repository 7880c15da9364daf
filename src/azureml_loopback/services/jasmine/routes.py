"""AutoML over HTTP."""

from __future__ import annotations

from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import NotImplementedHere
from azureml_loopback.routing import Call, Routes
from azureml_loopback.services.history import state as history
from azureml_loopback.services.jasmine import state

routes = Routes("/jasmine/v1.0/{scope}/experimentids/{experiment}")

ENDINGS = {"failed": "Failed", "canceled": "Canceled", "completed": "Completed"}
"""Status as the SDK says it -> as the history does."""


_SEVERITY = 2
"""Of whatever is found wrong here: the SDK asks for all up to 2."""


@routes.post("validation", query=("maximumSeverity", "flight"))
def validate(call: Call) -> Any:
    """Check settings and data: an empty answer if all is well, else what is wrong."""
    if call.query.get("flight", "Prod") != "Prod":
        raise NotImplementedHere(f"Validation flight '{call.query['flight']}'")
    request = wire.check("restclient.CreateParentRun", call.object())
    found = state.findings(call.loopback.store, request)
    if not found or int(call.query.get("maximumSeverity", _SEVERITY)) < _SEVERITY:
        return None
    details = [{"code": "UserError", "severity": _SEVERITY, "message": text} for text in found]
    error = {"code": "UserError", "message": found[0], "details": details}
    return wire.answer("restclient.ErrorResponse", {"error": error})


@routes.post("getCuratedEnvironment", query=("addPrefix",))
def curated_environment(call: Call) -> Any:
    """Return the environment that AutoML runs in."""
    wanted = wire.check("restclient.AutoMLCuratedEnvInput", call.object())
    for name in ("enableDNN", "enableGpu", "labelOverride"):
        if wanted.get(name):
            raise NotImplementedHere(f"AutoMLCuratedEnvInput.{name}: there is one environment here")
    answer = {"version": 1, "environment": dict(state.CURATED_ENVIRONMENT)}
    return wire.answer("restclient.AutoMLCuratedEnvOutput", answer)


@routes.post("run")
def create_run(call: Call) -> str:
    """Make an AutoML run."""
    request = wire.check("restclient.CreateParentRun", call.object())
    return state.create_run(call.loopback.store, call.parts["experiment"], request)


@routes.post("runs/{run}/submitSnapshotRun", query=("snapshotId",))
def submit(call: Call) -> dict[str, str]:
    """Start an AutoML run."""
    definition = wire.check("restclient.RunDefinition", call.object())
    if call.query.get("snapshotId"):
        raise NotImplementedHere("An AutoML run with a data script is not implemented")
    state.submit(call.loopback, call.parts["run"], definition)
    return {"runId": call.parts["run"]}


@routes.post("cancelrun/{run}")
def cancel(call: Call) -> dict[str, str]:
    """Stop an AutoML run, or a step of a pipeline that is one."""
    run = history.get_run(call.loopback.store, call.parts["run"])
    call.loopback.engine.cancel(run["runId"])
    return {}


@routes.post("runs/{run}/changerunstatus/{status}")
def change_status(call: Call) -> dict[str, str]:
    """End a run, as the SDK does when it could not start it."""
    status = ENDINGS.get(call.parts["status"].lower())
    if status is None:
        raise NotImplementedHere(f"Status '{call.parts['status']}' of an AutoML run")
    history.set_status(call.loopback.store, call.parts["run"], status)
    return {}
