"""The ordered chain that a request walks: read, fault, find, let in, check, handle, answer, log."""

from __future__ import annotations

import importlib
import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from azureml_loopback.context import Loopback
from azureml_loopback.errors import Forbidden, NotFound, ServiceError, TooLarge
from azureml_loopback.faults import Faults
from azureml_loopback.routing import Answer, Call, Route, Routes, RouteTable
from azureml_loopback.services import SERVICE_NAMES

log = logging.getLogger(__name__)

BODY_LIMIT = 128 * 1024 * 1024
"""Bytes; larger things go to the blobs, as in Azure."""
LOCAL = frozenset({"127.0.0.1", "localhost"})


def make_app(loopback: Loopback, faults: Faults, request_log: Path) -> ASGIApp:
    """Make the ASGI application."""
    chain = _Chain(loopback, faults, RouteTable(load_services()), request_log)
    app = Starlette()
    app.add_route(
        "/{path:path}",
        chain.respond,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"],
    )
    return app


def load_services() -> Iterable[Routes]:
    """Import every service's routes."""
    from importlib.util import find_spec

    for name in SERVICE_NAMES:
        if (
            find_spec(f"azureml_loopback.services.{name}") is None
            or find_spec(f"azureml_loopback.services.{name}.routes") is None
        ):
            continue  # until all is there
        module = importlib.import_module(f"azureml_loopback.services.{name}.routes")
        yield from getattr(module, "services", None) or [module.routes]


class _Chain:
    def __init__(
        self, loopback: Loopback, faults: Faults, table: RouteTable, request_log: Path
    ) -> None:
        self._loopback = loopback
        self._faults = faults
        self._table = table
        self._log = request_log.open("a", encoding="utf-8", buffering=1)

    async def respond(self, request: Request) -> Response:
        """Answer one request; whatever happens, it is logged."""
        start = time.monotonic()
        error: str | None = None
        try:
            body = await _read_body(request)
            response = await run_in_threadpool(self._answer, request, body)
        except ServiceError as refusal:
            error = str(refusal)
            response = JSONResponse(refusal.body(), refusal.status)
        except ClientDisconnect:
            error = "the client went away"
            response = Response(status_code=499)
        except Exception as failure:
            log.exception("%s %s", request.method, request.url.path)
            error = f"{type(failure).__name__}: {failure}"
            body_ = {"error": {"code": "ServiceError", "message": f"The loopback failed: {error}"}}
            response = JSONResponse(body_, 500)
        self._record(request, response.status_code, time.monotonic() - start, error)
        return response

    def _answer(self, request: Request, body: bytes) -> Response:
        host = (request.headers.get("host") or "").partition(":")[0].lower()
        path = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
        direct = host in LOCAL
        if not direct and not self._loopback.identity.is_service_host(host):
            raise Forbidden(f"{host} is not one of the loopback's hosts")
        self._faults.check_request(request.method, path)
        route, parts = self._table.match(request.method, path, direct=direct)
        principal = self._let_in(route, request)
        parts = {name: unquote(value) for name, value in parts.items()}
        self._check_scope(parts)
        self._table.check_query(route, request.query_params.keys())
        call = Call(
            method=request.method,
            host=host,
            path=path,
            parts=parts,
            query=dict(request.query_params),
            headers=request.headers,
            body=body,
            loopback=self._loopback,
            principal=principal,
        )
        return _response(route.handler(call))

    def _let_in(self, route: Route, request: Request) -> str:
        if route.open:
            return ""
        return self._loopback.tokens.principal(request.headers.get("authorization"))

    def _check_scope(self, parts: dict[str, str]) -> None:
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
        entry: dict[str, Any] = {
            "time": self._loopback.clock.text(),
            "method": request.method,
            "host": request.headers.get("host", ""),
            # a token endpoint's address is a secret
            "path": "/msi/…" if request.url.path.startswith("/msi/") else request.url.path,
            "query": sorted(request.query_params.keys()),
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        if error:
            entry["error"] = error
        self._log.write(json.dumps(entry, ensure_ascii=False) + "\n")


async def _read_body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise TooLarge(f"The body is larger than {BODY_LIMIT} bytes")
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
