"""What a training run tells of each model it tried, and what it leaves."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from local_automl.metrics import Scores

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Iteration:
    """One model that was tried.

    Attributes:
        iteration: Number, from 0.
        learner: Azure's name.
        metric: The primary metric's name.
        value: Its value, the mean over the folds.
        best: The best value so far, this one included.
        metrics: All metrics as (name, value) pairs, every value finite.
        hyperparameters: (name, value) pairs; for the ensemble, (`iteration learner`, weight) pairs.
    """

    iteration: int
    learner: str
    metric: str
    value: float
    best: float
    metrics: Scores
    hyperparameters: tuple[tuple[str, float], ...]

    def progress(self) -> dict[str, Any]:
        """Return what the command prints for it, one JSON object."""
        names = ("iteration", "learner", "metric", "value", "best")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class AutoMLResult:
    """What a training run leaves.

    Attributes:
        model: Fitted on all training rows; takes a DataFrame of the feature columns. A scikit-learn
            Pipeline that needs neither FLAML nor this package to load, or a
            `local_automl.forecasting.Forecaster`.
        iterations: Every model tried, in order.
        best: The one that `model` is; no other has a better value.
        cross_fitted: The voting ensemble's primary metric when each fold is judged by weights
            chosen on the other folds; None without an ensemble.
    """

    model: Any
    iterations: tuple[Iteration, ...]
    best: Iteration
    cross_fitted: float | None = None

    @property
    def metrics(self) -> dict[str, dict[str, list[Any]]]:
        """Iteration -> {metric -> [value]}, a fresh copy in JSON's types.

        Besides the metrics, `learner` holds the learner's name and `hyperparameters` a JSON text.
        `pd.DataFrame(result.metrics)` is a table with one column per iteration.
        """
        return {str(entry.iteration): _row(entry) for entry in self.iterations}


def log_iteration(iteration: Iteration) -> None:
    """Log one line for an iteration: number, learner, metric, value, best value so far."""
    _LOG.info(
        "iteration %d  %-20s %s %.5f  best %.5f",
        iteration.iteration,
        iteration.learner,
        iteration.metric,
        iteration.value,
        iteration.best,
    )


def _row(entry: Iteration) -> dict[str, list[Any]]:
    row: dict[str, list[Any]] = {name: [value] for name, value in entry.metrics}
    row["learner"] = [entry.learner]
    row["hyperparameters"] = [json.dumps(dict(entry.hyperparameters))]
    return row
