"""The running service: Azurite, the app and the proxy, started and stopped together."""

from __future__ import annotations

import base64
import json
import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import anyio
import uvicorn
from anyio.abc import Listener, SocketAttribute, SocketStream
from starlette.types import ASGIApp

from azureml_loopback import azurite
from azureml_loopback.app import make_app
from azureml_loopback.blobs import Blobs
from azureml_loopback.context import Loopback
from azureml_loopback.execution.engine import LocalEngine, Options
from azureml_loopback.faults import Faults
from azureml_loopback.home import Home, client_environment, write_private
from azureml_loopback.identity import Identity
from azureml_loopback.proxy import Proxy
from azureml_loopback.store import Store
from azureml_loopback.tokens import Tokens

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 60
"""Longer than an SDK's pause between two polls: its next request meets no closed connection."""


class _Server(uvicorn.Server):
    """Leaves the signals to us: three services end together."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(home: Home, options: Options) -> None:
    """Run the service until it is told to stop (SIGTERM, or Ctrl-C).

    Args:
        home: Its folder.
        options: How it runs.

    Raises:
        AzuriteError: The blob service does not start.
    """
    anyio.run(partial(_serve, home, options))


async def _serve(home: Home, options: Options) -> None:
    identity, faults = Identity(workspace_id=home.workspace_id()), Faults()
    key = _storage_key(home)
    child, blob_port = azurite.start(
        home.blobs, identity.storage_account, key, home.folder / "azurite.log"
    )
    try:
        with socket.create_server(("127.0.0.1", 0)) as service_socket:
            listener = await _listen(home)
            port = listener.extra(SocketAttribute.local_port)
            environment = client_environment(home, port)
            engine = LocalEngine(options)
            loopback = Loopback(
                identity=identity,
                home=home,
                store=Store(home.database),
                blobs=Blobs(
                    identity.storage_account,
                    key,
                    identity.blob_host,
                    blob_port,
                    identity.blob_container,
                ),
                tokens=Tokens(identity, home.secret()),
                faults=faults,
                engine=engine,
                environment=environment,
            )
            service_port = service_socket.getsockname()[1]
            proxy = Proxy(identity, home.authority(), service_port, blob_port, faults)
            app = make_app(loopback, faults, home.request_log)
            server = _Server(_http(app))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(server.serve, sockets=[service_socket]))
                tasks.start_soon(listener.serve, proxy.handle)
                loopback.blobs.prepare()
                engine.start(loopback)
                _say_where(home, port, child.pid)
                with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    async for _ in signals:
                        break
                engine.stop()
                server.should_exit = True
                tasks.cancel_scope.cancel()
    finally:
        home.server_file.unlink(missing_ok=True)
        child.terminate()
        child.wait()


def _http(app: ASGIApp) -> uvicorn.Config:
    # h11 by name, so that it is the same server wherever more is installed, and a strict one
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        log_level="warning",
        access_log=False,
    )


async def _listen(home: Home) -> Listener[SocketStream]:
    """Listen where the service did before, so that its clients find it; else on a free port."""
    listen = partial(anyio.create_tcp_listener, local_host="127.0.0.1")
    try:
        return await listen(local_port=int(home.port_file.read_text(encoding="ascii")))
    except (OSError, ValueError):  # never started, or the port has been taken
        return await listen(local_port=0)


def _say_where(home: Home, port: int, azurite_pid: int) -> None:
    values = {"pid": os.getpid(), "port": port, "azurite_pid": azurite_pid}
    write_private(home.port_file, str(port).encode())
    write_private(home.server_file, json.dumps(values).encode())
    log.warning("the loopback listens on 127.0.0.1:%d", port)


def _storage_key(home: Home) -> str:
    """Return the storage account's shared key, made at first use."""
    path = home.folder / "storage.key"
    if not path.exists():
        write_private(path, base64.b64encode(secrets.token_bytes(64)))
    return path.read_text(encoding="ascii")
