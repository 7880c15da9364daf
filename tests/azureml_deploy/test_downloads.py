"""Files of a datastore brought here: the real SDK's client, blobs of the loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback_service import Loopback

from azureml_deploy.errors import ServiceError
from azureml_deploy.runs.downloads import BLOCK, BlobFolder, ContentCache, open_folder
from azureml_deploy.service_errors import Patience

NO_PATIENCE = Patience(0)


def ignore(_: int) -> None:
    """Show no progress."""


@pytest.fixture
def well(loopback: Loopback) -> Iterator[Loopback]:
    yield loopback
    loopback.command("fault", "clear")


@pytest.fixture
def put(workspace: Any) -> Any:
    """Writes a blob to the default datastore, and returns its client."""
    datastore = workspace.get_default_datastore()

    def write(name: str, data: bytes) -> Any:
        client = datastore.blob_service.get_blob_client(datastore.container_name, name)
        client.upload_blob(data, overwrite=True)
        return client

    return write


def folder(workspace: Any, path: str) -> BlobFolder:
    return open_folder(workspace, workspace.get_default_datastore().name, path, NO_PATIENCE)


def test_a_lost_connection_is_gone_on_from_where_it_broke_off(
    workspace: Any, put: Any, well: Loopback, tmp_path: Path
) -> None:
    data = os.urandom(2 * BLOCK + 17)
    put("resumed/big.bin", data)
    source = folder(workspace, "resumed/big.bin")
    (file,) = source.files(NO_PATIENCE)
    assert (file.name, file.size) == ("big.bin", len(data))
    target = tmp_path / "big.bin"

    def drop_after_first_block(size: int) -> None:
        if size == BLOCK:
            well.command("fault", "drop", "--where", "blob", "--times", "9")

    with pytest.raises(ServiceError, match=r"Downloading resumed/big\.bin failed"):
        source.fetch(file, target, NO_PATIENCE, drop_after_first_block)
    assert not target.exists()
    (part,) = tmp_path.iterdir()
    assert part.read_bytes() == data[:BLOCK]
    well.command("fault", "clear")
    sizes: list[int] = []
    source.fetch(file, target, NO_PATIENCE, sizes.append)
    assert sizes == [BLOCK, BLOCK, 17]
    assert target.read_bytes() == data
    assert list(tmp_path.iterdir()) == [target]


def test_with_patience_a_lost_connection_is_only_told(
    workspace: Any, put: Any, well: Loopback, tmp_path: Path
) -> None:
    put("patient.txt", b"patience")
    source = folder(workspace, "patient.txt")
    (file,) = source.files(NO_PATIENCE)
    well.command("fault", "drop", "--where", "blob", "--times", "2")
    told: list[str] = []
    source.fetch(file, tmp_path / "x", Patience(60, told.append, lambda _: None), ignore)
    assert (tmp_path / "x").read_bytes() == b"patience"
    assert told
    assert "Downloading patient.txt failed" in told[0]


def test_what_changed_meanwhile_or_came_damaged_is_not_put_in_place(
    workspace: Any, put: Any, tmp_path: Path
) -> None:
    put("changing.txt", b"before")
    source = folder(workspace, "changing.txt")
    (before,) = source.files(NO_PATIENCE)
    put("changing.txt", b"after!")
    with pytest.raises(ServiceError, match=r"Downloading changing\.txt failed"):
        source.fetch(before, tmp_path / "x", NO_PATIENCE, ignore)
    (after,) = source.files(NO_PATIENCE)
    (tmp_path / f".x.{after.key[:16]}.part").write_bytes(b"damag")
    with pytest.raises(ServiceError, match="its checksum differs; try again"):
        source.fetch(after, tmp_path / "x", NO_PATIENCE, ignore)
    source.fetch(after, tmp_path / "x", NO_PATIENCE, ignore)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"after!"


def test_what_is_there_is_not_brought_again(
    workspace: Any, put: Any, well: Loopback, tmp_path: Path
) -> None:
    put("once.txt", b"once")
    source = folder(workspace, "once.txt")
    (file,) = source.files(NO_PATIENCE)
    source.fetch(file, tmp_path / "x", NO_PATIENCE, ignore)
    well.command("fault", "drop", "--where", "blob", "--times", "9")
    source.fetch(file, tmp_path / "x", NO_PATIENCE, ignore)


def test_a_folder_is_its_files_and_not_its_neighbours(
    workspace: Any, put: Any, tmp_path: Path
) -> None:
    for name in ("tree/a.txt", "tree/deep/b ü.txt", "tree2/c.txt"):
        put(name, name.encode())
    put("tree/deep", b"")  # some tools make an empty blob to stand for a folder
    source = folder(workspace, "tree")
    files = source.files(NO_PATIENCE)
    assert [file.name for file in files] == ["a.txt", "deep/b ü.txt"]
    assert folder(workspace, "nowhere").files(NO_PATIENCE) == ()
    cache = ContentCache(tmp_path / "cache")
    assert cache.missing(files) == sum(file.size for file in files)
    cache.bring(source, files, tmp_path / "one", NO_PATIENCE, ignore)
    assert cache.missing(files) == 0
    (tmp_path / "one/a.txt").write_text("changed here")
    cache.bring(source, files, tmp_path / "two", NO_PATIENCE, ignore)
    assert (tmp_path / "two/a.txt").read_text() == "tree/a.txt"
    assert (tmp_path / "two/deep/b ü.txt").read_text() == "tree/deep/b ü.txt"


def test_an_unknown_datastore_is_one_sentence(workspace: Any) -> None:
    with pytest.raises(ServiceError, match="Opening datastore 'nowhere' failed") as caught:
        open_folder(workspace, "nowhere", "x", NO_PATIENCE)
    assert "\n" not in str(caught.value)
