"""One set of hyperparameters -> predictions for rows it was not fitted on, and their metrics."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from local_automl.metrics import (
    Floats,
    Scores,
    classification_scores,
    mean_scores,
    regression_scores,
)
from local_automl.problem import Problem, Rows


@dataclass(frozen=True)
class Fold:
    """A split whose features are prepared, as learned from its fitting rows alone.

    Attributes:
        fit: Prepared features of the rows to fit on.
        judge: Prepared features of the rows to judge on.
        fit_rows: Their positions.
        judge_rows: Their positions.
    """

    fit: Floats
    judge: Floats
    fit_rows: Rows
    judge_rows: Rows


class Deadline:
    """A moment on the monotonic clock; `None` seconds never pass."""

    def __init__(self, seconds: float | None) -> None:
        """Begin now."""
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether it is later than that."""
        return self._end is not None and time.monotonic() > self._end


def prepare_folds(problem: Problem, features: Callable[[], ColumnTransformer]) -> tuple[Fold, ...]:
    """Prepare the features of each split once, for all iterations.

    Args:
        problem: The problem.
        features: Builds an unfitted transformer.

    Returns:
        The folds in the order of `problem.splits`.
    """

    def prepare(fit_rows: Rows, judge_rows: Rows) -> Fold:
        transformer = features()
        fit = np.asarray(transformer.fit_transform(problem.features.iloc[fit_rows]), dtype=float)
        judge = np.asarray(transformer.transform(problem.features.iloc[judge_rows]), dtype=float)
        return Fold(fit, judge, fit_rows, judge_rows)

    return tuple(prepare(*split) for split in problem.splits)


def out_of_fold(
    problem: Problem,
    folds: tuple[Fold, ...],
    build: Callable[[int], BaseEstimator],
    deadlines: tuple[Deadline, ...],
) -> Floats | None:
    """Predict each judged row with a model that was not fitted on it.

    Folds are fitted in threads; what one fold learns does not depend on another.

    Args:
        problem: The problem.
        folds: Its prepared folds.
        build: (rows to fit on) -> unfitted estimator.
        deadlines: Looked at before each fit, since a fit cannot be interrupted.

    Returns:
        Predictions in the order of the folds' judged rows, shape (judged rows, classes) for
        classification, else (judged rows,) in the label's unit; None when a deadline passed.
    """

    def predict(fold: Fold) -> Floats | None:
        if any(deadline.passed for deadline in deadlines):
            return None
        model: Any = build(len(fold.fit_rows)).fit(fold.fit, problem.labels[fold.fit_rows])
        if problem.classes is None:
            moved = np.asarray(model.predict(fold.judge), dtype=float)
            return moved + problem.offset[fold.judge_rows]
        # rows of a rare class may all be held out, then the model does not know it
        probabilities = np.zeros((len(fold.judge_rows), len(problem.classes)))
        probabilities[:, model.classes_] = model.predict_proba(fold.judge)
        return probabilities

    with ThreadPoolExecutor(max_workers=min(len(folds), os.cpu_count() or 1)) as pool:
        predictions = list(pool.map(predict, folds))
    finished = [part for part in predictions if part is not None]
    return np.concatenate(finished) if len(finished) == len(predictions) else None


def truth(problem: Problem) -> NDArray[Any]:
    """Return the judged rows' labels, in the order of `out_of_fold`."""
    rows = np.concatenate([judged for _, judged in problem.splits])
    if problem.classes is not None:
        labels: NDArray[Any] = problem.labels[rows]
    else:
        labels = problem.labels[rows] + problem.offset[rows]
    return labels


def score(problem: Problem, predictions: Floats) -> Scores:
    """Return the metrics of out-of-fold predictions, the mean over the folds."""
    labels = truth(problem)
    edges = np.cumsum([len(judged) for _, judged in problem.splits])[:-1]
    parts = zip(np.split(labels, edges), np.split(predictions, edges), strict=True)
    if problem.classes is not None:
        return mean_scores([classification_scores(t, p) for t, p in parts])
    return mean_scores([regression_scores(t, p, problem.label_range) for t, p in parts])
