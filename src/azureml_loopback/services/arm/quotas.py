"""How many virtual CPUs the workspace may use: by family, and of low priority together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from azureml_loopback.errors import BadRequest
from azureml_loopback.identity import Identity
from azureml_loopback.services.arm.vm_sizes import FAMILIES, VmSize
from azureml_loopback.store import Document, Store

SUBSCRIPTION_LIMIT = 100
"""Virtual CPUs of each family, until a workspace's own quota says less."""
LOW_PRIORITY = "lowPriorityCores"
"""The quota that all low-priority nodes share."""
NODE_LIMIT = 100
"""Nodes of a cluster."""

_KIND = "quota"
_PROVIDER = "Microsoft.MachineLearningServices"
_HELP = (
    "Talk to your Subscription Admin or refer to https://docs.microsoft.com/azure/machine-learning/"
    "how-to-manage-quotas#request-quota-increases to increase the"
)


def limit(store: Store, family: str) -> int:
    """Return a quota."""
    own = store.find(_KIND, family)
    return int(own["limit"]) if own else SUBSCRIPTION_LIMIT


def check(store: Store, size: VmSize, priority: str, scale: Mapping[str, Any]) -> None:
    """Refuse a cluster that is too large.

    Azure lets a cluster's greatest size exceed the quota, as long as its least fits.

    Raises:
        BadRequest: More nodes than a cluster has, or more CPUs at least than there are.
    """
    most = scale["maxNodeCount"]
    if most > NODE_LIMIT:
        raise BadRequest(
            f"The requested maxNodeCount of {most} is above the limit of {NODE_LIMIT} nodes "
            "of a cluster"
        )
    family = LOW_PRIORITY if priority == "LowPriority" else size.family
    allowed, least = limit(store, family), scale["minNodeCount"]
    if most and max(least, 1) * size.cores > allowed:
        wanted = (
            f"is less than the requested min nodes of {least} which maps to {least * size.cores}"
            if least
            else "cannot accomodate for at least 1 requested managed compute node which maps to "
            f"{size.cores}"
        )
        raise BadRequest(
            f"The specified subscription has a {family} vCPU quota of {allowed} and {wanted} "
            f"vCPUs. {_HELP} {family} vCPU quota"
        )


def quotas(store: Store, identity: Identity) -> list[Document]:
    """Return the workspace's quotas (``ResourceQuota``)."""
    return [
        {
            "id": _quota_id(identity, family),
            "type": f"{_PROVIDER}/workspaces/quotas",
            "name": {"value": family, "localizedValue": family},
            "limit": limit(store, family),
            "unit": "Count",
        }
        for family in (*FAMILIES, LOW_PRIORITY)
    ]


def usages(store: Store, identity: Identity, used: Mapping[str, int]) -> list[Document]:
    """Return how much of each quota is used (``Usage``).

    Args:
        store: The documents.
        identity: Of the workspace.
        used: Family -> virtual CPUs.
    """
    scope = f"/subscriptions/{identity.subscription_id}/providers/{_PROVIDER}"
    return [
        {
            "id": f"{scope}/locations/{identity.location}/usages/{family}",
            "type": f"{_PROVIDER}/usages",
            "name": {"value": family, "localizedValue": family},
            "currentValue": used.get(family, 0),
            "limit": limit(store, family),
            "unit": "Count",
        }
        for family in (*FAMILIES, LOW_PRIORITY)
    ]


def set_quotas(store: Store, wanted: Iterable[Mapping[str, Any]]) -> list[Document]:
    """Change quotas; each answer says in ``status`` how it went."""
    return [{**quota, "status": _set_quota(store, quota)} for quota in wanted]


def _set_quota(store: Store, quota: Mapping[str, Any]) -> str:
    family = str(quota.get("id", "")).rpartition("/")[2]
    known = {name.lower(): name for name in (*FAMILIES, LOW_PRIORITY)}.get(family.lower())
    value = quota.get("limit")
    if known is None:
        return "invalidVMFamilyName"
    if value is None:
        store.delete(_KIND, known)
        return "success"
    if not isinstance(value, int) or not 0 <= value <= SUBSCRIPTION_LIMIT:
        return "invalidQuotaExceedsSubscriptionLimit"
    store.put(_KIND, known, {"limit": value})
    return "success"


def _quota_id(identity: Identity, family: str) -> str:
    return f"/{identity.arm_scope}/quotas/{family}"
