"""What AutoML leaves beside the best model for a service that is to answer with it. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore]

MODEL = "outputs/model.pkl"
"""Where `AutoMLRun` looks for a child's model."""
CONDA_FILE = "outputs/conda_env_v_1_0_0.yml"
SCORING_FILES = ("outputs/scoring_file_v_1_0_0.py", "outputs/scoring_file_v_2_0_0.py")
"""Azure's two differ in the shape of a request; this service's one takes both."""

_SCORING = '''\
"""Answer requests with the model that AutoML found.

A request is {"data": [{column: value, ...}, ...]}, or the same inside of {"Inputs": ...}.
"""

import json
import os
from pathlib import Path

import joblib
import pandas as pd

model = None


def init():
    global model
    folder = Path(os.getenv("AZUREML_MODEL_DIR", "."))
    model = joblib.load(folder if folder.is_file() else next(folder.rglob("model.pkl")))


def run(data):
    request = json.loads(data) if isinstance(data, (str, bytes)) else data
    if isinstance(request, pd.DataFrame):
        return {"result": model.predict(request).tolist()}
    wrapped = "Inputs" in request
    rows = pd.DataFrame((request["Inputs"] if wrapped else request)["data"])
    predicted = model.predict(rows).tolist()
    return {"Results": predicted} if wrapped else json.dumps({"result": predicted})
'''


def files(environment: Mapping[str, Any]) -> dict[str, bytes]:
    """Return path -> content of the files beside the model.

    Args:
        environment: The definition of the environment that was declared for the training.
    """
    conda = (environment.get("python") or {}).get("condaDependencies") or {
        "name": "project_environment",
        "dependencies": [f"python={sys.version_info.major}.{sys.version_info.minor}"],
    }
    return {
        CONDA_FILE: yaml.safe_dump(conda, sort_keys=False).encode(),
        **dict.fromkeys(SCORING_FILES, _SCORING.encode()),
    }


def properties(child_id: str) -> dict[str, str]:
    """Return what a child says of its model: the name to register it by, and where its files are.

    Args:
        child_id: The AutoML run's id, ``_`` and the iteration.
    """
    place = f"aml://artifact/ExperimentRun/dcid.{child_id}/"
    return {
        "model_name": model_name(child_id),
        "model_output_path": MODEL,
        "model_data_location": place + MODEL,
        "conda_env_data_location": place + CONDA_FILE,
        "scoring_data_location": place + SCORING_FILES[0],
        "scoring_data_location_v2": place + SCORING_FILES[1],
    }


def model_name(child_id: str) -> str:
    """Return the name that AutoML gives a child's model, such as ``AutoML2cab0bf2b24``."""
    run_id, _, iteration = child_id.rpartition("_")
    return run_id.replace("_", "").replace("-", "")[:15] + iteration
