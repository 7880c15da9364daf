"""Data between datastores and a step's folder, moved by the service itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from azureml_loopback.execution.step import DataLocation, StepFailed
from azureml_loopback.services.artifacts import state as artifacts
from azureml_loopback.services.datastores import state as datastores

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback


def fetch(loopback: Loopback, location: DataLocation, target: Path) -> int:
    """Copy a file to a path, or a folder's files below it, and return how many files there were.

    Raises:
        NotFound: There is no such datastore.
        StepFailed: A blob's name leads out of the target.
    """
    container, path = container_of(loopback, location.datastore), location.path.strip("/")
    names = [name for name in _below(loopback, container, path) if not name.endswith("/")]
    for name in names:
        file = target / name[len(path) :].strip("/") if name != path else target
        if not Path(os.path.normpath(file)).is_relative_to(target):
            raise StepFailed(
                f"Blob '{name}' of datastore '{location.datastore}' leads out of its folder"
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as handle:
            loopback.blobs.download_to(container, name, handle)
    return len(names)


def send(loopback: Loopback, source: Path, location: DataLocation) -> int:
    """Copy a file or the files below a folder to a datastore, and return how many there were.

    Raises:
        NotFound: There is no such datastore.
    """
    container = container_of(loopback, location.datastore)
    count = 0
    for file, name in files_below(source):
        blob = "/".join(part for part in (location.path.strip("/"), name) if part)
        with file.open("rb") as handle:
            loopback.blobs.upload(container, blob, handle)
        count += 1
    return count


def keep_as_artifacts(loopback: Loopback, run_id: str, folder: Path, prefix: str) -> int:
    """Make the files below a folder files of a run, and return how many there were."""
    count = 0
    for file, name in files_below(folder):
        with file.open("rb") as handle:
            artifacts.write(loopback, run_id, f"{prefix}/{name}", handle)
        count += 1
    return count


def files_below(source: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file with its name relative to the source; a file itself has an empty name.

    Links that lead out of the source are left where they are.
    """
    if source.is_file():
        yield source, ""
        return
    root = source.resolve()
    for file in sorted(source.rglob("*")):
        if file.is_file() and file.resolve().is_relative_to(root):
            yield file, file.relative_to(source).as_posix()


def container_of(loopback: Loopback, datastore: str) -> str:
    """Return the blob container behind a datastore.

    Raises:
        NotFound: There is no such datastore.
    """
    section = datastores.get(loopback, datastore)["azureStorageSection"]
    return str(section["containerName"])


def clear(folder: Path) -> None:
    """Remove a folder and what is in it; one that is not there is no error."""
    shutil.rmtree(folder, ignore_errors=True)


def _below(loopback: Loopback, container: str, path: str) -> Iterator[str]:
    """Yield the names of the blob at a path and of those in the folder of that name."""
    for blob in loopback.blobs.list(container, path):
        if not path or blob.name == path or blob.name.startswith(f"{path}/"):
            yield blob.name
