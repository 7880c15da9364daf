"""Artifacts: who has which files, as documents; the bytes are blobs of the artifact container.

An artifact exists once its document does, as in Azure: a client asks for a place to write and then
sends the bytes to the storage account itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import quote

from azureml_loopback.blobs import ARTIFACTS
from azureml_loopback.context import Loopback
from azureml_loopback.errors import BadRequest, Conflict, NotFound, NotImplementedHere
from azureml_loopback.services.datastores import state as datastores
from azureml_loopback.services.datastores.state import ARTIFACT_DATASTORE
from azureml_loopback.store import Document

RUN_ORIGIN = "ExperimentRun"
"""Origin of the files of runs."""
_KIND = "artifact"
_NAME = re.compile(r"[\w.-]+")


def run_container(run_id: str) -> str:
    """Return the artifact container of a run."""
    return f"dcid.{run_id}"


def write(loopback: Loopback, run_id: str, path: str, data: bytes | IO[bytes]) -> Document:
    """Write a file of a run, over one of the same name.

    Raises:
        BadRequest: The path would leave the run's files.
    """
    document = create(loopback, RUN_ORIGIN, run_container(run_id), path)
    put_content(loopback, document, data)
    return document


def append(loopback: Loopback, run_id: str, path: str, data: bytes) -> Document:
    """Add to a file of a run, such as a log that is followed while it is written.

    Raises:
        BadRequest: The path would leave the run's files.
    """
    document = create(loopback, RUN_ORIGIN, run_container(run_id), path)
    append_content(loopback, document, data)
    return document


def read(loopback: Loopback, run_id: str, path: str) -> bytes:
    """Return the bytes of a run's file.

    Raises:
        NotFound: There is no such file.
    """
    return content(loopback, get(loopback, RUN_ORIGIN, run_container(run_id), path))


def names(loopback: Loopback, run_id: str, prefix: str = "") -> list[str]:
    """Return the names of a run's files that begin with ``prefix``, sorted."""
    paths = (found["path"] for found in listed(loopback, RUN_ORIGIN, run_container(run_id)))
    return sorted(path for path in paths if path.startswith(prefix))


def url(loopback: Loopback, run_id: str, path: str) -> str:
    """Return the signed address from which a run's file is read."""
    return content_url(loopback, get(loopback, RUN_ORIGIN, run_container(run_id), path))


def create(loopback: Loopback, origin: str, container: str, path: str, **place: str) -> Document:
    """Return an artifact, noted if it is not known yet.

    Args:
        loopback: Where.
        origin: Such as `RUN_ORIGIN`.
        container: Such as `run_container` gives.
        path: Its name in the container.
        place: ``dataStoreName`` and ``relativePath`` of its bytes, if not where artifacts go.

    Raises:
        BadRequest: The path would leave its container.
        NotFound: There is no such datastore.
    """
    path = checked_path(path)
    key = f"{_checked_folder(origin, container)}/{path}"
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
            "dataPath": _data_path(loopback, key, place),
        }
        return loopback.store.insert(
            _KIND, key, document, parent=f"{origin}/{container}", name=path
        )


def create_new(
    loopback: Loopback, origin: str, container: str, path: str, **place: str
) -> Document:
    """Note an artifact that is to be written.

    Raises:
        Conflict: It is there and was written.
        BadRequest: The path would leave its container.
        NotFound: There is no such datastore.
    """
    known = find(loopback, origin, container, path)
    # one without bytes is that of a client that lost the answer and asks again
    if known is not None and loopback.blobs.properties(*_blob(loopback, known)) is not None:
        # scripts look for these words, and Azure's code before them is not that of a conflict
        message = f"Resource Conflict: ArtifactId {known['artifactId']} already exists."
        raise Conflict(message, code="UserError")
    return create(loopback, origin, container, path, **place)


def find(loopback: Loopback, origin: str, container: str, path: str) -> Document | None:
    """Return an artifact, or nothing.

    Raises:
        BadRequest: The path would leave its container.
    """
    key = f"{_checked_folder(origin, container)}/{checked_path(path)}"
    return loopback.store.find(_KIND, key)


