"""What runs are made of: data types, modules, data sources, graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import Conflict, NotFound
from azureml_loopback.services.pipelines.graph import check_order, read_graph

if TYPE_CHECKING:
    from azureml_loopback.store import Document, Store

DATA_TYPE = "data type"
MODULE = "module"
DATA_SOURCE = "data source"
GRAPH = "graph"


def data_types(store: Store) -> list[Document]:
    """Return all data types."""
    return store.list(DATA_TYPE)


def create_data_type(store: Store, info: Mapping[str, Any]) -> Document:
    """Add a data type.

    Raises:
        Conflict: It exists; the text holds ``already exist``, by which the SDK knows.
    """
    if store.find(DATA_TYPE, info["Id"]):
        raise Conflict(f"DataType {info['Id']} already exists")
    return store.insert(DATA_TYPE, info["Id"], _stamped(store, {**info}, info["Id"]))


def update_data_type(store: Store, type_id: str, updated: Mapping[str, Any]) -> Document:
    """Replace a data type.

    Raises:
        NotFound: There is none.
    """
    return store.update(DATA_TYPE, type_id, lambda old: {**old, **updated, "Id": type_id})


def create_module(store: Store, info: Mapping[str, Any]) -> Document:
    """Add a module from its ModuleCreationInfo and return the ModuleEntity."""
    module_id = store.new_id()
    location = {"StorageType": "Snapshot", "StorageId": info.get("StorageId")}
    module = {
        "ModuleExecutionType": info.get("ModuleExecutionType"),
        "ModuleType": info.get("ModuleType"),
        "UploadState": "Completed",
        "IsDeterministic": info.get("IsDeterministic"),
        "StructuredInterface": info.get("StructuredInterface") or {},
        "DataLocation": location if info.get("StorageId") else None,
        "IdentifierHash": info.get("IdentifierHash"),
        "tags": info.get("KvTags") or {},
        "Properties": info.get("Properties") or {},
        "Runconfig": info.get("Runconfig"),
        "Category": info.get("Category"),
        "StepType": info.get("StepType"),
        "Name": info.get("Name"),
        "Hash": info.get("Hash"),
        "Description": info.get("Description"),
    }
    name = info.get("IdentifierHash") or ""
    return store.insert(MODULE, module_id, _stamped(store, module, module_id), name=name)


def module(store: Store, module_id: str) -> Document:
    """Return a ModuleEntity.

    Raises:
        NotFound: There is none.
    """
    return store.get(MODULE, module_id)


def module_by_hash(store: Store, identifier_hash: str) -> Document:
    """Return the newest module with this content hash.

    Raises:
        NotFound: There is none, so the client makes one.
    """
    return _newest(store, MODULE, identifier_hash)


def update_module(store: Store, module_id: str, updated: Mapping[str, Any]) -> Document:
    """Replace a module's fields.

    Raises:
        NotFound: There is none.
    """
    return store.update(MODULE, module_id, lambda old: {**old, **updated, "Id": module_id})


def with_interface(module_entity: Document) -> Document:
    """Return a Module: the entity, and its interface as the older clients read it."""
    structured = module_entity["StructuredInterface"]
    inputs = [
        {
            "Name": port["Name"],
            "Documentation": port.get("Description"),
            "DataTypesIds": port.get("DataTypeIdsList") or [],
            "IsOptional": port.get("IsOptional"),
        }
        for port in structured.get("Inputs") or []
    ]
    outputs = [
        {
            "Name": port["Name"],
            "Documentation": port.get("Description"),
            "DataTypeId": port.get("DataTypeId"),
            "PassThroughInputName": port.get("PassThroughDataTypeInputName"),
        }
        for port in structured.get("Outputs") or []
    ]
    interface = {
        "Parameters": [_parameter(p) for p in structured.get("Parameters") or []],
        "MetadataParameters": [_parameter(p) for p in structured.get("MetadataParameters") or []],
        "Ports": {"Inputs": inputs, "Outputs": outputs},
    }
    return {"Data": module_entity, "Interface": interface}


def create_data_source(store: Store, info: Mapping[str, Any]) -> Document:
    """Add a data source, a path on a blob datastore, from its DataSourceCreationInfo."""
    source_id = store.new_id()
    reference = {
        "RelativePath": info.get("PathOnDataStore"),
        "AmlDataStoreName": info.get("DataStoreName"),
    }
    source = {
        "Name": info.get("Name"),
        "DataTypeId": info.get("DataTypeId"),
        "Description": info.get("Description"),
        "UploadState": "Completed",
        "IdentifierHash": info.get("IdentifierHash"),
        "DataLocation": {"DataReference": {"Type": "AzureBlob", "AzureBlobReference": reference}},
    }
    name = info.get("IdentifierHash") or ""
    return store.insert(DATA_SOURCE, source_id, _stamped(store, source, source_id), name=name)


def data_source(store: Store, source_id: str) -> Document:
    """Return a DataSourceEntity.

    Raises:
        NotFound: There is none.
    """
    return store.get(DATA_SOURCE, source_id)


def data_source_by_hash(store: Store, identifier_hash: str) -> Document:
    """Return the newest data source with this hash.

    Raises:
        NotFound: There is none, so the client makes one.
    """
    return _newest(store, DATA_SOURCE, identifier_hash)


def update_data_source(store: Store, source_id: str, updated: Mapping[str, Any]) -> Document:
    """Replace a data source's fields.

    Raises:
        NotFound: There is none.
    """
    return store.update(DATA_SOURCE, source_id, lambda old: {**old, **updated, "Id": source_id})


def save_graph(store: Store, graph_: Mapping[str, Any], interface_: Mapping[str, Any]) -> str:
    """Keep a GraphEntity with its EntityInterface, and return its new id.

    Raises:
        NotFound: A node names a module or a data source that there is not.
        BadRequest: Nodes wait for each other.
    """
    check_order(read_graph(graph_))
    for node in graph_.get("ModuleNodes") or []:
        module(store, node["ModuleId"])
    for node in graph_.get("DatasetNodes") or []:
        if node.get("DatasetId"):
            data_source(store, node["DatasetId"])
    graph_id = store.new_id()
    body = {**_stamped(store, graph_, graph_id), "_interface": dict(interface_)}
    store.insert(GRAPH, graph_id, body)
    return graph_id


def graph(store: Store, graph_id: str) -> Document:
    """Return a GraphEntity.

    Raises:
        NotFound: There is none.
    """
    return store.get(GRAPH, graph_id)


def interface(store: Store, graph_id: str) -> Document:
    """Return a graph's EntityInterface.

    Raises:
        NotFound: There is no such graph.
    """
    found: Document = graph(store, graph_id)["_interface"]
    return found


def _parameter(parameter: Mapping[str, Any]) -> Document:
    return {
        "Name": parameter["Name"],
        "Documentation": parameter.get("Description"),
        "DefaultValue": parameter.get("DefaultValue"),
        "IsOptional": parameter.get("IsOptional"),
        "Type": parameter.get("ParameterType"),
    }


def _newest(store: Store, kind: str, identifier_hash: str) -> Document:
    found = store.list(kind, name=identifier_hash, newest_first=True, limit=1)
    if not found:
        raise NotFound(f"There is no {kind} with hash '{identifier_hash}'")
    return found[0]


def _stamped(store: Store, values: Mapping[str, Any], entity_id: str) -> Document:
    now = store.clock.text()
    stamps = {"CreatedDate": now, "LastModifiedDate": now, "EntityStatus": "Active"}
    return {**values, "Id": entity_id, **stamps}
