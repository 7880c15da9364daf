"""A snapshot's tree of folders and files (``DirTreeNode``), checked before it is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from azureml_loopback.errors import BadRequest

Node = Mapping[str, Any]

MAX_FILES = 20_000
"""Files in a snapshot; the SDK itself stops at 2000, unless told not to."""
MAX_DEPTH = 64
"""Folders in folders."""


def empty() -> dict[str, Any]:
    """Return the tree of a folder with nothing in it."""
    return {"name": "", "type": "Directory", "hash": None, "timestamp": None, "children": {}}


def files(root: Node) -> dict[str, str]:
    """Return path -> content hash of every file.

    Raises:
        BadRequest: An entry is neither file nor folder, its name would leave its folder, or there
            are too many; names the entry.
    """
    found: dict[str, str] = {}
    for path, node in _walk(root, ()):
        found[path] = str(node.get("hash"))
        if len(found) > MAX_FILES:
            raise BadRequest(f"A snapshot has at most {MAX_FILES} files: use an .amlignore file")
    return found


def check_name(name: str, place: str) -> None:
    """Refuse a name that could lead out of its folder.

    Raises:
        BadRequest: The name is empty, ``.`` or ``..``, or holds a separator.
    """
    if name in {"", ".", ".."} or any(sign in name for sign in "/\\\0"):
        raise BadRequest(
            f"Snapshot entry '{place}': '{name}' is no name of a file in a folder. "
            "Take the snapshot of a folder, and of files below it only"
        )


def with_addresses(root: Node, addresses: Mapping[str, str], path: str = "") -> dict[str, Any]:
    """Return the tree with each file's address as its ``sasUrl``."""
    if root["type"] == "File":
        return {**root, "sasUrl": addresses[path]}
    children = {
        name: with_addresses(child, addresses, f"{path}/{name}" if path else name)
        for name, child in root["children"].items()
    }
    return {**root, "children": children}


def diff(old: Mapping[str, str], new: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the files that differ, as ``MerkleDiffEntry`` has them."""
    changes = {
        **dict.fromkeys(old.keys() - new.keys(), "Removed"),
        **dict.fromkeys(new.keys() - old.keys(), "Added"),
        **{path: "Modified" for path in old.keys() & new.keys() if old[path] != new[path]},
    }
    return [
        {"operationType": change, "filePath": path, "isFile": True}
        for path, change in sorted(changes.items())
    ]


def _walk(node: Node, above: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
    place = "/".join(above)
    children = node.get("children") or {}
    if node.get("type") == "File" and above and not children:
        yield place, node
        return
    if node.get("type") != "Directory" or not isinstance(children, Mapping):
        raise BadRequest(f"Snapshot entry '{place}' must be a File or a Directory")
    if len(above) > MAX_DEPTH:
        raise BadRequest(f"Snapshot entry '{place}' is more than {MAX_DEPTH} folders deep")
    for name, child in children.items():
        check_name(name, f"{place}/{name}" if place else name)
        yield from _walk(child, (*above, name))
