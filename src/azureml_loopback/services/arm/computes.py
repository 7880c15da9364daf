"""Compute clusters: their settings, and the states they go through by the service's clock.

A document says what a cluster is turning into and until when; what it is now follows from the time.
Nodes are not rented here: a cluster has as many as it keeps at least, or as runs are running on it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from azureml_loopback.clock import as_text
from azureml_loopback.errors import BadRequest, Conflict, NotFound, NotImplementedHere
from azureml_loopback.identity import Identity
from azureml_loopback.services.arm import quotas
from azureml_loopback.services.arm.vm_sizes import DEFAULT, SIZES, VmSize
from azureml_loopback.store import Document, Store

PROVISIONING = timedelta(seconds=3)
"""How long a cluster is in the making, in change or in removal."""

_KIND = "compute"
_OPERATION = "compute operation"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,30}[A-Za-z0-9]")
_PRIORITIES = {"dedicated": "Dedicated", "lowpriority": "LowPriority"}
_SETTINGS = frozenset(
    {
        "enableNodePublicIp",
        "osType",
        "remoteLoginPortPublicAccess",
        "scaleSettings",
        "subnet",
        "userAccountCredentials",
        "vmPriority",
        "vmSize",
    }
)


def compute(store: Store, name: str) -> Document:
    """Return a cluster: ``vmSize``, ``vmPriority``, ``scaleSettings`` and more in ``_settings``.

    Raises:
        NotFound: There is none of that name, or no longer.
    """
    found = _find(store, name)
    if found is None:
        known = ", ".join(each["name"] for each in computes(store)) or "none"
        raise NotFound(f"There is no compute '{name}'; there are: {known}", "ComputeNotFound")
    return found


def max_nodes(store: Store, name: str) -> int:
    """Return how many nodes a cluster may have.

    Raises:
        NotFound: There is none of that name.
    """
    return int(compute(store, name)["_settings"]["scaleSettings"]["maxNodeCount"])


def computes(store: Store) -> list[Document]:
    """Return all clusters."""
    return [found for found in store.list(_KIND) if not _is_gone(store, found)]


def create(store: Store, name: str, resource: Mapping[str, Any]) -> tuple[Document, str, bool]:
    """Make a cluster, or change the scale settings of one.

    Args:
        store: The documents.
        name: Of the cluster.
        resource: ``ComputeResource``.

    Returns:
        The cluster, the id of the operation that makes it, and whether it is new.

    Raises:
        BadRequest: A setting is wrong, or cannot change once the cluster is there.
        Conflict: One of that name is being deleted.
        NotImplementedHere: It is no ``AmlCompute``, or has a setting that is not known here.
    """
    properties = resource.get("properties") or {}
    kind = properties.get("computeType")
    if kind != "AmlCompute":
        raise NotImplementedHere(f"Computes of type {kind} are not implemented; AmlCompute is")
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"'{name}' is no compute name: use letters, digits and '-', 2 to 32, beginning with a "
            "letter and not ending with '-'"
        )
    settings = _settings(store, properties.get("properties") or {})
    with store.transaction():
        known = _find(store, name)
        if known is not None:
            _refuse_while_deleted(known)
            _refuse_other_machines(known, settings)
            return *_scaled(store, known, settings["scaleSettings"]), False
        document = {
            "name": name,
            "tags": resource.get("tags"),
            "identity": resource.get("identity"),
            "description": properties.get("description"),
            "createdOn": store.clock.text(),
            "_settings": settings,
        }
        return *_begun(store, document, "Creating"), True


def scale(store: Store, name: str, resource: Mapping[str, Any]) -> tuple[Document, str | None]:
    """Change a cluster's scale settings.

    Returns:
        The cluster, and the id of the operation; without one if nothing changed.

    Raises:
        NotFound: There is no such cluster.
        BadRequest: The settings make no sense.
        Conflict: The cluster is being deleted.
        NotImplementedHere: Something else is to change.
    """
    properties = resource.get("properties") or {}
    wanted = dict(properties.get("properties") or {})
    scale_settings = wanted.pop("scaleSettings", None)
    if scale_settings is None or wanted or resource.get("identity") or resource.get("tags"):
        raise NotImplementedHere("Only a cluster's scaleSettings can change")
    with store.transaction():
        known = compute(store, name)
        _refuse_while_deleted(known)
        settings = _settings(store, {**known["_settings"], "scaleSettings": scale_settings})
        if settings == known["_settings"]:
            return known, None
        return _scaled(store, known, settings["scaleSettings"])


def delete(store: Store, name: str) -> str:
    """Remove a cluster; return the operation's id.

    Raises:
        NotFound: There is no such cluster.
    """
    with store.transaction():
        return _begun(store, compute(store, name), "Deleting")[1]


def operation(store: Store, operation_id: str) -> Document:
    """Return how an operation goes (``status``: ``InProgress`` or ``Succeeded``).

    Raises:
        NotFound: There is none.
    """
    found = store.get(_OPERATION, operation_id)
    done = _is_over(store, found["until"])
    return {
        "id": operation_id,
        "name": operation_id,
        "status": "Succeeded" if done else "InProgress",
        "startTime": found["startTime"],
        **({"endTime": found["until"]} if done else {}),
    }


def shown(store: Store, identity: Identity, cluster: Document, running: int) -> Document:
    """Return a cluster as the wire has it (``ComputeResource``), as it is now.

    Args:
        store: Knows the time.
        identity: Of the workspace.
        cluster: From `compute`.
        running: Runs that occupy a node.
    """
    settings = cluster["_settings"]
    changes = not _is_over(store, cluster["_until"])
    state = cluster["_turning"] if changes else "Succeeded"
    nodes = 0 if state == "Creating" else node_count(cluster, running)
    busy = min(running, nodes)
    since = cluster["modifiedOn"] if changes else cluster["_until"]
    resource = {
        "id": f"/{identity.arm_scope}/computes/{cluster['name']}",
        "name": cluster["name"],
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": identity.location,
        "tags": cluster["tags"],
        "properties": {
            "computeType": "AmlCompute",
            "computeLocation": identity.location,
            "description": cluster["description"],
            "resourceId": None,
            "isAttachedCompute": False,
            "createdOn": cluster["createdOn"],
            "modifiedOn": cluster["modifiedOn"],
            "provisioningState": state,
            "provisioningStateTransitionTime": since,
            "provisioningErrors": None,
            "properties": {
                **settings,
                "allocationState": "Resizing" if changes else "Steady",
                "allocationStateTransitionTime": since,
                "currentNodeCount": nodes,
                "targetNodeCount": max(nodes, settings["scaleSettings"]["minNodeCount"]),
                "nodeStateCounts": _node_states(nodes, busy),
                "errors": None,
            },
        },
    }
    # the SDK indexes identity where there is the key, so it must not be null
    return {**resource, "identity": cluster["identity"]} if cluster["identity"] else resource


def node_count(cluster: Document, running: int) -> int:
    """Return how many nodes a cluster has while so many runs are running on it."""
    settings = cluster["_settings"]["scaleSettings"]
    return int(min(max(settings["minNodeCount"], running), settings["maxNodeCount"]))


def cores_in_use(store: Store, running: Mapping[str, int]) -> dict[str, int]:
    """Return the virtual CPUs in use by quota family.

    Args:
        store: The documents.
        running: Lower-cased compute name -> runs on it.
    """
    used: dict[str, int] = {}
    for cluster in computes(store):
        size, priority = _size(cluster["_settings"]), cluster["_settings"]["vmPriority"]
        family = quotas.LOW_PRIORITY if priority == "LowPriority" else size.family
        nodes = node_count(cluster, running.get(cluster["name"].lower(), 0))
        used[family] = used.get(family, 0) + nodes * size.cores
    return used


def _find(store: Store, name: str) -> Document | None:
    found = store.find(_KIND, name.lower())
    return None if found is None or _is_gone(store, found) else found


def _is_gone(store: Store, cluster: Document) -> bool:
    return cluster["_turning"] == "Deleting" and _is_over(store, cluster["_until"])


def _is_over(store: Store, until: str) -> bool:
    return datetime.fromisoformat(until) <= store.clock.now()


def _begun(store: Store, cluster: Document, turning: str) -> tuple[Document, str]:
    """Let a cluster turn into something; return it and the operation's id."""
    now = store.clock.now()
    until = as_text(now + PROVISIONING)
    operation_id = store.new_id()
    store.insert(_OPERATION, operation_id, {"startTime": as_text(now), "until": until})
    document = {**cluster, "modifiedOn": as_text(now), "_turning": turning, "_until": until}
    return store.put(_KIND, cluster["name"].lower(), document), operation_id


