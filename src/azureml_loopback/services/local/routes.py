"""What the loopback has and Azure has not, beside the managed identity's token endpoint."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from azureml_loopback.errors import BadRequest, Unauthorized
from azureml_loopback.faults import fault_from_json
from azureml_loopback.routing import Call, Routes
from azureml_loopback.tokens import LIFETIME, same

identity_routes = Routes("/msi", direct=True)
control_routes = Routes("/loopback", direct=True)
services = [identity_routes, control_routes]


@identity_routes.post("{secret}/token", open_=True)
def token(call: Call) -> dict[str, str]:
    """Give a token to who knows the service's secret, as a managed identity's endpoint does."""
    if not same(call.parts["secret"], call.loopback.tokens.secret):
        raise Unauthorized("This is not the token endpoint's address")
    form = parse_qs(call.body.decode("utf-8", "replace"))
    resource = form.get("resource", ["https://management.azure.com/"])[0]
    return {
        "access_token": call.loopback.tokens.issue(audience=resource),
        "token_type": "Bearer",
        "resource": resource,
        "expires_in": str(int(LIFETIME)),
        "expires_on": str(int(time.time() + LIFETIME)),
    }


@control_routes.get("health", open_=True)
def health(call: Call) -> dict[str, Any]:
    """Say that the service runs, and as which process."""
    return {"status": "running", "pid": os.getpid(), "time": call.loopback.clock.text()}


@control_routes.post("clock")
def advance_clock(call: Call) -> dict[str, str]:
    """Move the service's time forward by ``seconds``."""
    seconds = call.object().get("seconds")
    if not isinstance(seconds, int | float) or seconds < 0:
        raise BadRequest(f"seconds: found {seconds!r}, a number from 0 on is allowed")
    call.loopback.clock.advance(timedelta(seconds=seconds))
    return {"time": call.loopback.clock.text()}


@control_routes.post("faults")
def add_fault(call: Call) -> dict[str, Any]:
    """Let something go wrong from now on."""
    fault = fault_from_json(call.object())
    call.loopback.faults.add(fault)
    return {"kind": fault.kind, "where": fault.where, "value": fault.value, "times": fault.times}


@control_routes.delete("faults")
def clear_faults(call: Call) -> None:
    """Let all be well again."""
    call.loopback.faults.clear()
