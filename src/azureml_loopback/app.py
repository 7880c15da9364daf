"""The ordered chain that a request walks: fault, find, let in, check, read, handle, answer, log."""

from __future__ import annotations

import importlib
import json
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_loopback.context import Loopback
from azureml_loopback.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    NotImplementedHere,
    ServiceError,
    TooLarge,
)
from azureml_loopback.faults import Faults
from azureml_loopback.identity import LOCAL
from azureml_loopback.routing import Answer, Call, Route, Routes, RouteTable
from azureml_loopback.services import SERVICE_NAMES

log = logging.getLogger(__name__)

BODY_LIMIT = 128 * 1024 * 1024
"""Bytes; larger things go to the blobs, as in Azure."""


def make_app(
    loopback: Loopback, faults: Faults, request_log: Path, body_limit: int = BODY_LIMIT
) -> ASGIApp:
    """Make the ASGI application."""
    chain = _Chain(loopback, faults, RouteTable(load_services()), request_log, body_limit)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await chain.respond(Request(scope, receive))
        await response(scope, receive, send)

    return app


def load_services() -> Iterable[Routes]:
    """Import every service's routes, and the page's."""
    for name in (*(f"services.{service}" for service in SERVICE_NAMES), "page"):
        module = importlib.import_module(f"azureml_loopback.{name}.routes")
        yield from getattr(module, "services", None) or [module.routes]


@dataclass(frozen=True)
class _Admitted:
    """A request that may be answered: by what, and for whom."""

    host: str
    path: str
    route: Route
    parts: Mapping[str, str]
    principal: str


class _Chain:
    def __init__(
        self,
        loopback: Loopback,
        faults: Faults,
        table: RouteTable,
        request_log: Path,
        body_limit: int,
    ) -> None:
        self._loopback = loopback
        self._faults = faults
        self._table = table
        self._log = request_log.open("a", encoding="utf-8", buffering=1)
        self._body_limit = body_limit

    async def respond(self, request: Request) -> Response:
        """Answer one request; whatever happens, it is logged."""
        start = time.monotonic()
        error: str | None = None
        try:
            admitted = self._admit(request)
            body = await _read_body(request, self._body_limit)
            response = await run_in_threadpool(self._answer, admitted, request, body)
        except ServiceError as refusal:
            error = str(refusal)
            response = JSONResponse(refusal.body(), refusal.status, refusal.headers)
        except ClientDisconnect:
            error = "the client went away"
            response = Response(status_code=499)
        except Exception as failure:
            log.exception("%s %s", request.method, request.url.path)
            error = f"{type(failure).__name__}: {failure}"
            message = f"The loopback failed: {error}"
            body_ = {"error": {"code": "ServiceError", "message": message, "details": []}}
            response = JSONResponse(body_, 500)
        self._record(request, response.status_code, time.monotonic() - start, error)
        return response

    def _admit(self, request: Request) -> _Admitted:
        host, path = _destination(request)
        direct = host in LOCAL
        if not direct and not self._loopback.identity.is_service_host(host):
            raise Forbidden(f"{host} is not one of the loopback's hosts")
        if not direct:
            self._faults.check_request(request.method, path)
        try:
            route, parts = self._table.match(request.method, path, direct=direct)
        except NotImplementedHere:
            self._principal(request)  # what there is not, only who holds a token may ask
            raise
        principal = "" if route.open else self._principal(request)
        parts = {name: unquote(value) for name, value in parts.items()}
        self._check_scope(parts)
        self._table.check_query(route, request.query_params.keys())
        return _Admitted(host, path, route, parts, principal)

    def _answer(self, admitted: _Admitted, request: Request, body: bytes) -> Response:
        call = Call(
            method=request.method,
            host=admitted.host,
            path=admitted.path,
            parts=admitted.parts,
            query=dict(request.query_params),
            headers=request.headers,
            body=body,
            loopback=self._loopback,
            principal=admitted.principal,
        )
        try:
            return _response(admitted.route.handler(call))
        except UnicodeEncodeError as failure:  # JSON can escape what no text may hold
            raise BadRequest(f"The request holds text that is not Unicode: {failure}") from None

    def _principal(self, request: Request) -> str:
        return self._loopback.tokens.principal(request.headers.get("authorization"))

    def _check_scope(self, parts: Mapping[str, str]) -> None:
        """Refuse another workspace's path."""
        identity = self._loopback.identity
        ours = {
            "subscription": identity.subscription_id,
            "resource_group": identity.resource_group,
            "workspace": identity.workspace_name,
        }
        for name, value in ours.items():
            if name in parts and parts[name].lower() != value.lower():
                raise NotFound(
                    f"There is no {name.replace('_', ' ')} '{parts[name]}' here; "
                    f"the loopback's is '{value}'"
                )

    def _record(self, request: Request, status: int, seconds: float, error: str | None) -> None:
        secret = self._loopback.tokens.secret  # a token endpoint's address holds it
        entry: dict[str, Any] = {
            "time": self._loopback.clock.text(),
            "method": request.method,
            "host": request.headers.get("host", ""),
            "path": _target(request).replace(secret, "…"),
            "query": sorted(request.query_params.keys()),
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        if error:
            entry["error"] = error.replace(secret, "…")
        self._log.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _target(request: Request) -> str:
    """Return the request's target as it was sent, without the query."""
    raw: bytes = request.scope.get("raw_path", b"")
    return raw.decode("latin-1").partition("?")[0]


def _destination(request: Request) -> tuple[str, str]:
    """Return the host that is asked, and the path: an address in full outdoes the Host header.

    Raises:
        BadRequest: The address is none.
    """
    target = _target(request)
    if target.startswith("/"):
        # the SDK asks Azure Resource Manager for //subscriptions/…, and Azure does not mind
        path = f"/{target.lstrip('/')}"
        return (request.headers.get("host") or "").partition(":")[0].lower(), path
    try:
        address = urlsplit(target)
        return address.hostname or "", address.path or "/"
    except ValueError as error:
        raise BadRequest(f"The request's address is none: {error}") from None


async def _read_body(request: Request, limit: int) -> bytes:
    too_large = TooLarge(f"The body is larger than {limit} bytes")
    declared = request.headers.get("content-length", "0")
    if int(declared) > limit:  # the server let digits through only
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def _response(result: Any) -> Response:
    if result is None:
        return Response(status_code=204)
    answer = result if isinstance(result, Answer) else Answer(result)
    headers = dict(answer.headers)
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    if isinstance(answer.body, bytes):
        kind = answer.content_type or "application/octet-stream"
        return Response(answer.body, answer.status, headers, kind)
    if answer.content_type:
        return Response(str(answer.body), answer.status, headers, answer.content_type)
    return JSONResponse(answer.body, answer.status, headers)
