"""Modules that are shared by name, each with versions; a version is what a step runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import BadRequest, Conflict, NotFound
from azureml_loopback.services.pipelines import entities, published

if TYPE_CHECKING:
    from azureml_loopback.store import Document, Store

_KIND = "shared module"
_VERSION = "version of a shared module"


def create(store: Store, info: Mapping[str, Any]) -> Document:
    """Make a module without versions from its AzureMLModuleCreationInfo.

    Raises:
        BadRequest: It has no name.
        Conflict: The name is taken.
    """
    with store.transaction():
        module_id, now = store.new_id(), store.clock.text()
        module: Document = {
            "Id": module_id,
            "Name": _free_name(store, info.get("Name"), module_id),
            "Description": info.get("Description"),
            "DefaultVersion": "0",
            "Versions": [],
            "EntityStatus": "Active",
            "CreatedDate": now,
            "LastModifiedDate": now,
        }
        return store.insert(_KIND, module_id, module, name=module["Name"])


def get(store: Store, module_id: str) -> Document:
    """Return an AzureMLModule.

    Raises:
        NotFound: There is none.
    """
    return store.get(_KIND, module_id)


def named(store: Store, name: str) -> Document:
    """Return an AzureMLModule by name.

    Raises:
        NotFound: There is none.
    """
    found = store.list(_KIND, name=name, limit=1)
    if not found:
        raise NotFound(f"There is no module '{name}'")
    return found[0]


def update(store: Store, module_id: str, updated: Mapping[str, Any]) -> Document:
    """Replace a module's name, description, status or default version.

    The client sends the list of versions too; it is the one that `create_version` keeps.

    Raises:
        NotFound: There is no such module.
        Conflict: The name is taken.
        BadRequest: The status is none, or the versions are other ones than it has.
    """
    with store.transaction():
        module = get(store, module_id)
        given = {key: value for key, value in updated.items() if value is not None}
        sent = {version["ModuleVersionId"] for version in given.get("Versions", [])}
        if sent - {version["ModuleVersionId"] for version in module["Versions"]}:
            raise BadRequest(f"Module '{module['Name']}' has no version with id {', '.join(sent)}")
        kept = ("Id", "CreatedDate", "Versions")
        changed = {**module, **given, **{key: module[key] for key in kept}}
        published.checked_status(changed["EntityStatus"])
        _free_name(store, changed["Name"], module_id)
        changed["LastModifiedDate"] = store.clock.text()
        return store.put(_KIND, module_id, changed, name=changed["Name"])


def create_version(store: Store, info: Mapping[str, Any]) -> Document:
    """Add a version to a module from its AzureMLModuleVersionCreationInfo.

    Returns:
        The AzureMLModuleVersion. Without a version of the client's own, it is the next number.

    Raises:
        NotFound: There is no such module.
        Conflict: It has that version.
    """
    with store.transaction():
        module = get(store, info["AmlModuleId"])
        version = info.get("Version") or str(len(module["Versions"]))
        if any(other["Version"] == version for other in module["Versions"]):
            raise Conflict(f"Module '{module['Name']}' has a version {version} already")
        entity = entities.create_module(store, info)
        store.insert(_VERSION, entity["Id"], {"ModuleId": module["Id"]})
        added = {"ModuleVersionId": entity["Id"], "Version": version}
        default = version if info.get("SetAsDefaultVersion") else module["DefaultVersion"]
        changes = {"Versions": [*module["Versions"], added], "DefaultVersion": default}
        store.update(_KIND, module["Id"], lambda old: {**old, **changes})
    return get_version(store, entity["Id"])


def get_version(store: Store, version_id: str) -> Document:
    """Return an AzureMLModuleVersion.

    Raises:
        NotFound: There is none.
    """
    module_id = store.get(_VERSION, version_id)["ModuleId"]
    return {"ModuleId": module_id, **entities.with_interface(entities.module(store, version_id))}


def update_version(store: Store, version_id: str, updated: Mapping[str, Any]) -> Document:
    """Replace a version's description or status.

    Raises:
        NotFound: There is no such version.
        BadRequest: The status is none.
    """
    get_version(store, version_id)
    data = updated.get("Data") or {}
    published.checked_status(data.get("EntityStatus"))
    entities.update_module(store, version_id, data)
    return get_version(store, version_id)


def _free_name(store: Store, name: str | None, module_id: str) -> str:
    if not name:
        raise BadRequest("A module needs a name")
    if any(other["Id"] != module_id for other in store.list(_KIND, name=name)):
        raise Conflict(f"There is a module '{name}' already")
    return name
