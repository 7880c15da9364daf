"""HTTP around a scorer, with the paths of Azure ML's own inference server."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from azureml_deploy.errors import UsageError
from azureml_deploy.remote.scorer import RequestError, Scorer, read_request
from azureml_deploy.serving.models import ServedModel

BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of one request: some hundred thousand rows."""

log = logging.getLogger(__name__)


def make_app(scorer: Scorer, model: ServedModel) -> Starlette:
    """Make the ASGI application.

    Args:
        scorer: What answers.
        model: What is served.
    """

    async def score(request: Request) -> Response:
        try:
            records = read_request(await _body(request))
            return JSONResponse({"result": await run_in_threadpool(scorer.score, records)})
        except RequestError as refusal:
            return JSONResponse(refusal.body(), refusal.status)
        except Exception as error:
            log.exception("A request failed")
            message = f"Scoring failed with {type(error).__name__}; the server's log says where"
            return JSONResponse({"error": {"message": message}}, 500)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("Healthy")

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "Healthy", "model": asdict(model)})

    async def swagger(_: Request) -> Response:
        return JSONResponse(_description(model))

    return Starlette(
        routes=[
            Route("/", healthy),
            Route("/health", health),
            Route("/swagger.json", swagger),
            Route("/score", score, methods=["POST"]),
        ]
    )


def listen(host: str, port: int) -> socket.socket:
    """Take a port.

    Args:
        host: Address to listen at.
        port: The port; 0 for any that is free.

    Raises:
        UsageError: The address cannot be had.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    # a server that has just ended leaves its port in TIME_WAIT
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # who reads the address that is printed next may connect at once
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"Port {port} of {host} cannot be had ({reason}): choose another with --port, or 0 for "
            "any that is free"
        ) from None
    return listener


def serve(app: Starlette, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C or SIGTERM; those that are being answered are finished."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise RequestError(413, f"The body is larger than {BODY_LIMIT} bytes: send fewer rows")
        parts.append(part)
    return b"".join(parts)


def _description(model: ServedModel) -> dict[str, Any]:
    """Describe the endpoint as OpenAPI does."""
    rows = {"type": "array", "minItems": 1, "items": {"type": "object"}}
    data = {"type": "object", "required": ["data"], "properties": {"data": rows}}
    result = {"type": "object", "properties": {"result": {"type": "array", "items": {}}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": model.name, "version": model.version},
        "paths": {
            "/score": {
                "post": {
                    "operationId": "score",
                    "requestBody": {"required": True, "content": _json({"oneOf": [data, rows]})},
                    "responses": {
                        "200": {"description": "The rows' answers", "content": _json(result)},
                        "400": {"description": "The body is no list of records"},
                        "422": {"description": "Records break the contract; each place is named"},
                    },
                }
            },
            "/health": {"get": {"responses": {"200": {"description": "What is served"}}}},
        },
    }


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
