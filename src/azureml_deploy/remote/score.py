"""The entry script of an endpoint: ``init()`` once, ``run()`` for each request.

What Azure ML's inference server calls, and what travels beside it: step.json says which nodes,
serving.json which datasets are the request and the response. `AZUREML_MODEL_DIR` has the model.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# travel beside this script
import run_step  # type: ignore[import-not-found]  # noqa: E402
import scorer as scoring  # type: ignore[import-not-found]  # noqa: E402

MODEL_DIR = "AZUREML_MODEL_DIR"
MODEL_TYPE = "azureml_deploy.datasets.ModelFolderDataset"

_scorers: list[Any] = []


def init() -> None:
    """Load pipeline and model. Called once, before the first request."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    step = json.loads((HERE / "step.json").read_text(encoding="utf-8"))
    serving = json.loads((HERE / "serving.json").read_text(encoding="utf-8"))
    step["registry"]["type"] = MODEL_TYPE
    hooks = run_step.StepHooks(step, {}, {}, None, os.environ[MODEL_DIR])
    with run_step.open_session(step, step["runtime_params"], hooks) as session:
        catalog = session.load_context().catalog
    scoring.quiet_kedro()
    _scorers[:] = [scoring.Scorer(run_step.rebuild(step), catalog, **serving)]


def run(raw_data: str) -> Any:
    """Answer a request.

    Args:
        raw_data: The body: ``{"data": [{"COLUMN": VALUE, …}, …]}``, or the list alone.

    Returns:
        ``{"result": […]}``; of a request that is refused, ``{"error": {…}}`` with its status.
    """
    try:
        return {"result": _scorers[0].score(scoring.read_request(raw_data))}
    except scoring.RequestError as refusal:
        return _with_status(refusal.status, refusal.body())


def _with_status(status: int, body: Any) -> Any:
    """Return an answer with an HTTP status, where a server is there to send it."""
    try:
        from azureml_inference_server_http.api.aml_response import (  # type: ignore[import-not-found]  # noqa: PLC0415
            AMLResponse,
        )
    except ImportError:
        return body
    return AMLResponse(body, status, json_str=True)
