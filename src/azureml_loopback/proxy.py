"""A TLS forward proxy that answers for Azure's host names and refuses every other host."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
import trustme
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from azureml_loopback.faults import Faults
from azureml_loopback.identity import LOCAL, Identity

log = logging.getLogger(__name__)

HEAD_LIMIT = 64 * 1024
HEAD_SECONDS = 60.0
"""A connection that has said nothing by then is closed."""
CHUNK = 256 * 1024
NOTED = 1000
"""Refusals that are told apart in the log; a client that makes up hosts fills it no further."""
TLS_PORT = "443"
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError)
REASONS: Mapping[int, str] = {400: "Bad Request", 403: "Forbidden", 502: "Bad Gateway"}


class _Refused(Exception):
    """The request goes no further."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Proxy:
    """Where each host's requests go.

    Attributes:
        identity: Knows the hosts that are ours.
        authority: Signs a certificate for each.
        service_port: Of the service's own HTTP.
        blob_port: Of Azurite.
        faults: What is to go wrong.
    """

    identity: Identity
    authority: trustme.CA
    service_port: int
    blob_port: int
    faults: Faults
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)
    _noted: set[str] = field(default_factory=set)

    async def handle(self, client: ByteStream) -> None:
        """Serve one connection until either side closes it."""
        async with client:
            try:
                with anyio.fail_after(HEAD_SECONDS):
                    head, rest = await _read_head(client)
                await self._route(client, head, rest)
            except _Refused as refusal:
                self._note(str(refusal))
                await _refuse(client, refusal)
            except (anyio.EndOfStream, TimeoutError, *_BROKEN):
                pass
            except (OSError, ssl.SSLError) as error:
                log.info("connection ended: %s", error)

    def _note(self, refusal: str) -> None:
        """Log a refusal the first time: the SDK's telemetry asks for its host hundreds of times."""
        if refusal not in self._noted and len(self._noted) < NOTED:
            self._noted.add(refusal)
            log.warning("refused, and not said again: %s", refusal)

    async def _route(self, client: ByteStream, head: bytes, rest: bytes) -> None:
        method, target = _request_line(head)
        if method == "CONNECT":
            host, _, asked = target.rpartition(":")
            port = self._port_of(host.lower(), asked)
            await client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with anyio.fail_after(HEAD_SECONDS):
                secure = await TLSStream.wrap(
                    client,
                    server_side=True,
                    ssl_context=self._context(host.lower()),
                    standard_compatible=False,
                )
            await self._relay(secure, port, b"", host.lower())
            return
        # where the bytes after this head go is settled here: to our own HTTP, whatever they say
        host = (_host_of(target) or "") if "://" in target else "127.0.0.1"
        if host not in LOCAL:
            raise _Refused(403, self._refusal(host))
        await self._relay(client, self.service_port, head + rest, host)

    def _port_of(self, host: str, asked: str) -> int:
        known = self.identity.is_blob_host(host) or self.identity.is_service_host(host)
        if not known or asked != TLS_PORT:
            raise _Refused(403, self._refusal(f"{host}:{asked}" if known else host))
        return self.blob_port if self.identity.is_blob_host(host) else self.service_port

    def _drops(self, host: str) -> bool:
        return host not in LOCAL and self.faults.drops_connection(host)

    def _refusal(self, host: str) -> str:
        if self.identity.is_blob_host(host) or self.identity.is_service_host(host):
            return f"{host} is answered over TLS only: ask https://{host}"
        return f"{host} is not one of the loopback's hosts; nothing leaves this machine"

    def _context(self, host: str) -> ssl.SSLContext:
        if host not in self._contexts:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.authority.issue_cert(host).configure_cert(context)
            self._contexts[host] = context
        return self._contexts[host]

    async def _relay(self, client: ByteStream, port: int, first: bytes, host: str) -> None:
        """Pass bytes on both ways, until one side has no more."""
        try:
            backend = await anyio.connect_tcp("127.0.0.1", port)
        except OSError:
            raise _Refused(502, f"What answers for {host or '127.0.0.1'} is not running") from None
        async with client, backend, anyio.create_task_group() as both:
            if first:
                await backend.send(first)

            async def pump(source: ByteStream, sink: ByteStream) -> None:
                try:
                    while True:
                        data = await source.receive(CHUNK)
                        if source is client and self._drops(host):
                            raise anyio.EndOfStream
                        await anyio.sleep(self.faults.seconds_for(len(data), host))
                        await sink.send(data)
                except (anyio.EndOfStream, *_BROKEN):
                    both.cancel_scope.cancel()

            both.start_soon(pump, client, backend)
            both.start_soon(pump, backend, client)


async def _read_head(client: ByteStream) -> tuple[bytes, bytes]:
    """Read the request's head; return it, and what has come after it."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0 and len(data) <= HEAD_LIMIT:
        data += await client.receive(CHUNK)
    if end < 0 or end > HEAD_LIMIT:
        raise _Refused(400, "The request's head is too long")
    return data[: end + 4], data[end + 4 :]


def _request_line(head: bytes) -> tuple[str, str]:
    parts = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(parts) != 3:
        raise _Refused(400, "The request has no request line")
    return parts[0].upper(), parts[1]


def _host_of(target: str) -> str | None:
    try:
        return urlsplit(target).hostname
    except ValueError as error:
        raise _Refused(400, f"The request's address is none: {error}") from None


async def _refuse(client: ByteStream, refusal: _Refused) -> None:
    text = f"{refusal}\n".encode()
    head = (
        f"HTTP/1.1 {refusal.status} {REASONS[refusal.status]}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    with suppress(*_BROKEN):
        await client.send(head.encode() + text)
