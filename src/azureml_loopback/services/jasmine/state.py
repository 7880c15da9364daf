"""AutoML runs that are submitted by themselves, and what requests for AutoML say.

A request is a CreateParentRun; its run keeps it as ``_request``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.errors import BadRequest, Conflict, ServiceError
from azureml_loopback.services.datasets import state as datasets
from azureml_loopback.services.history import state as history
from azureml_loopback.services.jasmine.properties import parent_properties
from azureml_loopback.services.jasmine.settings import AutoMLJob, read_settings

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document, Store

RUN_TYPE = "automl"

CURATED_ENVIRONMENT: Mapping[str, Any] = {
    "name": "AzureML-AutoML",
    "version": "1",
    "environmentVariables": {},
    "python": {
        "userManagedDependencies": False,
        "interpreterPath": "python",
        "condaDependencies": {
            "name": "project_environment",
            "channels": ["conda-forge"],
            # azureml-train-automl-runtime 1.62 runs on these
            "dependencies": [
                "python=3.10",
                {
                    "pip": [
                        "numpy==1.23.5",
                        "pandas==1.5.3",
                        "pyarrow==17.0.0",
                        "scikit-learn==1.5.2",
                    ]
                },
            ],
        },
    },
    "docker": {"baseImage": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"},
}
"""What AutoML runs in unless a step says otherwise: the pins of AutoML's own runtime."""


def by_wire_names(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a CreateParentRun by its JSON names; the SDK puts its Python names into parameters."""
    return {_camel_case(name): value for name, value in request.items()}


def job_of(request: Mapping[str, Any]) -> AutoMLJob:
    """Return what a request asks to train.

    Raises:
        BadRequest: It holds no settings.
    """
    try:
        return read_settings(json.loads(request["amlSettingsJsonString"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequest(f"amlSettingsJsonString holds no AutoML settings: {error!r}") from None


def datasets_of(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the data that a request names itself: role -> saved dataset.

    Raises:
        BadRequest: It names data in a way that is not tabular datasets.
    """
    text = request.get("dataPrepJsonString")
    if not text:
        return {}
    try:
        named = json.loads(json.loads(f'"{text}"'))  # the SDK escapes it for a place in other JSON
        return {role: value["datasetId"] for role, value in named.items() if role != "datasets"}
    except (KeyError, TypeError, ValueError):
        raise BadRequest(
            "dataPrepJsonString names no tabular datasets; give AutoMLConfig its data as "
            "training_data=TabularDataset, validation_data=TabularDataset"
        ) from None


def findings(store: Store, request: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a request; nothing if it can be trained.

    Data that a pipeline has yet to make are not looked at.
    """
    found = []
    try:
        job_of(request)
        for saved_id in datasets_of(request).values():
            datasets.saved_dataset(store, saved_id)
    except ServiceError as error:
        found.append(str(error))
    return found


def create_run(store: Store, experiment_id: str, request: Mapping[str, Any]) -> str:
    """Make an AutoML run that is not started yet, and return its id.

    Raises:
        NotFound: There is no such experiment, or no such parent.
        BadRequest: The request holds no settings.
    """
    run_id = f"AutoML_{store.new_id()}"
    job = job_of(request)
    history.create_run(
        store,
        experiment_id,
        run_id,
        parent_run_id=request.get("parentRunId"),
        name=run_id,
        run_type=RUN_TYPE,
        target=request.get("target"),
        properties={**parent_properties(request, job), "azureml.runsource": "automl"},
        tags=request.get("tags") or {},
        _request=dict(request),
    )
    return run_id


def submit(loopback: Loopback, run_id: str, definition: Mapping[str, Any]) -> None:
    """Start an AutoML run.

    Args:
        loopback: The service.
        run_id: What `create_run` returned.
        definition: A RunDefinition, whose configuration has the environment.

    Raises:
        NotFound: There is no such run.
        Conflict: It was started before.
    """
    with loopback.store.transaction():
        run = history.get_run(loopback.store, run_id)
        if run["status"] != "NotStarted":
            raise Conflict(f"Run '{run_id}' was started already: it is {run['status']}")
        history.update_run(loopback.store, run_id, runDefinition=dict(definition))
        history.set_status(loopback.store, run_id, "Preparing")
    loopback.engine.submit(run_id)


def is_automl_run(run: Document) -> bool:
    """Say whether a run was submitted by itself, and not as a step of a pipeline."""
    return bool(run["runType"] == RUN_TYPE)


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
