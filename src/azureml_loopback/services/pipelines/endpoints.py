"""Pipeline endpoints: one address for the versions of a published pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import BadRequest, Conflict, NotFound
from azureml_loopback.services.pipelines import published

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document, Store

_KIND = "pipeline endpoint"


def create(loopback: Loopback, info: Mapping[str, Any]) -> Document:
    """Make an endpoint of a PipelineEndpointCreationInfo; its first version is ``0``.

    Raises:
        NotFound: There is no such pipeline.
        Conflict: The name is taken.
        BadRequest: It has no name.
    """
    store = loopback.store
    with store.transaction():
        published.get(store, info["PipelineId"])
        endpoint_id, now = store.new_id(), store.clock.text()
        endpoint: Document = {
            "Id": endpoint_id,
            "Name": _free_name(store, info.get("Name"), endpoint_id),
            "Description": info.get("Description"),
            "DefaultVersion": "0",
            "PipelineVersionList": [{"PipelineId": info["PipelineId"], "Version": "0"}],
            "Properties": info.get("Properties") or {},
            "Url": published.address(loopback.identity, f"PipelineEndpointSubmit/Id/{endpoint_id}"),
            "EntityStatus": "Active",
            "CreatedDate": now,
            "LastModifiedDate": now,
        }
        return store.insert(_KIND, endpoint_id, endpoint, name=endpoint["Name"])


def get(store: Store, endpoint_id: str) -> Document:
    """Return a PipelineEndpointEntity.

    Raises:
        NotFound: There is none.
    """
    return store.get(_KIND, endpoint_id)


def named(store: Store, name: str) -> Document:
    """Return a PipelineEndpointEntity by name.

    Raises:
        NotFound: There is none.
    """
    found = store.list(_KIND, name=name, limit=1)
    if not found:
        raise NotFound(f"There is no pipeline endpoint '{name}'")
    return found[0]


def listed(store: Store, *, active_only: bool, limit: int = -1) -> list[Document]:
    """Return the endpoints, newest first."""
    found = store.list(_KIND, newest_first=True)
    chosen = [e for e in found if published.is_active(e) or not active_only]
    return chosen[:limit] if limit >= 0 else chosen


def update(store: Store, endpoint_id: str, updated: Mapping[str, Any]) -> Document:
    """Replace an endpoint's name, description, status, versions or default version.

    Raises:
        NotFound: There is no such endpoint, or no such pipeline.
        Conflict: The name is taken.
        BadRequest: The default version is none of its versions.
    """
    with store.transaction():
        endpoint = get(store, endpoint_id)
        changed = {
            **endpoint,
            **{key: value for key, value in updated.items() if value is not None},
            **{key: endpoint[key] for key in ("Id", "Url", "CreatedDate")},
            "LastModifiedDate": store.clock.text(),
        }
        published.checked_status(changed["EntityStatus"])
        _free_name(store, changed["Name"], endpoint_id)
        for version in changed["PipelineVersionList"]:
            published.get(store, version["PipelineId"])
        pipeline_of(changed, changed["DefaultVersion"])
        return store.put(_KIND, endpoint_id, changed, name=changed["Name"])


def pipelines(store: Store, endpoint_id: str, *, active_only: bool) -> list[Document]:
    """Return the pipelines of an endpoint's versions.

    Raises:
        NotFound: There is no such endpoint.
    """
    versions = get(store, endpoint_id)["PipelineVersionList"]
    found = [published.get(store, version["PipelineId"]) for version in versions]
    return [pipeline for pipeline in found if published.is_active(pipeline) or not active_only]


def pipeline_of(endpoint: Document, version: str | None) -> str:
    """Return the id of the pipeline behind a version; without one, the default's.

    Raises:
        BadRequest: There is no such version.
    """
    wanted = version or endpoint["DefaultVersion"]
    by_version = {v["Version"]: v["PipelineId"] for v in endpoint["PipelineVersionList"]}
    if wanted not in by_version:
        raise BadRequest(
            f"Pipeline endpoint '{endpoint['Name']}' has no version {wanted}; "
            f"it has {', '.join(by_version)}"
        )
    return str(by_version[wanted])


def submit(
    loopback: Loopback,
    endpoint: Document,
    submission: Mapping[str, Any],
    *,
    version: str | None = None,
    parent_run_id: str | None = None,
    schedule_id: str | None = None,
) -> Document:
    """Run a version of an endpoint's pipeline, and return the PipelineRunEntity.

    Raises:
        BadRequest: It is disabled, or there is no such version, or the pipeline refuses.
    """
    if not published.is_active(endpoint):
        raise BadRequest(
            f"Pipeline endpoint '{endpoint['Name']}' is {endpoint['EntityStatus']} "
            "and cannot be submitted; enable it first"
        )
    return published.submit(
        loopback,
        pipeline_of(endpoint, version),
        submission,
        parent_run_id=parent_run_id,
        schedule_id=schedule_id,
    )


def _free_name(store: Store, name: str | None, endpoint_id: str) -> str:
    if not name:
        raise BadRequest("A pipeline endpoint needs a name")
    if any(other["Id"] != endpoint_id for other in store.list(_KIND, name=name)):
        raise Conflict(f"There is a pipeline endpoint '{name}' already")
    return name
