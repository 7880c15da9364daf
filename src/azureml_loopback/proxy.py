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
from azureml_loopback.identity import Identity

log = logging.getLogger(__name__)

HEAD_LIMIT = 64 * 1024
CHUNK = 256 * 1024
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

    async def handle(self, client: ByteStream) -> None:
        """Serve one connection until either side closes it."""
        async with client:
            try:
                head, rest = await _read_head(client)
                await self._route(client, head, rest)
            except _Refused as refusal:
                log.warning("refused: %s", refusal)
                await _refuse(client, refusal)
            except (anyio.EndOfStream, *_BROKEN):
                pass
            except (OSError, ssl.SSLError) as error:
                log.info("connection ended: %s", error)

    async def _route(self, client: ByteStream, head: bytes, rest: bytes) -> None:
        method, target = _request_line(head)
        if method == "CONNECT":
            host = target.rpartition(":")[0].lower()
            port = self._port_of(host)
            await client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            secure = await TLSStream.wrap(
                client,
                server_side=True,
                ssl_context=self._context(host),
                standard_compatible=False,
            )
            await self._relay(secure, port, b"", host)
            return
        host = (urlsplit(target).hostname or "").lower() if "://" in target else ""
        if host and host not in {"127.0.0.1", "localhost"}:
            raise _Refused(403, _refusal(host))
        await self._relay(client, self.service_port, head + rest, host)

    def _port_of(self, host: str) -> int:
        if self.identity.is_blob_host(host):
            return self.blob_port
        if self.identity.is_service_host(host):
            return self.service_port
        raise _Refused(403, _refusal(host))

    def _context(self, host: str) -> ssl.SSLContext:
        if host not in self._contexts:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.authority.issue_cert(host).configure_cert(context)
            self._contexts[host] = context
        return self._contexts[host]

    async def _relay(self, client: ByteStream, port: int, first: bytes, host: str) -> None:
        """Pass bytes on both ways, until one side has no more."""
        if await self.faults.drops_connection(host):
            return
        try:
            backend = await anyio.connect_tcp("127.0.0.1", port)
        except OSError:
            raise _Refused(502, f"What answers for {host or '127.0.0.1'} is not running") from None
        pace = self.faults.pace(host)
        async with client, backend, anyio.create_task_group() as both:
            if first:
                await backend.send(first)

            async def pump(source: ByteStream, sink: ByteStream) -> None:
                try:
                    while True:
                        data = await source.receive(CHUNK)
                        await anyio.sleep(pace(len(data)))
                        await sink.send(data)
                except (anyio.EndOfStream, *_BROKEN):
                    both.cancel_scope.cancel()

            both.start_soon(pump, client, backend)
            both.start_soon(pump, backend, client)


async def _read_head(client: ByteStream) -> tuple[bytes, bytes]:
    """Read the request's head; return it, and what has come after it."""
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > HEAD_LIMIT:
            raise _Refused(400, "The request's head is too long")
        data += await client.receive(CHUNK)
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _request_line(head: bytes) -> tuple[str, str]:
    parts = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(parts) != 3:
        raise _Refused(400, "The request has no request line")
    return parts[0].upper(), parts[1]


def _refusal(host: str) -> str:
    return f"{host} is not one of the loopback's hosts; nothing leaves this machine"


async def _refuse(client: ByteStream, refusal: _Refused) -> None:
    text = f"{refusal}\n".encode()
    head = (
        f"HTTP/1.1 {refusal.status} {REASONS[refusal.status]}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    with suppress(*_BROKEN):
        await client.send(head.encode() + text)
