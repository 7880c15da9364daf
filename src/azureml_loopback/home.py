"""The service's folder, and how a client is led to the service."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from azureml_loopback.clock import new_id
from azureml_loopback.identity import Identity
from azureml_loopback.tokens import new_secret

HOME_VARIABLE = "AZUREML_LOOPBACK_HOME"


def default_home() -> Path:
    """Return the folder that is used when none is named."""
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "azureml-loopback"


@dataclass(frozen=True)
class Home:
    """One folder of state.

    Attributes:
        folder: Readable by its owner only.
    """

    folder: Path

    @property
    def database(self) -> Path:
        """Return the SQLite file."""
        return self.folder / "loopback.db"

    @property
    def authority_file(self) -> Path:
        """Return the authority's certificate, which clients trust."""
        return self.folder / "authority.pem"

    @property
    def server_file(self) -> Path:
        """Return the file that says where the running service listens."""
        return self.folder / "server.json"

    @property
    def port_file(self) -> Path:
        """Return the file that remembers the port, for the next start."""
        return self.folder / "port"

    @property
    def server_log(self) -> Path:
        """Return the service's own log."""
        return self.folder / "server.log"

    @property
    def request_log(self) -> Path:
        """Return the log of requests, one JSON object a line."""
        return self.folder / "requests.log"

    @property
    def runs(self) -> Path:
        """Return the folder that steps run in."""
        return self.folder / "runs"

    @property
    def blobs(self) -> Path:
        """Return Azurite's folder."""
        return self.folder / "blobs"

    def prepare(self) -> None:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def secret(self) -> str:
        """Return the service's secret, made at first use."""
        path = self.folder / "secret"
        if not path.exists():
            write_private(path, new_secret().encode())
        return path.read_text(encoding="ascii")

    @property
    def workspace_file(self) -> Path:
        """Return the file that holds the workspace's id."""
        return self.folder / "workspace.id"

    def workspace_id(self) -> str:
        """Return the workspace's id, made at first use and after each reset.

        The SDK keeps the last snapshot of a workspace under its id, and takes an unchanged folder's
        from there without asking; a service that forgot it must not look like the one that had it.
        """
        if not self.workspace_file.exists():
            write_private(self.workspace_file, new_id().encode())
        return self.workspace_file.read_text(encoding="ascii")

    def authority(self) -> trustme.CA:
        """Return the certificate authority, made at first use; its key is its owner's only."""
        key = self.folder / "authority.key"
        if not key.exists():
            authority = trustme.CA(
                organization_name="azureml loopback", key_type=trustme.KeyType.RSA
            )
            write_private(self.authority_file, authority.cert_pem.bytes())
            write_private(key, authority.private_key_pem.bytes())
        return trustme.CA.from_pem(self.authority_file.read_bytes(), key.read_bytes())

    def server(self) -> dict[str, Any] | None:
        """Return pid and ports of the service that was started last; nothing if it was stopped."""
        try:
            values: dict[str, Any] = json.loads(self.server_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return values


def write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner only can read, complete or not at all."""
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(draft).replace(path)


DATA_READER_TRIES = "4"
"""The SDK's data reader asks for seven minutes for what is on the web, unless told to ask less."""


def client_environment(home: Home, port: int) -> dict[str, str]:
    """Return the variables that lead an unmodified SDK to the service.

    Args:
        home: The service's folder.
        port: The proxy's port on 127.0.0.1.
    """
    proxy = f"http://127.0.0.1:{port}"
    local = "127.0.0.1,localhost"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "HTTP_PROXY": proxy,
        "http_proxy": proxy,
        "NO_PROXY": local,
        "no_proxy": local,
        "REQUESTS_CA_BUNDLE": str(home.authority_file),
        "SSL_CERT_FILE": str(home.authority_file),
        "MSI_ENDPOINT": f"{proxy}/msi/{home.secret()}/token",
        "AZUREML_DATASET_HTTP_RETRY_COUNT": DATA_READER_TRIES,
    }


def workspace_config(identity: Identity) -> Mapping[str, str]:
    """Return what config.json says."""
    return {
        "subscription_id": identity.subscription_id,
        "resource_group": identity.resource_group,
        "workspace_name": identity.workspace_name,
    }
