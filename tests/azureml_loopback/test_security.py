"""What the service must refuse, and where it must not listen, write or reach."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
import pytest
from starlette.testclient import TestClient

from azureml_loopback.app import make_app
from azureml_loopback.blobs import Blobs
from azureml_loopback.context import Loopback
from azureml_loopback.faults import Faults
from azureml_loopback.home import Home
from azureml_loopback.identity import Identity
from azureml_loopback.services.content import state as content
from azureml_loopback.store import Store
from azureml_loopback.tokens import Tokens, new_secret

ME = Identity()
SCOPE = ME.arm_scope
SERVICES = ME.services_url
WORKSPACE = f"https://management.azure.com/{SCOPE}"
EXPERIMENTS = f"{SERVICES}/history/v1.0/{SCOPE}/experiments"


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": "user", "iat": now, "nbf": now, "exp": now + 3600, **changes}


@pytest.fixture
def authorized(loopback: Any) -> Iterator[httpx.Client]:
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:
        yield client


# who may ask


@pytest.mark.parametrize(
    "address",
    [
        WORKSPACE,
        f"https://management.azure.com/{SCOPE}/computes/c",
        f"{EXPERIMENTS}/e",
        f"{SERVICES}/datastore/v1.0/{SCOPE}/datastores/workspaceblobstore",
        f"{SERVICES}/content/v1.0/{SCOPE}/snapshots/latest/metadata",
        f"{SERVICES}/there/is/no/such/route",
    ],
)
def test_no_token_no_answer(loopback: Any, address: str) -> None:
    with loopback.client() as client:
        answer = client.get(address)
    assert answer.status_code == 401
    assert "no bearer token" in answer.json()["error"]["message"]


def test_only_its_own_valid_tokens_count(loopback: Any) -> None:
    secret = loopback.home.secret()
    unsigned = jwt.encode(claims(), "", algorithm="none")
    refused = {
        "another service's": Tokens(ME, new_secret()).issue(),
        "expired": jwt.encode(claims(exp=int(time.time()) - 1), secret, algorithm="HS256"),
        "unsigned": unsigned,
        "not begun": jwt.encode(claims(nbf=int(time.time()) + 3600), secret, algorithm="HS256"),
        "no token": "x.y.z",
        "signed with the page's key": jwt.encode(claims(), "0" * 64, algorithm="HS256"),
    }
    for name, token in refused.items():
        with loopback.client(Authorization=f"Bearer {token}") as client:
            assert client.get(WORKSPACE).status_code == 401, name
    basic = base64.b64encode(f":{secret}".encode()).decode()
    with loopback.client(Authorization=f"Basic {basic}") as client:
        assert client.get(WORKSPACE).status_code == 401
    with loopback.client(Authorization=f"Bearer {Tokens(ME, secret).issue()}") as client:
        assert client.get(WORKSPACE).status_code == 200


def test_tokens_are_for_those_who_know_the_secret(loopback: Any) -> None:
    address = f"http://127.0.0.1:{loopback.port}/msi/{new_secret()}/token"
    assert httpx.post(address, data={"resource": "x"}, trust_env=False).status_code == 401


def test_controls_need_a_token_and_the_page_its_key(loopback: Any) -> None:
    here = f"http://127.0.0.1:{loopback.port}"
    for method, path in (("POST", "faults"), ("DELETE", "faults"), ("POST", "clock")):
        answer = httpx.request(method, f"{here}/loopback/{path}", json={}, trust_env=False)
        assert answer.status_code == 401, path


@pytest.mark.parametrize(
    "place",
    [
        "azureml?restype=container&comp=list",
        "azureml/blob",
        "azureml/blob?sig=AAAA&sv=2023-11-03&se=2099-01-01&sp=r&sr=c",
    ],
)
def test_a_blob_without_a_signature_is_not_given(loopback: Any, place: str) -> None:
    with loopback.client(**{"x-ms-version": "2023-11-03"}) as client:
        answer = client.get(f"https://{ME.blob_host}/{place}")
    assert answer.status_code == 403


# what the folder shows to others


def test_secrets_are_their_owners_only(loopback: Any) -> None:
    folder = loopback.home.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("secret", "storage.key", "authority.key", "server.json"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name


def test_no_log_holds_a_secret(loopback: Any) -> None:
    loopback.token()
    token = loopback.token()
    secret = loopback.home.secret()
    unknown = f"http://127.0.0.1:{loopback.port}/msi/{secret}/unknown"
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(unknown, headers=headers, trust_env=False).status_code == 501
    for log in (loopback.home.request_log, loopback.home.server_log):
        text = log.read_text(encoding="utf-8")
        assert secret not in text
        assert token not in text


def test_it_listens_on_127_0_0_1_only(loopback: Any) -> None:
    server = loopback.home.server()
    listening = [
        connection.laddr.ip
        for pid in (server["pid"], server["azurite_pid"])
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3  # proxy, service, blobs
    assert set(listening) == {"127.0.0.1"}


# where a client may get to


def say(port: int, data: bytes) -> bytes:
    """Send bytes as they are; return all that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def through(loopback: Any, host: str, data: bytes) -> bytes:
    """Send bytes through the tunnel to a host; return what comes back first."""
    context = ssl.create_default_context(cafile=str(loopback.home.authority_file))
    with socket.create_connection(("127.0.0.1", loopback.port), timeout=10) as connection:
        connection.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        assert b" 200 " in connection.recv(4096)
        with context.wrap_socket(connection, server_hostname=host) as secure:
            secure.sendall(data)
            return secure.recv(65536)


