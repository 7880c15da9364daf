"""Files of a blob datastore, brought here: resumed where they broke off, checked, placed whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.service_errors import Patience

BLOCK = 4 << 20
"""Bytes asked for at once; what is lost at most when a connection breaks."""

NO_RETRIES = {"retry_total": 0, "retry_connect": 0, "retry_read": 0, "retry_status": 0}
"""The client would wait up to a minute without a word; our own patience tells of each attempt."""

CACHE = ".azureml/cache"
"""Where files are kept by their content, below the project."""

Progress = Callable[[int], None]
"""Told of the bytes that came, or were there."""


@dataclass(frozen=True)
class RemoteFile:
    """One blob, as it was when it was listed.

    Attributes:
        name: Path below what was listed.
        blob: Its whole name.
        size: In bytes.
        etag: Changes with its content.
        md5: Of its content, in hexadecimal; nothing where the service does not know it.
    """

    name: str
    blob: str
    size: int
    etag: str
    md5: str | None

    @property
    def key(self) -> str:
        """Return a name that only the same content has."""
        return self.md5 or hashlib.sha256(f"{self.blob}\0{self.etag}".encode()).hexdigest()


@dataclass(frozen=True)
class BlobFolder:
    """What is at a path of a blob datastore, a file or a folder."""

    datastore: Any
    path: str

    def files(self, patience: Patience) -> tuple[RemoteFile, ...]:
        """List the files; none where there is nothing.

        Raises:
            ServiceError: The service failed, or a name leads out of the folder.
        """
        path = self.path.strip("/")
        blobs = patience.ask(f"Listing {self}", self._listed, path)
        folders = {parent for blob in blobs for parent in _parents(blob.name)}
        return tuple(
            self._file(blob, path)
            for blob in blobs
            # some tools make an empty blob to stand for a folder
            if not blob.name.endswith("/") and not (blob.size == 0 and blob.name in folders)
        )

    def fetch(self, file: RemoteFile, target: Path, patience: Patience, progress: Progress) -> None:
        """Bring a file to its place, and check it; a broken download is gone on with.

        Nothing is brought where the same is there already.

        Raises:
            ServiceError: The service failed, the file changed meanwhile, or came damaged.
        """
        if is_there(file, target):
            progress(file.size)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{file.key[:16]}.part")
        for stale in target.parent.glob(f".{target.name}.*.part"):
            if stale != part:
                stale.unlink()
        part.touch()
        progress(part.stat().st_size)
        with part.open("ab") as out:
            while out.tell() < file.size:
                block = patience.ask(f"Downloading {file.blob}", self._block, file, out.tell())
                out.write(block)
                progress(len(block))
        if file.md5 and digest(part, "md5") != file.md5:
            part.unlink()
            raise ServiceError(f"Downloading {file.blob} failed: its checksum differs; try again")
        part.replace(target)

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"{self.datastore.name}:{self.path}"

    def _listed(self, path: str) -> list[Any]:
        container = self.datastore.blob_service.get_container_client(self.datastore.container_name)
        blobs = container.list_blobs(name_starts_with=path or None, **NO_RETRIES)
        return [b for b in blobs if not path or b.name == path or b.name.startswith(f"{path}/")]

    def _file(self, blob: Any, path: str) -> RemoteFile:
        name = blob.name[len(path) :].strip("/") or PurePosixPath(path).name
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ServiceError(f"{self}: the name of blob '{blob.name}' leads out of its folder")
        md5 = blob.content_settings.content_md5
        return RemoteFile(name, blob.name, blob.size, blob.etag, bytes(md5).hex() if md5 else None)

    def _block(self, file: RemoteFile, start: int) -> bytes:
        from azure.core import MatchConditions  # noqa: PLC0415

        client = self.datastore.blob_service.get_blob_client(
            self.datastore.container_name, file.blob
        )
        stream = client.download_blob(
            offset=start,
            length=min(BLOCK, file.size - start),
            etag=file.etag,
            match_condition=MatchConditions.IfNotModified,
            **NO_RETRIES,
        )
        block: bytes = stream.readall()
        return block


@dataclass(frozen=True)
class ContentCache:
    """Files by their content, so that none is brought twice."""

    folder: Path

    def missing(self, files: Iterable[RemoteFile]) -> int:
        """Return how many bytes of some files are still to be brought."""
        return sum(size for _, size in {(f.key, f.size) for f in files if not self._has(f)})

    def bring(
        self,
        source: BlobFolder,
        files: Iterable[RemoteFile],
        target: Path,
        patience: Patience,
        progress: Progress,
    ) -> None:
        """Put files below a folder: copies, which may be changed there.

        Raises:
            ServiceError: A file cannot be had.
        """
        for file in files:
            kept = self._place(file)
            if not self._has(file):
                source.fetch(file, kept, patience, progress)
            copy_whole(kept, target / file.name)

    def _has(self, file: RemoteFile) -> bool:
        kept = self._place(file)
        return kept.is_file() and kept.stat().st_size == file.size

    def _place(self, file: RemoteFile) -> Path:
        return self.folder / "files" / file.key[:2] / file.key


def open_folder(workspace: Any, datastore: str, path: str, patience: Patience) -> BlobFolder:
    """Return a path of one of the workspace's datastores.

    Raises:
        UsageError: It is not a blob datastore.
        ServiceError: There is no such datastore, or the service failed.
    """
    from azureml.core import Datastore  # noqa: PLC0415
    from azureml.data.azure_storage_datastore import AzureBlobDatastore  # noqa: PLC0415

    found = patience.ask(f"Opening datastore '{datastore}'", Datastore.get, workspace, datastore)
    if not isinstance(found, AzureBlobDatastore):
        raise UsageError(
            f"Datastore '{datastore}' is of type {found.datastore_type}; files can be brought from "
            "AzureBlob datastores only"
        )
    return BlobFolder(found, path)


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the checksum of a file's content."""
    total = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file to its place, complete or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    os.close(handle)
    try:
        shutil.copyfile(source, draft)
        Path(draft).chmod(0o644)
        Path(draft).replace(target)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise


def is_there(file: RemoteFile, target: Path) -> bool:
    """Say whether a file was brought already; without a checksum that cannot be known."""
    if not target.is_file() or target.stat().st_size != file.size:
        return False
    return file.md5 is not None and digest(target, "md5") == file.md5


def _parents(name: str) -> Iterable[str]:
    return (parent.as_posix() for parent in PurePosixPath(name).parents)