def _scaled(
    store: Store, cluster: Document, scale_settings: Mapping[str, Any]
) -> tuple[Document, str]:
    settings = {**cluster["_settings"], "scaleSettings": scale_settings}
    return _begun(store, {**cluster, "_settings": settings}, "Updating")


def _settings(store: Store, sent: Mapping[str, Any]) -> Document:
    """Return a cluster's settings, complete and checked."""
    unknown = sorted(set(sent) - _SETTINGS)
    if unknown:
        raise NotImplementedHere(f"A cluster's {', '.join(unknown)} is not implemented")
    size = _size(sent)
    priority = _PRIORITIES.get(str(sent.get("vmPriority") or "dedicated").lower())
    if priority is None:
        raise BadRequest(
            f"vmPriority: found '{sent['vmPriority']}', allowed: {', '.join(_PRIORITIES.values())}"
        )
    scale_settings = _scale_settings(sent.get("scaleSettings") or {})
    quotas.check(store, size, priority, scale_settings)
    account = sent.get("userAccountCredentials") or {}
    return {
        "osType": "Linux",
        "subnet": None,
        "remoteLoginPortPublicAccess": "NotSpecified",
        **sent,
        "vmSize": sent.get("vmSize") or DEFAULT,
        "vmPriority": priority,
        "scaleSettings": scale_settings,
        # as in Azure, a password goes in and never comes out
        "userAccountCredentials": {k: v for k, v in account.items() if k != "adminUserPassword"},
    }


