"""Secrets over HTTP."""

from __future__ import annotations

from typing import Any

from azureml_loopback import wire
from azureml_loopback.paging import PAGE, page
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.credential import state

routes = Routes("/credential/v2.0/{scope}")

_SECRET, _BATCH = "restclient.CredentialDto", "restclient.CredentialBatchDto"


@routes.put("secrets")
def put(call: Call) -> Any:
    """Keep a secret."""
    sent = wire.check(_SECRET, call.object())
    return wire.answer(_SECRET, state.put(call.loopback.store, sent))


@routes.put("secrets:putbatch")
def put_several(call: Call) -> Any:
    """Keep several secrets, or none if one of them cannot be."""
    sent = wire.check(_BATCH, call.object()).get("secrets") or []
    store = call.loopback.store
    with store.transaction():
        kept = [state.put(store, secret) for secret in sent]
    return wire.answer(_BATCH, {"secrets": kept, "notFoundSecrets": []})


@routes.get("secrets", query=("continuationToken",))
def listed(call: Call) -> Any:
    """List the secrets' names."""
    part = page(state.names(call.loopback.store), PAGE, call.query.get("continuationToken"))
    values = [{"name": name} for name in part.values]
    answer = {"value": values, "continuationToken": part.token}
    return wire.answer("restclient.PaginatedSecretListItem", answer)


@routes.get("secrets/{name}")
def get(call: Call) -> Any:
    """Return a secret."""
    return wire.answer(_SECRET, state.get(call.loopback.store, call.parts["name"]))


@routes.post("secrets:getbatch")
def get_several(call: Call) -> Any:
    """Return several secrets, and the names of those that there are not."""
    wanted = wire.check(_BATCH, call.object()).get("secrets") or []
    found = {s["name"]: state.find(call.loopback.store, s["name"]) for s in wanted}
    answer = {
        "secrets": [secret for secret in found.values() if secret],
        "notFoundSecrets": [name for name, secret in found.items() if not secret],
    }
    return wire.answer(_BATCH, answer)


@routes.delete("secrets/{name}")
def delete(call: Call) -> Answer:
    """Forget a secret."""
    state.delete(call.loopback.store, call.parts["name"])
    return Answer({})


@routes.post("secrets:deletebatch")
def delete_several(call: Call) -> Answer:
    """Forget several secrets."""
    wanted = wire.check(_BATCH, call.object()).get("secrets") or []
    store = call.loopback.store
    with store.transaction():
        for secret in wanted:
            state.delete(store, secret["name"])
    return Answer({})
