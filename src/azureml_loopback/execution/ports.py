"""What arrives at a step's input ports and where its outputs go, looked up for one run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import NotFound, ServiceError
from azureml_loopback.execution.step import DataLocation, StepFailed, StepInput, StepOutput
from azureml_loopback.services.datasets import state as datasets
from azureml_loopback.services.pipelines import entities
from azureml_loopback.services.pipelines import state as pipelines
from azureml_loopback.services.pipelines.graph import Edge, Graph

if TYPE_CHECKING:
    from azureml_loopback.store import Document, Store


def inputs(store: Store, run: Document, graph: Graph, node: Document) -> dict[str, StepInput]:
    """Return what arrives at each port of a step.

    Raises:
        StepFailed: A dataset or data source is gone, or a parameter has no value.
    """
    module = entities.module(store, node["ModuleId"])
    settings = {s["Name"]: s for s in node.get("ModuleInputSettings") or []}
    found = {}
    for port in _ports(module, "Inputs"):
        edge = graph.edge_into(node["Id"], port["Name"])
        if edge is not None:
            try:
                source = _source(store, run, graph, edge)
            except ServiceError as error:
                raise StepFailed(f"Input '{port['Name']}': {error}") from None
            found[port["Name"]] = _input(port, settings.get(port["Name"], {}), source)
    return found


def outputs(
    node: Document, module: Document, run_id: str, default_datastore: str
) -> dict[str, StepOutput]:
    """Return where each output of a step goes: a place of its run's own, unless it names one.

    Args:
        node: The GraphModuleNode.
        module: Its ModuleEntity.
        run_id: The step's own run.
        default_datastore: For an output that names none.
    """
    settings = {s["Name"]: s for s in node.get("ModuleOutputSettings") or []}
    return {
        port["Name"]: output(port, settings.get(port["Name"], {}), run_id, default_datastore)
        for port in _ports(module, "Outputs")
    }


def output(
    port: Mapping[str, Any], setting: Mapping[str, Any], run_id: str, default_datastore: str
) -> StepOutput:
    """Return where one output goes.

    Args:
        port: Its StructuredInterfaceOutput.
        setting: Its OutputSetting.
        run_id: The step's own run.
        default_datastore: For an output that names none.
    """
    name = str(port["Name"])
    datastore = setting.get("DataStoreName") or port.get("DataStoreName") or default_datastore
    return StepOutput(
        name, DataLocation(datastore, _output_path(name, setting, run_id)), port, setting
    )


def mode(value: Any, default: str) -> str:
    """Return how data are handed over: ``mount``, ``download``, ``upload``, ``direct``, …."""
    return str(value or default).lower()


def is_dataset_output(setting: Mapping[str, Any]) -> bool:
    """Say whether an output is written as an OutputFileDatasetConfig asks."""
    return setting.get("DatasetOutputOptions") is not None


def is_promoted(setting: Mapping[str, Any]) -> bool:
    """Say whether a dataset is made of an output, as ``PipelineData.as_dataset()`` asks."""
    return setting.get("DatasetRegistration") is not None and not is_dataset_output(setting)


def location_of(entity: Mapping[str, Any]) -> DataLocation:
    """Return where a NodeOutput or a DataSourceEntity has its data."""
    reference = entity["DataLocation"]["DataReference"]["AzureBlobReference"]
    return DataLocation(reference["AmlDataStoreName"], reference.get("RelativePath") or "")


def node_output(written: StepOutput, dataset_id: str | None, content: str) -> Document:
    """Return the NodeOutput that tells where an output's data are.

    Args:
        written: The output.
        dataset_id: The saved dataset made of it; nothing if there is none.
        content: What is equal for equal data.
    """
    reference = {
        "RelativePath": written.location.path,
        "AmlDataStoreName": written.location.datastore,
    }
    return {
        "DataTypeId": written.port.get("DataTypeId"),
        "Hash": content,
        "DataLocation": {
            "StorageType": "DataStore",
            "DataReference": {"Type": "AzureBlob", "AzureBlobReference": reference},
        },
        "_datasetId": dataset_id,
    }


def _ports(module: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    """Yield a module's ports that carry data; the others only order the steps."""
    for port in (module.get("StructuredInterface") or {}).get(kind) or []:
        if not port.get("SkipProcessing"):
            yield port


def _input(
    port: Mapping[str, Any], setting: Mapping[str, Any], source: Mapping[str, Any]
) -> StepInput:
    return StepInput(
        name=port["Name"],
        location=source.get("location"),
        dataset_id=source.get("dataset_id"),
        transformations=_transformations(setting),
        mode=mode(setting.get("DataStoreMode") or port.get("DataStoreMode"), "mount"),
        path_on_compute=setting.get("PathOnCompute") or port.get("PathOnCompute"),
        is_dataset=source.get("dataset_id") is not None,
    )


def _transformations(setting: Mapping[str, Any]) -> str | None:
    """Return the dataflow to be added to a dataset; nothing if it has no blocks."""
    text: str | None = setting.get("AdditionalTransformations")
    return text if text and json.loads(text).get("blocks") else None


def _source(store: Store, run: Document, graph: Graph, edge: Edge) -> dict[str, Any]:
    """Return location and dataset id of what an edge brings."""
    if edge.source in graph.steps:
        left = pipelines.node(store, run["Id"], edge.source)["_outputs"][edge.source_port]
        return {"location": location_of(left), "dataset_id": left.get("_datasetId")}
    node = graph.data[edge.source]
    if node.get("DatasetId"):
        return {"location": location_of(entities.data_source(store, node["DatasetId"]))}
    if node.get("DataPathParameterName"):
        value = run["ParameterAssignments"][node["DataPathParameterName"]]
        datastore, _, path = value.partition("/")
        return {"location": DataLocation(datastore, path)}
    return {"dataset_id": _dataset_id(store, run, node["DataSetDefinition"])}


def _dataset_id(store: Store, run: Document, definition: Mapping[str, Any]) -> str:
    """Return the saved dataset that a definition names, the latest version unless it says one."""
    name = definition.get("ParameterName")
    value = run["DataSetDefinitionValueAssignments"].get(name) if name else definition.get("Value")
    if not value:
        raise NotFound(f"Pipeline parameter '{name}' has no dataset")
    saved = value.get("SavedDataSetReference")
    if saved:
        return str(datasets.saved_dataset(store, saved["Id"])["id"])
    reference = value["DataSetReference"]
    version = reference.get("Version")
    if reference.get("Id"):
        dataset = datasets.dataset_by_id(store, reference["Id"], version)
    else:
        dataset = datasets.dataset_named(store, reference["Name"], version)
    return str(dataset["latest"]["savedDatasetId"])


def _output_path(name: str, setting: Mapping[str, Any], run_id: str) -> str:
    """Return the path on the datastore, by Azure's own rules."""
    if not is_dataset_output(setting):
        return f"azureml/{run_id}/{name}"
    template = (setting.get("DatasetOutputOptions") or {}).get("PathOnDatastore")
    template = template or "dataset/{run-id}/{output-name}"
    return template.replace("{run-id}", run_id).replace("{output-name}", name).strip("/")
