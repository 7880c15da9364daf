"""What the history says of a pipeline's steps, in the words that the SDK reads.

Each step is a child of the pipeline's run, of type ``azureml.StepRun``, which is the script's own
run at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from azureml_loopback.execution.step import StepInput
from azureml_loopback.services.datasets import state as datasets_state
from azureml_loopback.services.history import state as history
from azureml_loopback.store import Document, Store

STEP_RUN = "azureml.StepRun"


def begin_step(
    store: Store,
    run_id: str,
    *,
    pipeline_run_id: str,
    node_id: str,
    module: Mapping[str, Any],
    definition: Mapping[str, Any],
    datasets: Iterable[Mapping[str, Any]] = (),
    reused: Mapping[str, Any] | None = None,
) -> Document:
    """Add a step to the history, or return it if it is there since before a restart.

    Args:
        store: The service's documents.
        run_id: The step's own run.
        pipeline_run_id: The run that it is a step of.
        node_id: Its node in the graph.
        module: The ModuleEntity.
        definition: The run configuration, with ``target`` and ``script``.
        datasets: What it reads, as DatasetLineage.
        reused: TaskStatus of the node whose outputs it has; nothing if it runs itself.
    """
    known = history.find_run(store, run_id)
    if known:
        return known
    parent = history.get_run(store, pipeline_run_id)
    properties = {
        **{key: str(value) for key, value in (module.get("Properties") or {}).items()},
        "azureml.runsource": STEP_RUN,
        "azureml.nodeid": node_id,
        "azureml.moduleid": module["Id"],
        "azureml.moduleName": module["Name"] or "",
        "azureml.pipelinerunid": pipeline_run_id,
        "StepType": module.get("StepType") or "",
        "ContentSnapshotId": (module.get("DataLocation") or {}).get("StorageId") or "",
        "azureml.isreused": str(bool(reused)).lower(),
        **_reuse_properties(reused),
    }
    return history.create_run(
        store,
        parent["experimentId"],
        run_id,
        parent_run_id=pipeline_run_id,
        name=module["Name"],
        run_type=STEP_RUN,
        status="Queued",
        target=definition["target"],
        script_name=definition["script"],
        definition=definition,
        properties=properties,
        tags={"azureml.nodeid": node_id, "azureml.pipeline": pipeline_run_id},
        _inputDatasets=list(datasets),
    )


def lineage(store: Store, given: StepInput) -> Document:
    """Return a dataset that a step reads, as DatasetLineage."""
    registered = datasets_state.with_saved_id(store, str(given.dataset_id))
    identifier = {"savedId": given.dataset_id}
    if registered:
        identifier["registeredId"] = registered[0]["datasetId"]
        identifier["registeredVersion"] = registered[0]["latest"]["versionId"]
    return {
        "identifier": identifier,
        "consumptionType": "RunInput",
        "inputDetails": {
            "inputName": given.name,
            "mechanism": given.mode.capitalize(),
            "pathOnCompute": given.path_on_compute,
        },
    }


def _reuse_properties(reused: Mapping[str, Any] | None) -> dict[str, str]:
    """Return where a reused step's outputs come from: the run that did the work."""
    if not reused:
        return {}
    return {
        "azureml.reusedrunid": reused["RunId"],
        "azureml.reusednodeid": reused["_nodeId"],
        "azureml.reusedpipeline": reused["_pipelineRunId"],
        "azureml.reusedpipelinerunid": reused["_pipelineRunId"],
    }
