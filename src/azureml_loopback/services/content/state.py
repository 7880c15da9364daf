"""Snapshots: a tree and where each file's bytes are. A snapshot keeps its parent's unchanged files.

A snapshot names every file's blob itself, so that nothing has to be looked up in its parents later.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit

from azureml_loopback.context import Loopback
from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.services.content import tree
from azureml_loopback.store import Document, Store

MAX_BYTES = 300 * 1024 * 1024
"""Of a snapshot when unpacked, as in Azure."""
EMPTY_ID = "00000000-0000-0000-0000-000000000000"
"""The snapshot of an empty folder, from which the first one differs."""

_KIND = "snapshot"
_CONTAINER = "snapshots"
_ZIPS = "zips"


def get(store: Store, snapshot_id: str) -> Document:
    """Return a snapshot: ``id``, ``root`` and, path -> blob, ``_files``.

    Raises:
        NotFound: There is none.
    """
    found = store.find(_KIND, snapshot_id)
    if found is not None:
        return found
    if snapshot_id == EMPTY_ID:
        return {"id": EMPTY_ID, "root": tree.empty(), "_files": {}}
    raise NotFound(
        f"There is no snapshot '{snapshot_id}'. If the service was reset since it was taken, remove"
        " the SDK's cache of it (.azureml/.projectcontent in the home folder) and submit again"
    )


def latest(store: Store) -> Document:
    """Return the newest snapshot; that of an empty folder if there is none."""
    return next(iter(store.list(_KIND, newest_first=True, limit=1)), None) or get(store, EMPTY_ID)


def upload_places(loopback: Loopback, paths: Iterable[str]) -> list[dict[str, str]]:
    """Return a signed address to write to for each file.

    Raises:
        BadRequest: A path would leave the snapshot.
    """
    # a blob is named by number: the SDK would write to another one if its name had to be encoded
    places = [(_checked(path), loopback.store.new_id()) for path in paths]
    return [
        # it reads back the size of what it wrote
        {"fullName": path, "blobUri": loopback.blobs.url(_CONTAINER, blob, "rcw")}
        for path, blob in places
    ]


@dataclass(frozen=True)
class Draft:
    """A snapshot as a client describes it.

    Attributes:
        snapshot_id: Its identifier.
        root: The whole tree.
        uploaded: Path -> address where its bytes were written, for the files that changed.
        parent_id: The snapshot that has the others.
        properties: What was recorded about the folder, such as its git commit.
    """

    snapshot_id: str
    root: tree.Node
    uploaded: Mapping[str, str]
    parent_id: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


def create(loopback: Loopback, draft: Draft) -> Document:
    """Add a snapshot.

    Raises:
        BadRequest: The tree is not to be trusted, or a file's bytes are nowhere.
        NotFound: There is no such parent.
        Conflict: There is such a snapshot already.
    """
    hashes = tree.files(draft.root)
    kept = _kept(get(loopback.store, draft.parent_id), hashes) if draft.parent_id else {}
    uploaded = {path: _blob_of(loopback, address) for path, address in draft.uploaded.items()}
    files = {path: blob for path, blob in {**kept, **uploaded}.items() if path in hashes}
    missing = sorted(hashes.keys() - files.keys())
    if missing:
        raise BadRequest(
            f"Snapshot {draft.snapshot_id} lacks the contents of '{missing[0]}' "
            f"({len(missing)} files in all): they are neither uploaded nor in its parent"
        )
    document = {
        "id": draft.snapshot_id,
        "root": draft.root,
        "_parentId": draft.parent_id,
        "_properties": dict(draft.properties),
        "_createdTime": loopback.clock.text(),
        "_files": files,
    }
    return loopback.store.insert(_KIND, draft.snapshot_id, document)


def unpack(loopback: Loopback, snapshot_id: str, folder: Path) -> None:
    """Write a snapshot's files below a folder.

    Raises:
        NotFound: There is no such snapshot.
        BadRequest: It is larger than `MAX_BYTES`, or would write outside the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    budget = _Budget(snapshot_id)
    for path, blob in get(loopback.store, snapshot_id)["_files"].items():
        target = folder / _checked(path)
        if not target.parent.resolve().is_relative_to(folder.resolve()) or target.is_symlink():
            raise BadRequest(f"Snapshot {snapshot_id}: '{path}' leads out of its folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            loopback.blobs.download_to(_CONTAINER, blob, cast(IO[bytes], _Limited(file, budget)))


def zip_url(loopback: Loopback, snapshot_id: str) -> str:
    """Return the signed address of a zip file with the snapshot's files, made at first use.

    Raises:
        NotFound: There is no such snapshot.
    """
    blob = f"{_ZIPS}/{get(loopback.store, snapshot_id)['id']}.zip"
    if loopback.blobs.properties(_CONTAINER, blob) is None:
        with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as packed:
            folder = Path(scratch)
            unpack(loopback, snapshot_id, folder)
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(filter(Path.is_file, folder.rglob("*"))):
                    archive.write(path, path.relative_to(folder))
            packed.seek(0)
            loopback.blobs.upload(_CONTAINER, blob, packed)
    return loopback.blobs.url(_CONTAINER, blob)


def addresses(loopback: Loopback, snapshot_id: str, *, signed: bool) -> dict[str, Any]:
    """Return the tree with the address of each file's bytes.

    Raises:
        NotFound: There is no such snapshot.
    """
    snapshot = get(loopback.store, snapshot_id)
    urls = {path: loopback.blobs.url(_CONTAINER, blob) for path, blob in snapshot["_files"].items()}
    if not signed:
        urls = {path: url.partition("?")[0] for path, url in urls.items()}
    return tree.with_addresses(snapshot["root"], urls)


def _checked(path: str) -> str:
    for name in path.split("/"):
        tree.check_name(name, path)
    return path


def _kept(parent: Document, hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the blobs of the files that are in the parent with the same contents."""
    before = tree.files(parent["root"])
    blobs: Mapping[str, str] = parent["_files"]
    return {path: blobs[path] for path, hash_ in hashes.items() if before.get(path) == hash_}


def _blob_of(loopback: Loopback, address: str) -> str:
    """Return the blob behind an address that `upload_places` gave out."""
    url = urlsplit(address)
    container, _, blob = unquote(url.path).lstrip("/").partition("/")
    if url.hostname != loopback.blobs.host or container != _CONTAINER or not blob:
        raise BadRequest(f"{url.hostname}{url.path} is no place that was given out for a snapshot")
    return blob


class _Budget:
    """How many bytes a snapshot may still write."""

    def __init__(self, snapshot_id: str) -> None:
        self._snapshot_id = snapshot_id
        self._left = MAX_BYTES

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise BadRequest(
                f"Snapshot {self._snapshot_id} is larger than {MAX_BYTES} bytes when unpacked"
            )


class _Limited(io.RawIOBase):
    """A file that is written within a budget, whatever sizes were claimed before."""

    def __init__(self, file: IO[bytes], budget: _Budget) -> None:
        super().__init__()
        self._file = file
        self._budget = budget

    def write(self, data: Any) -> int:
        self._budget.spend(len(data))
        return self._file.write(data)
