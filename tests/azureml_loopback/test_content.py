"""Snapshots: taken and restored by the real SDK; and trees that are not to be trusted."""

from __future__ import annotations

import base64
import copy
import gzip
import hashlib
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from azureml_loopback import azurite, processes
from azureml_loopback.blobs import Blobs
from azureml_loopback.clock import Clock
from azureml_loopback.context import Loopback
from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.home import Home
from azureml_loopback.services.content import state, tree
from azureml_loopback.store import Store

Content = Callable[..., httpx.Response]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "package").mkdir(parents=True)
    (folder / "train.py").write_text("import package\n")
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "two words (é).txt").write_text("x")
    return folder


@pytest.fixture
def snapshots(workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK's own client, with a home folder of its own for the cache that it keeps."""
    from azureml._restclient.snapshots_client import SnapshotsClient

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return SnapshotsClient(workspace.service_context)


@pytest.fixture(scope="module")
def content(loopback: Any, workspace: Any) -> Iterator[Content]:
    """Ask the content service: verb, version and path below ``snapshots``."""
    scope = workspace.service_context._get_workspace_scope()
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:

        def ask(method: str, version: str, path: str, **request: Any) -> httpx.Response:
            base = f"https://loopback.api.azureml.ms/content/{version}{scope}/snapshots"
            return client.request(method, f"{base}/{path}", **request)

        yield ask


def restored(snapshots: Any, snapshot_id: str, folder: Path) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(snapshots.restore_snapshot(snapshot_id, str(folder))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


class TestSnapshots:
    def test_come_back_as_they_were(self, snapshots: Any, source: Path, tmp_path: Path) -> None:
        taken = snapshots.create_snapshot(str(source))
        assert restored(snapshots, taken, tmp_path / "back") == {
            "package/__init__.py": "",
            "package/two words (é).txt": "x",
            "train.py": "import package\n",
        }

    def test_unchanged_are_the_same_snapshot(self, snapshots: Any, source: Path) -> None:
        assert snapshots.create_snapshot(str(source)) == snapshots.create_snapshot(str(source))

    def test_send_only_what_changed(
        self, snapshots: Any, source: Path, tmp_path: Path, loopback: Any
    ) -> None:
        snapshots.create_snapshot(str(source))
        (source / "train.py").write_text("changed\n")
        (source / "package" / "__init__.py").unlink()
        (source / "new.py").write_text("new\n")
        asked = len(loopback.requests())
        taken = snapshots.create_snapshot(str(source))
        posts = [one for one in loopback.requests()[asked:] if "/content/v2.0/" in one["path"]]
        assert [one["path"].rpartition("/")[2] for one in posts] == ["getblob", taken]
        assert restored(snapshots, taken, tmp_path / "back") == {
            "new.py": "new\n",
            "package/two words (é).txt": "x",
            "train.py": "changed\n",
        }

    def test_are_retaken_when_the_service_forgot_the_parent(
        self, snapshots: Any, source: Path, tmp_path: Path
    ) -> None:
        snapshots.create_snapshot(str(source))
        cache = Path(snapshots._cache._get_latest_snapshot_cache_file())
        known = cache.read_text()
        (source / "train.py").write_text("later\n")
        snapshots.create_snapshot(str(source))
        forgotten = known.replace(
            known.rpartition('"snapshot_id": "')[2].partition('"')[0], str(uuid.uuid4())
        )
        cache.write_text(forgotten)
        taken = snapshots.create_snapshot(str(source))
        assert restored(snapshots, taken, tmp_path / "back")["train.py"] == "later\n"

    def test_of_start_logging_belong_to_the_run(
        self,
        workspace: Any,
        snapshots: Any,
        source: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from azureml.core import Experiment

        monkeypatch.chdir(tmp_path)  # the SDK makes folders for outputs and logs where it is
        experiment = Experiment(workspace, "content")
        run = experiment.start_logging(snapshot_directory=str(source))
        run.complete()
        assert run.get_snapshot_id() == run.get_properties()["ContentSnapshotId"]
        (tmp_path / "back").mkdir()
        path = run.restore_snapshot(path=str(tmp_path / "back"))
        assert "train.py" in zipfile.ZipFile(path).namelist()

    def test_are_described(self, snapshots: Any, content: Content, source: Path) -> None:
        first = snapshots.create_snapshot(str(source))
        (source / "train.py").write_text("other\n")
        second = snapshots.create_snapshot(str(source))
        assert content("GET", "v1.0", "latest/metadata").json()["id"] == second
        root = content("GET", "v1.0", f"{first}/metadata").json()["root"]
        assert sorted(root["children"]) == ["package", "train.py"]
        signed = content("GET", "v1.0", f"{first}/sas").json()["children"]["train.py"]["sasUrl"]
        plain = content("GET", "v1.0", f"{first}/storageurls").json()["children"]["train.py"]
        assert signed.partition("?")[0] == plain["sasUrl"]
        place, _, signature = content("GET", "v1.0", first).json().partition("?")
        located = content("GET", "v1.0", f"{first}/fileslocation").json()
        assert located.partition("?")[0] == place
        assert "sig=" in signature
        ids = {"snapshotId1": first, "snapshotId2": second}
        assert content("GET", "v1.0", "diff", params=ids).json() == [
            {"operationType": "Modified", "filePath": "train.py", "isFile": True}
        ]

    def test_unknown_say_what_to_do(self, content: Content) -> None:
        missing = content("POST", "v2.0", f"{uuid.uuid4()}/zip")
        assert (missing.status_code, ".projectcontent" in missing.text) == (404, True)


def file_node(name: str) -> dict[str, Any]:
    return {"name": name, "type": "File", "hash": "h", "timestamp": None, "children": {}}


def root_of(**children: Any) -> dict[str, Any]:
    return {**tree.empty(), "children": children}


class TestRefusals:
    @pytest.mark.parametrize(
        "name", ["..", ".", "", "../up.py", "/etc/passwd", "a/b", "a\\b", "nul\0"]
    )
    def test_entries_that_would_leave_the_folder(self, content: Content, name: str) -> None:
        body = {"DirTreeNode": root_of(**{name: file_node(name)}), "FileRevisionList": None}
        refused = content("POST", "v2.0", str(uuid.uuid4()), json=body)
        assert (refused.status_code, "is no name of a file" in refused.text) == (400, True)
        refused = content("POST", "v2.0", "getblob", json={"FileNames": [f"package/{name}/x/.."]})
        assert refused.status_code == 400

    @pytest.mark.parametrize("kind", ["SymbolicLink", "Link", None])
    def test_entries_that_are_links(self, content: Content, kind: str | None) -> None:
        link = {**file_node("link"), "type": kind, "target": "/etc/passwd"}
        body = {"DirTreeNode": root_of(link=link)}
        refused = content("POST", "v2.0", str(uuid.uuid4()), json=body)
        assert (refused.status_code, "must be a File or a Directory" in refused.text) == (400, True)

    def test_trees_without_end(self, content: Content) -> None:
        root = root_of()
        for _ in range(100):
            root = root_of(deeper=root)
        refused = content("POST", "v2.0", str(uuid.uuid4()), json={"DirTreeNode": root})
        assert (refused.status_code, "folders deep" in refused.text) == (400, True)

    @pytest.mark.parametrize(
        "address",
        [
            "https://elsewhere.blob.core.windows.net/snapshots/x",
            "https://loopbackstorage.blob.core.windows.net/azureml/ExperimentRun/dcid.x/secret",
            "file:///etc/passwd",
        ],
    )
    def test_contents_from_elsewhere(self, content: Content, address: str) -> None:
        body = {
            "DirTreeNode": root_of(a=file_node("a")),
            "FileRevisionList": {"FileNodes": [{"FullName": "a", "BlobUri": address}]},
        }
        refused = content("POST", "v2.0", str(uuid.uuid4()), json=body)
        assert (refused.status_code, "no place that was given out" in refused.text) == (400, True)

    def test_files_without_contents(self, content: Content) -> None:
        body = {"DirTreeNode": root_of(**{"lost.py": file_node("lost.py")})}
        refused = content("POST", "v2.0", str(uuid.uuid4()), json=body)
        assert (refused.status_code, "lost.py" in refused.text) == (400, True)

    def test_fields_that_nobody_knows(self, content: Content) -> None:
        refused = content("POST", "v2.0", str(uuid.uuid4()), json={"Mood": "good"})
        assert (refused.status_code, "Mood" in refused.text) == (501, True)


class TestUnpack:
    """What the engine relies on, with a blob service of its own."""

    @pytest.fixture(scope="class")
    def blobs(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blobs]:
        key = base64.b64encode(b"k" * 64).decode()
        folder = tmp_path_factory.mktemp("blobs")
        child, port = azurite.start(folder, "unpackstorage", key, folder / "log")
        yield Blobs("unpackstorage", key, "unpackstorage.blob.core.windows.net", port, "data")
        child.terminate()
        child.wait()

    @pytest.fixture
    def own(self, blobs: Blobs) -> Loopback:
        store = Store(":memory:", Clock())
        return cast(Loopback, SimpleNamespace(store=store, blobs=blobs, clock=store.clock))

    def keep(self, own: Loopback, files: dict[str, bytes], **settings: Any) -> str:
        """Make a snapshot of files whose bytes are written beforehand."""
        snapshot_id, blobs = str(uuid.uuid4()), {}
        for path, data in files.items():
            blobs[path] = hashlib.sha256(f"{snapshot_id}{path}".encode()).hexdigest()
            own.blobs.container("snapshots").upload_blob(blobs[path], data, **settings)
        document = {"id": snapshot_id, "root": tree.empty(), "_files": blobs}
        own.store.insert("snapshot", snapshot_id, document)
        return snapshot_id

    def test_writes_the_files(self, own: Loopback, tmp_path: Path) -> None:
        big = bytes(range(256)) * 150_000  # more than one of the client's chunks
        kept = self.keep(own, {"a.py": b"print()", "deep/er/b.bin": big, "empty": b""})
        state.unpack(own, kept, tmp_path / "out")
        assert (tmp_path / "out" / "a.py").read_bytes() == b"print()"
        assert (tmp_path / "out" / "deep" / "er" / "b.bin").read_bytes() == big
        assert (tmp_path / "out" / "empty").read_bytes() == b""

    @pytest.mark.parametrize("path", ["../up", "a/../../up", "/tmp/up", "a\\up"])
    def test_never_outside_the_folder(self, own: Loopback, tmp_path: Path, path: str) -> None:
        kept = self.keep(own, {path: b"x"})
        with pytest.raises(BadRequest, match="Snapshot entry"):
            state.unpack(own, kept, tmp_path / "out" / "in")
        assert [found for found in tmp_path.rglob("*") if found.is_file()] == []

    def test_never_through_a_link(self, own: Loopback, tmp_path: Path) -> None:
        (tmp_path / "secret").mkdir()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "link").symlink_to(tmp_path / "secret")
        (tmp_path / "out" / "file").symlink_to(tmp_path / "secret" / "file")
        for path in ("link/x", "file"):
            with pytest.raises(BadRequest, match="leads out of its folder"):
                state.unpack(own, self.keep(own, {path: b"x"}), tmp_path / "out")
        assert list((tmp_path / "secret").iterdir()) == []

    def test_never_more_than_the_limit(
        self, own: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(state, "MAX_BYTES", 1000)
        kept = self.keep(own, {"a": b"x" * 600, "b": b"x" * 600})
        with pytest.raises(BadRequest, match="larger than 1000 bytes"):
            state.unpack(own, kept, tmp_path / "out")
        assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 1000

    def test_never_more_than_the_limit_though_it_comes_packed(
        self, own: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from azure.storage.blob import ContentSettings

        monkeypatch.setattr(state, "MAX_BYTES", 1_000_000)
        bomb = gzip.compress(bytes(50_000_000))
        settings = ContentSettings(content_encoding="gzip")
        kept = self.keep(own, {"bomb": bomb}, content_settings=settings)
        with pytest.raises(BadRequest):
            state.unpack(own, kept, tmp_path / "out")
        assert (tmp_path / "out" / "bomb").stat().st_size <= 1_000_000

    def test_of_nothing_is_an_empty_folder(self, own: Loopback, tmp_path: Path) -> None:
        state.unpack(own, state.latest(own.store)["id"], tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []
        with pytest.raises(NotFound, match=r"\.projectcontent"):
            state.unpack(own, "unknown", tmp_path / "out")


def test_a_reset_service_is_another_workspace(tmp_path: Path) -> None:
    """Or the SDK would name the snapshots that it remembers of the one before."""
    home = Home(tmp_path)
    first = home.workspace_id()
    assert home.workspace_id() == first
    processes.reset(home)
    assert home.workspace_id() != first


def test_diffs() -> None:
    old = {"same": "1", "gone": "1", "changed": "1"}
    new = {"same": "1", "changed": "2", "added": "1"}
    assert [(one["filePath"], one["operationType"]) for one in tree.diff(old, new)] == [
        ("added", "Added"),
        ("changed", "Modified"),
        ("gone", "Removed"),
    ]
    assert tree.diff(old, copy.copy(old)) == []
