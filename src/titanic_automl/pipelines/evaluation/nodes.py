"""Nodes that measure a model on held-out passengers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from titanic_automl.metrics import METRICS, bootstrap_intervals
from titanic_automl.parameters import ReportParameters
from titanic_automl.prediction import LABEL


def evaluate(test_predictions: pd.DataFrame, report: ReportParameters) -> dict[str, Any]:
    """Compute the hold-out metrics, five of them with a bootstrap interval.

    Args:
        test_predictions: Survived and Probability of the test passengers.
        report: The bootstrap's seed, resamples and confidence level.

    Returns:
        ``{metric: {"value": …, "low": …, "high": …}}`` by Azure AutoML's metric names.
    """
    survived = test_predictions[LABEL].to_numpy()
    probability = test_predictions["Probability"].to_numpy(dtype=np.float64)
    intervals = bootstrap_intervals(
        survived,
        probability,
        resamples=report.bootstrap_resamples,
        level=report.confidence_level,
        random_seed=report.random_seed,
    )
    return {
        name: {
            "value": float(metric(survived, probability)),
            **dict(zip(("low", "high"), intervals.get(name, ()), strict=False)),
        }
        for name, metric in METRICS.items()
    }


def make_leaderboard(
    automl_metrics: Mapping[str, Mapping[str, Sequence[Any]]], primary_metric: str
) -> pd.DataFrame:
    """Order the iterations of an AutoML run by the primary metric, the best first.

    Args:
        automl_metrics: Iteration to metric to a list of one value, as the AutoML step leaves it.
        primary_metric: Name of the metric; errors and losses are better when small.

    Returns:
        One row an iteration: ``iteration``, ``learner`` if it is known, the metrics.
    """
    rows = [
        {"iteration": int(iteration), **{name: values[0] for name, values in metrics.items()}}
        for iteration, metrics in automl_metrics.items()
    ]
    table = pd.DataFrame(rows).sort_values(
        [primary_metric, "iteration"], ascending=["error" in primary_metric, True]
    )
    first = [name for name in ("iteration", "learner", primary_metric) if name in table]
    return table[first + [name for name in table if name not in first]].reset_index(drop=True)
