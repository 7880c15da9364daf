"""The content service: snapshots uploaded file by file, read as a tree or as a zip file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import BadRequest, NotImplementedHere
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.content import state, tree

older = Routes("/content/v1.0/{scope}/snapshots")
newer = Routes("/content/v2.0/{scope}/snapshots")
meta = Routes("/content/v1.0/meta")
services = [older, newer, meta]

_PROJECT = ("projectName", "accountName")
"""From the time when workspaces had projects; nothing depends on them."""
_CREATE_FIELDS = {"ParentSnapshotId", "Tags", "Properties", "DirTreeNode", "FileRevisionList"}


@newer.post("getblob")
def upload_places(call: Call) -> dict[str, Any]:
    """Say where the bytes of files are to be written."""
    names = call.object().get("FileNames")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRequest("FileNames must be a list of paths")
    return {"fileNodes": state.upload_places(call.loopback, names)}


@newer.post("{snapshot}")
def create(call: Call) -> Answer:
    """Make a snapshot of uploaded files and those of its parent."""
    body = call.object()
    unknown = sorted(body.keys() - _CREATE_FIELDS)
    if unknown or body.get("Tags"):
        raise NotImplementedHere(f"Snapshot field {(unknown or ['Tags'])[0]} is not implemented")
    revisions = (body.get("FileRevisionList") or {}).get("FileNodes") or []
    root = body.get("DirTreeNode")
    if not isinstance(root, Mapping):
        raise BadRequest("DirTreeNode must be the folder's tree")
    draft = state.Draft(
        call.parts["snapshot"],
        root,
        {str(node.get("FullName")): str(node.get("BlobUri")) for node in revisions},
        body.get("ParentSnapshotId"),
        body.get("Properties") or {},
    )
    return Answer(_answer(state.create(call.loopback, draft)))


@newer.post("{snapshot}/zip")
def zip_file(call: Call) -> dict[str, Any]:
    """Return the address of the snapshot as a zip file."""
    return {"zipSasUri": state.zip_url(call.loopback, call.parts["snapshot"])}


@older.get("{snapshot}", "{snapshot}/fileslocation", query=_PROJECT)
def zip_address(call: Call) -> Answer:
    """Return the address of the snapshot as a zip file, and nothing else."""
    return Answer(state.zip_url(call.loopback, call.parts["snapshot"]))


@older.get("latest/metadata", query=_PROJECT)
def latest(call: Call) -> dict[str, Any]:
    """Return the newest snapshot, from which a client tells what it need not upload."""
    return _answer(state.latest(call.loopback.store))


@older.get("{snapshot}/metadata", query=_PROJECT)
def metadata(call: Call) -> dict[str, Any]:
    """Return a snapshot's tree."""
    return _answer(state.get(call.loopback.store, call.parts["snapshot"]))


@older.get("{snapshot}/sas", query=_PROJECT)
def signed_addresses(call: Call) -> dict[str, Any]:
    """Return a snapshot's tree with signed addresses."""
    return state.addresses(call.loopback, call.parts["snapshot"], signed=True)


@older.get("{snapshot}/storageurls", query=_PROJECT)
def plain_addresses(call: Call) -> dict[str, Any]:
    """Return a snapshot's tree with addresses that need a signature to be read."""
    return state.addresses(call.loopback, call.parts["snapshot"], signed=False)


@older.get("diff", query=("snapshotId1", "snapshotId2", *_PROJECT))
def diff(call: Call) -> list[dict[str, Any]]:
    """Tell how a snapshot differs from another one."""
    ids = [call.query.get(name) for name in ("snapshotId1", "snapshotId2")]
    if not all(ids):
        raise BadRequest("snapshotId1 and snapshotId2 are both needed")
    old, new = (tree.files(state.get(call.loopback.store, str(id_))["root"]) for id_ in ids)
    return tree.diff(old, new)


@meta.get("ping", "alive")
def ping(call: Call) -> Answer:
    """Say that the service is there."""
    return Answer({})


def _answer(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = wire.answer("restclient.SnapshotDto", snapshot)
    return shown
