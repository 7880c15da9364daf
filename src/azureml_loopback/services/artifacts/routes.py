"""The artifact service: places to write files to, and addresses to read them from."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from azureml_loopback import wire
from azureml_loopback.errors import BadRequest, NotImplementedHere, ServiceError
from azureml_loopback.paging import page
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.artifacts import state
from azureml_loopback.services.history.access import run_of
from azureml_loopback.store import Document

routes = Routes("/artifact/v2.0/{scope}/artifacts")
run_routes = Routes("/history/v1.0/{scope}/experiments/{experiment}/runs/{run}/artifacts")
services = [routes, run_routes]

_PLACE = "{origin}/{container}/{path:path}"
_PAGE = 500
_WRITE = "racw"


@routes.post("metadata")
def create(call: Call) -> dict[str, Any]:
    """Note an artifact, such as one whose bytes are on a datastore already."""
    body = wire.check("restclient.ArtifactDto", call.object())
    names = (str(body.get(part)) for part in ("origin", "container", "path"))
    place = {key: value for key, value in (body.get("dataPath") or {}).items() if value}
    if place.keys() - {"dataStoreName", "relativePath"}:
        raise NotImplementedHere("An artifact whose bytes are in a database is not implemented")
    made = state.create(call.loopback, *names, **place)
    return _artifact(made)


@routes.post("batch/metadata/{origin}/{container}", query=("datastoreName",))
@run_routes.post("batch/metadata")
def create_several(call: Call) -> dict[str, Any]:
    """Note artifacts and say where their bytes are to be written; each error stands by itself."""
    body = wire.check("restclient.BatchArtifactCreateCommand", call.object())
    origin, container = _container(call)
    datastore = call.query.get("datastoreName")
    place = {"dataStoreName": datastore} if datastore else {}
    made: dict[str, Document] = {}
    errors: dict[str, Any] = {}
    for path in (str(wanted.get("path")) for wanted in body.get("paths") or []):
        try:
            made[path] = state.create_new(call.loopback, origin, container, path, **place)
        except ServiceError as error:
            errors[path] = {"error": error.body()["error"]}
    return {
        "artifacts": {path: _artifact(document) for path, document in made.items()},
        "artifactContentInformation": {
            path: _information(call, document, _WRITE) for path, document in made.items()
        },
        "errors": errors,
    }


@routes.get(f"metadata/{_PLACE}")
def get(call: Call) -> dict[str, Any]:
    """Return an artifact."""
    return _artifact(_document(call))


@routes.delete(f"metadata/{_PLACE}", query=("hardDelete",))
def delete(call: Call) -> Answer:
    """Forget an artifact; with ``hardDelete`` its bytes too."""
    state.delete(call.loopback, _document(call), content_too=_is_hard(call))
    return Answer({})


@routes.delete("batch/{origin}/{container}", query=("hardDelete",))
def delete_several(call: Call) -> Answer:
    """Forget all artifacts of a container; with ``hardDelete`` their bytes too."""
    for document in state.listed(call.loopback, *_container(call)):
        state.delete(call.loopback, document, content_too=_is_hard(call))
    return Answer({})


@routes.get(
    "prefix/contentinfo/{origin}/{container}",
    f"prefix/contentinfo/{_PLACE}",
    query=("continuationToken",),
)
@run_routes.get("prefix/contentinfo/{path:path}", query=("continuationToken",))
def listed_with_addresses(call: Call) -> dict[str, Any]:
    """List the artifacts below a folder, each with the address that it is read from."""
    part = page(_below(call), _PAGE, call.query.get("continuationToken"))
    values = [_information(call, found, "r") for found in part.values]
    return {"value": values, "continuationToken": part.token}


@routes.get(f"contentinfo/{_PLACE}")
@run_routes.get("contentinfo/{path:path}")
def address(call: Call) -> dict[str, Any]:
    """Return the address that an artifact is read from."""
    return _information(call, _document(call), "r")


@run_routes.get("artifacturi/{path:path}")
def plain_address(call: Call) -> Answer:
    """Return the address that an artifact is read from, and nothing else."""
    return Answer(state.content_url(call.loopback, _document(call)))


@routes.get(f"write/{_PLACE}")
def address_to_write(call: Call) -> dict[str, Any]:
    """Return the address that an artifact is written to, noting it if it is new."""
    origin, container = _container(call)
    made = state.create(call.loopback, origin, container, call.parts["path"])
    return _information(call, made, _WRITE)


@routes.get(f"content/{_PLACE}")
def content(call: Call) -> Answer:
    """Return an artifact's bytes."""
    return Answer(state.content(call.loopback, _document(call)))


@routes.post(f"content/{_PLACE}", query=("append", "index"))
def write(call: Call) -> dict[str, Any]:
    """Write an artifact's bytes, or add to them."""
    if call.query.get("index", "0") != "0":
        raise NotImplementedHere("Writing an artifact by block index is not implemented")
    made = state.create(call.loopback, *_container(call), call.parts["path"])
    appends = call.query.get("append", "").lower() == "true"
    put = state.append_content if appends else state.put_content
    put(call.loopback, made, call.body)
    return _artifact(made)


@routes.post("batch/ingest/containersas/{origin}/{container}")
def ingest(call: Call) -> dict[str, Any]:
    """Take blobs of a container of the workspace's storage account in as artifacts."""
    body = wire.check("restclient.BatchArtifactContainerSasIngestCommand", call.object())
    url = urlsplit(str(body.get("containerUri")))
    if url.hostname != call.loopback.blobs.host:
        raise BadRequest(f"{url.hostname} is not the workspace's storage account")
    source, prefix = unquote(url.path).strip("/"), str(body.get("prefix") or "")
    origin, container = _container(call)
    taken = []
    for blob in call.loopback.blobs.list(source, prefix):
        rest = blob.name.removeprefix(prefix).strip("/")
        path = "/".join(filter(None, (str(body.get("artifactPrefix") or "").strip("/"), rest)))
        made = state.create(call.loopback, origin, container, path)
        state.put_content(call.loopback, made, call.loopback.blobs.download(source, blob.name))
        taken.append(_artifact(made))
    return {"value": taken, "continuationToken": None}


# after the others: its path looks like theirs
@routes.get("{origin}/{container}", _PLACE, query=("continuationToken",))
@run_routes.get("", "path/{path:path}", query=("continuationToken",))
def listed(call: Call) -> dict[str, Any]:
    """List the artifacts of a container, or below a folder in it."""
    part = page(_below(call), _PAGE, call.query.get("continuationToken"))
    return {"value": [_artifact(found) for found in part.values], "continuationToken": part.token}


def _container(call: Call) -> tuple[str, str]:
    """Return origin and container; a run's path names them by the run."""
    if "run" in call.parts:
        return state.RUN_ORIGIN, state.run_container(run_of(call)["runId"])
    return call.parts["origin"], call.parts["container"]


def _document(call: Call) -> Document:
    return state.get(call.loopback, *_container(call), call.parts["path"])


def _below(call: Call) -> list[Document]:
    return state.listed(call.loopback, *_container(call), call.parts.get("path", ""))


def _is_hard(call: Call) -> bool:
    return call.query.get("hardDelete", "").lower() == "true"


def _artifact(document: Document) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("restclient.ArtifactDto", document)
    return shown


def _information(call: Call, document: Document, permission: str) -> dict[str, Any]:
    same = {name: document[name] for name in ("origin", "container", "path")}
    return {**same, "contentUri": state.content_url(call.loopback, document, permission)}
