"""What the history says of an AutoML run: a child for each iteration, the best one.

Property names are those that `AutoMLRun` and Azure's own pages read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureml_loopback.execution import automl_inference
from azureml_loopback.services.artifacts import state as artifacts
from azureml_loopback.services.environments import state as environments
from azureml_loopback.services.history import state as history
from azureml_loopback.services.metrics import state as metrics

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.execution.automl import Training
    from azureml_loopback.store import Document, Store


def child_id(run_id: str, iteration: Any) -> str:
    """Return the id of an iteration's run."""
    return f"{run_id}_{iteration}"


def add_iteration(store: Store, training: Training, line: Mapping[str, Any], started: str) -> None:
    """Add a child for an iteration that is done, unless it is there since before a restart.

    Args:
        store: The service's documents.
        training: What is trained, and in which run.
        line: What the command said: iteration, learner, metric, value, best.
        started: When the iteration began.
    """
    run_id, job = training.run_id, training.job
    child = child_id(run_id, line["iteration"])
    if history.find_run(store, child):
        return
    parent = history.get_run(store, run_id)
    direction = "min" if "error" in line["metric"] else "max"
    inherited = {"dependencies_versions"} & parent["properties"].keys()
    definition = environments.autosave(store, {"environment": dict(training.environment)})
    with store.transaction():
        history.create_run(
            store,
            parent["experimentId"],
            child,
            parent_run_id=run_id,
            run_type="azureml.scriptrun",
            target=parent["target"],
            status="Completed",
            startTimeUtc=started,
            properties={
                "runTemplate": "automl_child",
                "run_template": "automl_child",
                "azureml.runsource": "automl",
                "iteration": str(line["iteration"]),
                "run_algorithm": str(line["learner"]),
                "run_preprocessor": "",
                "training_percent": "100",
                "score": str(line["value"]),
                "primary_metric": job.primary_metric,
                "goal": f"{job.primary_metric}_{direction}",
                "model_output_path": automl_inference.MODEL,
                **{name: parent["properties"][name] for name in inherited},
            },
            definition=definition,
        )
        _log_metrics(store, child, {line["metric"]: line["value"]})


def add_result(
    loopback: Loopback,
    training: Training,
    best: Mapping[str, Any],
    all_metrics: Mapping[str, Mapping[str, list[Any]]],
    model: bytes,
) -> None:
    """Add what the command left: each iteration's metrics, and the best one's model.

    Args:
        loopback: The service.
        training: What was trained, and in which run.
        best: The best iteration's line.
        all_metrics: Iteration -> {metric -> [value]}.
        model: The model's bytes.
    """
    store, run_id = loopback.store, training.run_id
    best_child = child_id(run_id, best["iteration"])
    for iteration, row in all_metrics.items():
        _log_missing(store, child_id(run_id, iteration), row)
    _log_missing(store, run_id, all_metrics.get(str(best["iteration"]), {}))
    for owner in (best_child, run_id):
        artifacts.write(loopback, owner, automl_inference.MODEL, model)
    for path, content in automl_inference.files(training.environment).items():
        artifacts.write(loopback, best_child, path, content)
    history.update_run(store, best_child, properties=automl_inference.properties(best_child))
    tags = {"automl_best_child_run_id": best_child, "best_score": str(best["best"])}
    history.update_run(store, run_id, tags=tags)


def _log_missing(store: Store, run_id: str, row: Mapping[str, list[Any]]) -> None:
    """Log the numbers among an iteration's metrics that the run does not have yet."""
    known = {metric["name"] for metric in metrics.metrics(store, run_id)}
    last = {name: values[-1] for name, values in row.items() if values and name not in known}
    numbers = {name: value for name, value in last.items() if isinstance(value, int | float)}
    _log_metrics(store, run_id, numbers)


def _log_metrics(store: Store, run_id: str, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        metrics.log(store, run_id, _scalar(name, value))


def _scalar(name: str, value: float) -> Document:
    return {
        "name": name,
        "columns": {name: "double"},
        "properties": {"uxMetricType": "azureml.v1.scalar"},
        "value": [{"data": {name: value}}],
    }
