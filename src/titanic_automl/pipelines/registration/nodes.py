"""The node that registers a model: the step that Azure ML's register script takes over."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from titanic_automl.metrics import METRICS
from titanic_automl.parameters import PreparationParameters
from titanic_automl.pipelines.data_prep.nodes import prepare
from titanic_automl.pipelines.data_prep.statistics import LearnedStatistics
from titanic_automl.prediction import LABEL, survival_probability

_LOG = logging.getLogger(__name__)

SMALLER_IS_BETTER = ("log_loss",)


def becomes_champion(challenger: float, champion: float | None, metric: str) -> bool:
    """Say whether a new model takes the champion's place.

    Args:
        challenger: The new model's metric on the test rows.
        champion: The champion's on the same rows, or nothing where there is no champion.
        metric: Name of the metric.

    Returns:
        True if the challenger is at least as good.
    """
    if champion is None:
        return True
    return challenger <= champion if metric in SMALLER_IS_BETTER else challenger >= champion


def checksum(passengers: pd.DataFrame) -> str:
    """Return the SHA-256 of the passengers as CSV, sorted by PassengerId."""
    csv = passengers.sort_values("PassengerId").to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(csv.encode()).hexdigest()


def score_version(version: Mapping[str, Any], passengers: pd.DataFrame, metric: str) -> float:
    """Score a registered version on raw passengers, prepared as that version prepares them.

    Args:
        version: What the registry's dataset loads.
        passengers: Raw passengers with the label.
        metric: Name of the metric.
    """
    artifacts = version["artifacts"]
    prepared = prepare(
        passengers,
        artifacts["learned_statistics"],
        PreparationParameters.model_validate(artifacts["preparation"]),
    )
    probability = survival_probability(version["model"], prepared)
    return float(METRICS[metric](prepared[LABEL].to_numpy(), probability))


def champion_score(
    champion: Mapping[str, Any] | None, passengers: pd.DataFrame, metric: str
) -> float | None:
    """Return the champion's metric on the test passengers.

    What its registration recorded counts if that was on the same rows and by the same metric;
    else the champion is scored on these rows first.
    """
    if champion is None:
        return None
    tags = champion["tags"]
    if tags.get("test_data_sha256") == checksum(passengers) and metric in tags:
        return float(tags[metric])
    return score_version(champion, passengers, metric)


def register_model(
    model: Any,
    learned_statistics: LearnedStatistics,
    preparation: PreparationParameters,
    settings: Any,
    holdout_metrics: Mapping[str, Mapping[str, float]],
    test_passengers: pd.DataFrame,
    champion: Mapping[str, Any] | None,
    model_name: str,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a version for the registry that suffices to score a raw passenger.

    Args:
        model: Fitted classifier of prepared passengers.
        learned_statistics: What its preparation learned.
        preparation: How its passengers were prepared.
        settings: AutoML settings, a mapping or a model of them.
        holdout_metrics: Metrics on the test passengers.
        test_passengers: The raw test passengers.
        champion: The registry's champion, or nothing.
        model_name: Name to register under.

    Returns:
        The version to save to the registry, and a report of what was decided and why.
    """
    settings = dict(settings)
    metric = settings["primary_metric"]
    challenger = holdout_metrics[metric]["value"]
    incumbent = champion_score(champion, test_passengers, metric)
    promoted = becomes_champion(challenger, incumbent, metric)
    report = {
        "model_name": model_name,
        "primary_metric": metric,
        "challenger": challenger,
        "champion": incumbent,
        "champion_version": champion["version"] if champion else None,
        "promoted": promoted,
        "test_data_sha256": checksum(test_passengers),
    }
    _LOG.info(_decision(report))
    version = {
        "model": model,
        "artifacts": {
            "learned_statistics": learned_statistics,
            "preparation": preparation.model_dump(mode="json"),
            "automl_settings": settings,
            "holdout_metrics": holdout_metrics,
            "registration": report,
        },
        "tags": {
            "test_data_sha256": report["test_data_sha256"],
            "primary_metric": metric,
            "features": preparation.features,
            **{name: repr(values["value"]) for name, values in holdout_metrics.items()},
        },
        "champion": promoted,
    }
    return version, report


def _decision(report: Mapping[str, Any]) -> str:
    score = f"{report['primary_metric']} {report['challenger']:.4f} on the test passengers"
    if report["champion_version"] is None:
        return f"The new model is the first champion of {report['model_name']}: {score}"
    rival = f"version {report['champion_version']} ({report['champion']:.4f})"
    if report["promoted"]:
        return f"The new model takes the champion's place from {rival}: {score}"
    return f"The champion stays {rival}: the new model has {score}"