FOREIGN = [
    "example.com",
    "dc.services.visualstudio.com",
    "169.254.169.254",
    "other.blob.core.windows.net",
    "x.api.azureml.ms.example.com",
    "evilapi.azureml.ms",
    "127.0.0.1",
    "localhost",
]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_gets_no_tunnel(loopback: Any, host: str) -> None:
    answer = say(loopback.port, f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert f"{host} is not one of the loopback's hosts".encode() in answer


def test_a_refused_host_is_logged_once(loopback: Any) -> None:
    for _ in range(3):
        say(loopback.port, b"CONNECT once.example.com:443 HTTP/1.1\r\n\r\n")
    log = loopback.home.server_log.read_text()
    assert log.count("once.example.com is not one of the loopback's hosts") == 1


@pytest.mark.parametrize("port", [22, 80, 8443, "", "443x"])
def test_a_known_host_gets_its_tls_port_only(loopback: Any, port: Any) -> None:
    answer = say(loopback.port, f"CONNECT management.azure.com:{port} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert f"management.azure.com:{port}".encode() in answer


def test_a_foreign_address_over_plain_http_is_refused_by_name(loopback: Any) -> None:
    with httpx.Client(proxy=f"http://127.0.0.1:{loopback.port}", trust_env=False) as client:
        answer = client.post("http://dc.services.visualstudio.com/v2/track", json={})
        assert answer.status_code == 403
        assert "dc.services.visualstudio.com" in answer.text
        answer = client.get(f"http://{ME.blob_host}/azureml")
        assert answer.status_code == 403
        assert f"https://{ME.blob_host}" in answer.text


def test_a_foreign_host_header_is_refused_by_name(loopback: Any) -> None:
    direct = say(
        loopback.port, b"GET / HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n"
    )
    assert direct.startswith(b"HTTP/1.1 403 ")
    assert b"evil.example.com" in direct
    tunnel = through(
        loopback, "management.azure.com", b"GET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n"
    )
    assert tunnel.startswith(b"HTTP/1.1 403 ")
    assert b"evil.example.com" in tunnel


def test_a_later_request_on_a_connection_reaches_no_other_host(loopback: Any) -> None:
    first = b"GET /loopback/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for second in (
        b"GET http://evil.example.com/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n",
    ):
        answers = say(loopback.port, first + second).split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in answers] == [b"200", b"403"]
        assert b"evil.example.com is not one of the loopback's hosts" in answers[1]
    second = b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\nConnection: close\r\n\r\n"
    answers = say(loopback.port, first + second).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"403"]


def test_a_request_of_two_lengths_or_for_two_hosts_is_refused(loopback: Any) -> None:
    head = b"POST /loopback/clock HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    hidden = b"GET /loopback/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    lengths = b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    for data in (head + lengths + hidden, head + b"Host: management.azure.com\r\n\r\n"):
        answer = say(loopback.port, data)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"pid" not in answer


def test_another_account_is_not_in_the_blobs_tunnel(loopback: Any) -> None:
    for host in ("other.blob.core.windows.net", "127.0.0.1"):
        asked = f"GET /azureml?restype=container&comp=list HTTP/1.1\r\nHost: {host}\r\nx-ms-version: 2023-11-03\r\n\r\n"
        answer = through(loopback, ME.blob_host, asked.encode())
        assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 404", b"HTTP/1.1 400")), host


def test_another_workspace_is_not_here(authorized: httpx.Client) -> None:
    other = SCOPE.replace("workspaces/loopback", "workspaces/other")
    answer = authorized.get(f"https://management.azure.com/{other}")
    assert answer.status_code == 404
    assert "There is no workspace 'other' here" in answer.text


# what cannot be understood


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(loopback: Any, data: bytes) -> None:
    assert say(loopback.port, data).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[" * 100_000, b"\xff\xfe", b'"text"', b"[]", b"null", b"NaN", b'{"kind": "\\ud800"}', b"1" * 10_000],
)  # fmt: skip
def test_a_body_that_is_no_object_is_refused(authorized: httpx.Client, body: bytes) -> None:
    answer = authorized.post(f"{SERVICES}/pipelines/v1.0/{SCOPE}/Modules", content=body)
    assert answer.status_code in {400, 501}, answer.text
    assert answer.json()["error"]["message"]


def test_text_that_is_not_unicode_is_refused(authorized: httpx.Client) -> None:
    body = b'{"runId": "r", "name": "\\ud800", "status": "\\udfff"}'
    answer = authorized.patch(f"{EXPERIMENTS}/\ufffd/runs/%ff%fe", content=body)
    assert 400 <= answer.status_code < 502
    assert answer.status_code != 500, answer.text


