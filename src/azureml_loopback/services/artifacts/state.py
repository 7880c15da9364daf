"""Artifacts: who has which files, as documents; the bytes are blobs of the artifact container.

An artifact exists once its document does, as in Azure: a client asks for a place to write and then
sends the bytes to the storage account itself.
"""

from __future__ import annotations

from azureml_loopback.blobs import ARTIFACTS
from azureml_loopback.context import Loopback
from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.store import Document

RUN_ORIGIN = "ExperimentRun"
"""Origin of the files of runs."""
DATASTORE = "workspaceartifactstore"
"""Azure's name of the datastore that is the artifact container."""
_KIND = "artifact"


def run_container(run_id: str) -> str:
    """Return the artifact container of a run."""
    return f"dcid.{run_id}"


def write(loopback: Loopback, run_id: str, path: str, data: bytes) -> Document:
    """Write a file of a run, over one of the same name.

    Raises:
        BadRequest: The path would leave the run's files.
    """
    document = create(loopback, RUN_ORIGIN, run_container(run_id), path)
    loopback.blobs.upload(ARTIFACTS, document["artifactId"], data)
    return document


def append(loopback: Loopback, run_id: str, path: str, data: bytes) -> Document:
    """Add to a file of a run, such as a log that is followed while it is written.

    Raises:
        BadRequest: The path would leave the run's files.
    """
    document = create(loopback, RUN_ORIGIN, run_container(run_id), path)
    loopback.blobs.append(ARTIFACTS, document["artifactId"], data)
    return document


def read(loopback: Loopback, run_id: str, path: str) -> bytes:
    """Return the bytes of a run's file.

    Raises:
        NotFound: There is no such file.
    """
    document = get(loopback, RUN_ORIGIN, run_container(run_id), path)
    return loopback.blobs.download(ARTIFACTS, document["artifactId"])


def names(loopback: Loopback, run_id: str, prefix: str = "") -> list[str]:
    """Return the names of a run's files that begin with ``prefix``, sorted."""
    paths = (found["path"] for found in listed(loopback, RUN_ORIGIN, run_container(run_id)))
    return sorted(path for path in paths if path.startswith(prefix))


def url(loopback: Loopback, run_id: str, path: str) -> str:
    """Return the signed address from which a run's file is read."""
    return content_url(loopback, get(loopback, RUN_ORIGIN, run_container(run_id), path))


def create(loopback: Loopback, origin: str, container: str, path: str) -> Document:
    """Note that there is an artifact, if it is not known yet.

    Raises:
        BadRequest: The path would leave its container.
    """
    key = artifact_id(origin, container, path)
    with loopback.store.transaction():
        known = loopback.store.find(_KIND, key)
        if known is not None:
            return known
        document = {
            "artifactId": key,
            "origin": origin,
            "container": container,
            "path": path,
            "etag": loopback.store.new_id(),
            "createdTime": loopback.clock.text(),
            "dataPath": {"dataStoreName": DATASTORE, "relativePath": key},
        }
        return loopback.store.insert(
            _KIND, key, document, parent=f"{origin}/{container}", name=path
        )


def get(loopback: Loopback, origin: str, container: str, path: str) -> Document:
    """Return an artifact.

    Raises:
        NotFound: There is no such file.
        BadRequest: The path would leave its container.
    """
    found = loopback.store.find(_KIND, artifact_id(origin, container, path))
    if found is None:
        raise NotFound(f"There is no file '{path}' in {origin}/{container}")
    return found


def listed(loopback: Loopback, origin: str, container: str, below: str = "") -> list[Document]:
    """Return the artifacts of a container, or those at ``below`` and in the folder of that name."""
    documents = loopback.store.list(_KIND, parent=f"{origin}/{container}")
    folder = below.strip("/")
    return [found for found in documents if not folder or _is_at(found["path"], folder)]


def delete(loopback: Loopback, origin: str, container: str, path: str) -> None:
    """Remove an artifact and its bytes.

    Raises:
        NotFound: There is no such file.
    """
    document = get(loopback, origin, container, path)
    loopback.store.delete(_KIND, document["artifactId"])
    loopback.blobs.delete(ARTIFACTS, document["artifactId"])


def content_url(loopback: Loopback, document: Document, permission: str = "r") -> str:
    """Return the signed address of an artifact's bytes."""
    return loopback.blobs.url(ARTIFACTS, document["artifactId"], permission)


def artifact_id(origin: str, container: str, path: str) -> str:
    """Return an artifact's identifier, which is its blob's name too.

    Raises:
        BadRequest: A part is empty, ``.`` or ``..``, or holds a backslash.
    """
    parts = [origin, container, *path.split("/")]
    if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in parts):
        raise BadRequest(
            f"'{path}' is no artifact name: give a relative path with forward slashes, without '..'"
        )
    return "/".join(parts)


def _is_at(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