def _size(settings: Mapping[str, Any]) -> VmSize:
    name = str(settings.get("vmSize") or DEFAULT)
    size = SIZES.get(name.lower())
    if size is None:
        close = difflib.get_close_matches(name.lower(), SIZES, n=3)
        hint = f", such as {', '.join(SIZES[each].name for each in close)}" if close else ""
        raise BadRequest(
            f"The vmSize '{name}' is not supported in this region; "
            f"AmlCompute.supported_vmsizes(workspace) lists those that are{hint}"
        )
    return size


def _scale_settings(sent: Mapping[str, Any]) -> Document:
    least, most = sent.get("minNodeCount") or 0, sent.get("maxNodeCount")
    if not isinstance(least, int) or not isinstance(most, int) or not 0 <= least <= most:
        raise BadRequest(
            f"scaleSettings: found minNodeCount {least} and maxNodeCount {most}; they are whole "
            "numbers, the first at least 0 and not above the second"
        )
    idle = sent.get("nodeIdleTimeBeforeScaleDown") or "PT1800S"
    return {"minNodeCount": least, "maxNodeCount": most, "nodeIdleTimeBeforeScaleDown": idle}


def _refuse_while_deleted(cluster: Document) -> None:
    if cluster["_turning"] == "Deleting":
        raise Conflict(f"Compute '{cluster['name']}' is being deleted")


def _refuse_other_machines(cluster: Document, settings: Mapping[str, Any]) -> None:
    for field in ("vmSize", "vmPriority"):
        before, after = cluster["_settings"][field], settings[field]
        if str(before).lower() != str(after).lower():
            raise BadRequest(
                f"{field} of compute '{cluster['name']}' is {before} and cannot become {after}; "
                "delete the compute first, or take another name"
            )


def _node_states(nodes: int, busy: int) -> dict[str, int]:
    others: Iterable[str] = ("preparing", "unusable", "leaving", "preempted")
    return {
        "idleNodeCount": nodes - busy,
        "runningNodeCount": busy,
        **{f"{name}NodeCount": 0 for name in others},
    }
