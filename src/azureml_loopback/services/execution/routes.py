"""The execution service's routes: a script is submitted by its snapshot."""

from __future__ import annotations

import json
from contextlib import suppress
from email import message_from_bytes
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from azureml_loopback.errors import BadRequest, NotImplementedHere
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.execution import state
from azureml_loopback.services.history import state as history

routes = Routes("/execution/v1.0/{scope}/experiments/{experiment}")

_IGNORED = {"TelemetryValues"}
_FIELDS = {"Configuration", "SnapshotId", "ParentRunId", *_IGNORED}


@routes.post("snapshotrun", query=("runId",))
def submit(call: Call) -> dict[str, Any]:
    """Run a script of a snapshot."""
    definition = _checked(call.object())
    if not definition.get("SnapshotId"):
        raise BadRequest("A script run needs SnapshotId")
    run = state.submit(call.loopback, *_place(call), definition)
    return {"runId": run["runId"]}


@routes.post("localrun", query=("runId",))
def submit_locally(call: Call) -> Answer:
    """Make a run on the client's own machine, and tell the client what to do for it: nothing.

    Azure answers with the programs that run the script where the client is. That is here, so the
    service does it, as soon as the client has named the snapshot.
    """
    definition = _checked(_definition(call))
    state.announce_local(call.loopback, *_place(call), definition)
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        archive.writestr("azureml-setup/Invocation.sh", "#!/bin/sh\n")
    return Answer(packed.getvalue(), content_type="application/zip")


def _place(call: Call) -> tuple[str, str]:
    """Return experiment and id of the run that is asked for."""
    experiment = history.ensure_experiment(call.loopback.store, call.parts["experiment"])
    return experiment["experimentId"], call.query.get("runId") or call.loopback.store.new_id()


def _checked(definition: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in definition.items() if value is not None}
    unknown = sorted(given.keys() - _FIELDS)
    if unknown:
        raise NotImplementedHere(f"A script run's {unknown[0]} is not implemented")
    if not isinstance(given.get("Configuration"), dict):
        raise BadRequest("A script run needs Configuration")
    return given


def _definition(call: Call) -> dict[str, Any]:
    """Return the run's definition from a form, whose other part is a copy of configuration files.

    Raises:
        BadRequest: There is none.
    """
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n"
    form = message_from_bytes(head.encode() + call.body)
    for part in form.walk():
        content = part.get_payload(decode=True)
        if part.get_filename() == "definition.json" and isinstance(content, bytes):
            with suppress(ValueError):
                found = json.loads(content)
                if isinstance(found, dict):
                    return found
    raise BadRequest("A local run needs a form with a JSON object as definition.json")