# what is too large


@pytest.fixture
def small(tmp_path: Path) -> Iterator[TestClient]:
    """The app alone, taking bodies of a thousand bytes at most."""
    home = Home(tmp_path)
    tokens = Tokens(ME, home.secret())
    blobs = Blobs(ME.storage_account, "", ME.blob_host, 0, ME.blob_container)
    store, faults = Store(":memory:"), Faults()
    engine: Any = None  # nothing is submitted
    loopback = Loopback(ME, home, store, blobs, tokens, faults, engine, {})
    app = make_app(loopback, faults, home.request_log, body_limit=1000)
    headers = {"Authorization": f"Bearer {tokens.issue()}"}
    yield TestClient(app, SERVICES, headers=headers)
    store.close()


def test_a_body_over_the_limit_is_refused(small: TestClient) -> None:
    address = f"/pipelines/v1.0/{SCOPE}/DataTypes"
    fits = json.dumps({"Id": "a", "Name": "a"}).ljust(1000).encode()
    assert small.post(address, content=fits).status_code == 200
    assert small.post(address, content=fits + b" ").status_code == 413
    unannounced = small.post(address, content=iter([b"x" * 600, b"x" * 600]))
    assert unannounced.status_code == 413
    assert "larger than 1000 bytes" in unannounced.json()["error"]["message"]


def test_an_announced_giant_is_refused_before_it_is_sent(loopback: Any) -> None:
    head = (
        f"POST /pipelines/v1.0/{SCOPE}/DataTypes HTTP/1.1\r\nHost: {ME.services_host}\r\n"
        f"Authorization: Bearer {loopback.token()}\r\nContent-Length: 200000000\r\n\r\n"
    )
    answer = through(loopback, ME.services_host, head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")


# what would leave its folder

UPWARDS = ["../x", "/etc/x", "a/../../x", "a//x", "./x", "..", "", "a\\..\\x", "a\0x"]


@pytest.mark.parametrize("path", UPWARDS)
def test_a_snapshot_entry_stays_in_its_folder(authorized: httpx.Client, path: str) -> None:
    snapshots = f"{SERVICES}/content/v2.0/{SCOPE}/snapshots"
    answer = authorized.post(f"{snapshots}/getblob", json={"FileNames": [path]})
    assert answer.status_code == 400
    entry = {"name": path, "type": "File", "hash": "0", "timestamp": None, "children": {}}
    tree = {"name": "", "type": "Directory", "hash": None, "children": {path: entry}}
    body = {"DirTreeNode": tree, "FileRevisionList": {"FileNodes": []}}
    answer = authorized.post(f"{snapshots}/11111111-1111-4111-8111-111111111111", json=body)
    assert answer.status_code == 400
    assert "no name of a file" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", [path for path in UPWARDS if path not in {"a//x", "./x"}])
def test_an_artifact_stays_in_its_container(authorized: httpx.Client, path: str) -> None:
    body = {"origin": "ExperimentRun", "container": "dcid.r", "path": path}
    answer = authorized.post(f"{SERVICES}/artifact/v2.0/{SCOPE}/artifacts/metadata", json=body)
    assert answer.status_code == 400
    assert "no artifact name" in answer.json()["error"]["message"]


class _Bytes:
    """Stands for the storage account: every blob is so many bytes."""

    def __init__(self, size: int) -> None:
        self.size = size

    def download_to(self, container: str, name: str, target: Any) -> None:
        for _ in range(self.size):
            target.write(b"x")


def unpack(tmp_path: Path, files: list[str], *, size: int = 1) -> None:
    store = Store(":memory:")
    document = {"id": "s", "root": {}, "_files": dict.fromkeys(files, "Snapshots/b")}
    store.insert("snapshot", "s", document)
    home, blobs = Home(tmp_path), _Bytes(size)
    given: Any = (ME, home, store, blobs, Tokens(ME, "s"), Faults(), None, {})
    content.unpack(Loopback(*given), "s", tmp_path / "step")


def test_a_snapshot_is_unpacked_within_its_folder_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MAX_BYTES", 10)
    unpack(tmp_path, ["a/b", "c"], size=5)
    assert (tmp_path / "step" / "a" / "b").read_bytes() == b"xxxxx"
    with pytest.raises(Exception, match="larger than 10 bytes"):
        unpack(tmp_path, ["a/b", "c", "d"], size=5)


def test_a_link_leads_nothing_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "step").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "step" / "folder").symlink_to(outside)
    (tmp_path / "step" / "file").symlink_to(outside / "file")
    for path in ("folder/x", "file"):
        with pytest.raises(Exception, match="leads out of its folder"):
            unpack(tmp_path, [path])
    assert not list(outside.iterdir())


def test_a_credential_for_another_cloud_is_not_tried(loopback: Any, workspace: Any) -> None:
    """Nothing leaves the machine, not even to look whether a storage account is there."""
    from azureml.core import Datastore

    with pytest.raises(Exception, match="elsewhere"):
        Datastore.register_azure_blob_container(
            workspace, "foreign", "data", "elsewhere", account_key="a2V5", overwrite=True
        )
