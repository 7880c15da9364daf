"""What the history says of a pipeline's run: a run of type ``azureml.PipelineRun``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from azureml_loopback.services.history import state as history
from azureml_loopback.store import Document, Store

PIPELINE_RUN = "azureml.PipelineRun"


def begin_pipeline_run(store: Store, run: Mapping[str, Any]) -> Document:
    """Add a submitted PipelineRunEntity to the history."""
    experiment = history.ensure_experiment(store, run["RunHistoryExperimentName"])
    properties = {
        **run["Properties"],
        "azureml.runsource": PIPELINE_RUN,
        "runSource": run["RunSource"] or "Unavailable",
        "runType": run["RunType"] or "HTTP",
        "azureml.parameters": json.dumps(run["ParameterAssignments"]),
        "azureml.continue_on_step_failure": str(run["_continueOnStepFailure"]),
    }
    if run["PipelineId"]:
        properties["azureml.pipelineid"] = run["PipelineId"]
    if run["ScheduleId"]:
        properties["azureml.scheduleid"] = run["ScheduleId"]
    return history.create_run(
        store,
        experiment["experimentId"],
        run["Id"],
        parent_run_id=run.get("_parentRunId"),
        name=None,
        display_name=run["Description"] or run["Id"],
        description=run["Description"],
        run_type=PIPELINE_RUN,
        status="Preparing",
        properties=properties,
        tags=run["tags"],
        warnings=_warnings(run),
    )


def _warnings(run: Mapping[str, Any]) -> list[dict[str, str]]:
    """Tell what was assigned in vain: a misspelled parameter leaves the run with the default."""
    if not run["_unknownParameters"]:
        return []
    unknown = ", ".join(run["_unknownParameters"])
    known = ", ".join(sorted(run["ParameterAssignments"])) or "none"
    message = f"The pipeline has no parameter {unknown}, which was left out; it has {known}"
    return [{"source": "Pipelines", "message": message}]
