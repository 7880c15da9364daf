"""The properties of an AutoML run, by the names that `AutoMLRun` and Azure's own pages read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from azureml_loopback.services.jasmine.settings import AutoMLJob


def parent_properties(request: Mapping[str, Any], job: AutoMLJob) -> dict[str, str]:
    """Return the properties of an AutoML run.

    Args:
        request: A CreateParentRun.
        job: Its settings.
    """
    values = {
        "num_iterations": request.get("numIterations"),
        "training_type": "TrainFull",
        "primary_metric": job.primary_metric,
        "train_split": request.get("trainSplit"),
        "num_cross_validation": request.get("numCrossValidation"),
        "target": request.get("target"),
        "AMLSettingsJsonString": request.get("amlSettingsJsonString"),
        "DataPrepJsonString": request.get("dataPrepJsonString"),
        "EnableSubsampling": request.get("enableSubsampling"),
        "display_task_type": job.settings["task"],
        "runTemplate": "AutoML",
        "Orchestrator": "AutoML",
        # the SDK shows iterations once this is there
        "ProblemInfoJsonString": json.dumps({"subsampling": False}),
        **(request.get("properties") or {}),
    }
    return {name: str(value) for name, value in values.items() if value is not None}