def get(loopback: Loopback, origin: str, container: str, path: str) -> Document:
    """Return an artifact.

    Raises:
        NotFound: There is no such file.
        BadRequest: The path would leave its container.
    """
    found = find(loopback, origin, container, path)
    if found is None:
        raise NotFound(f"There is no file '{path}' in {origin}/{container}")
    return found


def listed(loopback: Loopback, origin: str, container: str, below: str = "") -> list[Document]:
    """Return the artifacts of a container, or those at ``below`` and in the folder of that name."""
    documents = loopback.store.list(_KIND, parent=f"{origin}/{container}")
    folder = below.strip("/")
    return [found for found in documents if not folder or _is_at(found["path"], folder)]


def delete(loopback: Loopback, document: Document, *, content_too: bool) -> None:
    """Forget an artifact, and its bytes if so told."""
    loopback.store.delete(_KIND, document["artifactId"])
    if content_too:
        loopback.blobs.delete(*_blob(loopback, document))


def content(
    loopback: Loopback, document: Document, start: int = 0, size: int | None = None
) -> bytes:
    """Return an artifact's bytes, or ``size`` of them from ``start`` on.

    Raises:
        NotFound: Nothing was written yet.
    """
    return loopback.blobs.download(*_blob(loopback, document), start, size)


def size(loopback: Loopback, document: Document) -> int:
    """Return how many bytes an artifact has by now."""
    found = loopback.blobs.properties(*_blob(loopback, document))
    return int(found.size) if found else 0


def put_content(loopback: Loopback, document: Document, data: bytes | IO[bytes]) -> None:
    """Write an artifact's bytes, over those before."""
    loopback.blobs.upload(*_blob(loopback, document), data)


def append_content(loopback: Loopback, document: Document, data: bytes) -> None:
    """Add to an artifact's bytes."""
    loopback.blobs.append(*_blob(loopback, document), data)


def content_url(loopback: Loopback, document: Document, permission: str = "r") -> str:
    """Return the signed address of an artifact's bytes."""
    return loopback.blobs.url(*_blob(loopback, document), permission)


def checked_path(path: str) -> str:
    """Return an artifact's path without what changes nothing (``./``, ``//``).

    Raises:
        BadRequest: It would leave its container, or is empty.
    """
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if not parts or ".." in parts or path.startswith("/") or any(sign in path for sign in "\\\0"):
        raise BadRequest(
            f"'{path}' is no artifact name: give a relative path with forward slashes, without '..'"
        )
    return "/".join(parts)


def _checked_folder(origin: str, container: str) -> str:
    for name in (origin, container):
        if not _NAME.fullmatch(name) or name in {".", ".."}:
            raise BadRequest(f"'{name}' is no origin or container of artifacts")
    return f"{origin}/{container}"


def _data_path(loopback: Loopback, key: str, place: Mapping[str, str]) -> dict[str, str]:
    """Return where an artifact's bytes are.

    The SDK encodes an address once more before it uses it, so a name that has to be encoded would
    not be the same for all readers: what is not plain in it is written as ``~`` and two digits.
    """
    plain = quote(key).replace("~", "%7E").replace("%", "~")
    datastore = datastores.get(loopback, place.get("dataStoreName") or ARTIFACT_DATASTORE)
    return {
        "dataStoreName": datastore["name"],
        "relativePath": place.get("relativePath") or plain,
    }


def _blob(loopback: Loopback, document: Mapping[str, Any]) -> tuple[str, str]:
    """Return container and name of the blob that has an artifact's bytes."""
    place = document["dataPath"]
    if place["dataStoreName"] == ARTIFACT_DATASTORE:
        return ARTIFACTS, place["relativePath"]
    section = datastores.get(loopback, place["dataStoreName"]).get("azureStorageSection") or {}
    if section.get("accountName") != loopback.blobs.account:
        raise NotImplementedHere(
            f"Artifacts on datastore '{place['dataStoreName']}' are not implemented: "
            "it is not in the workspace's storage account"
        )
    return section["containerName"], place["relativePath"]


def _is_at(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
