"""The metrics that Azure ML's automated ML reports, under its names and by its formulas.

Source of names and formulas: "Evaluate automated machine learning experiment results"
(learn.microsoft.com/azure/machine-learning/how-to-understand-automated-ml), and
`azureml.automl.core.shared.constants.Metric` in azureml-automl-core 1.62.0.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Scores = tuple[tuple[str, float], ...]
"""(metric, value) pairs, every value finite."""

LOWER_IS_BETTER = frozenset(
    {
        "log_loss",
        "root_mean_squared_error",
        "normalized_root_mean_squared_error",
        "mean_absolute_error",
        "normalized_mean_absolute_error",
    }
)

# More digits than a metric over any number of rows means, fewer than two processors agree upon.
_DIGITS = 9


def sign_of(metric: str) -> int:
    """Return 1 for a metric to maximise, -1 for one to minimise."""
    return -1 if metric in LOWER_IS_BETTER else 1


def auc_weighted(truth: NDArray[np.int64], probabilities: Floats) -> float:
    """Area under the ROC curve, one class against the rest, weighted by class frequency.

    Computed from ranks (Mann and Whitney 1947), since the ensemble asks for it thousands of times.
    Classes missing from `truth` have weight zero. One class alone has no curve, and gets 0.5.

    Args:
        truth: Class numbers, shape (rows,).
        probabilities: Shape (rows, classes).

    Returns:
        A value from 0 to 1.
    """
    total, weights = 0.0, 0
    classes = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    for number in classes:
        positive = truth == number
        count, rest = int(positive.sum()), int((~positive).sum())
        if count and rest:
            ranks = rankdata(probabilities[:, number])
            area = (ranks[positive].sum() - count * (count + 1) / 2) / (count * rest)
            total, weights = total + area * count, weights + count
    return float(total / weights) if weights else 0.5


def classification_scores(truth: NDArray[np.int64], probabilities: Floats) -> Scores:
    """All classification metrics of one validation set.

    `norm_macro_recall` is (macro recall - R) / (1 - R) with R = 1/classes, the recall of guessing.
    `average_precision_score_weighted` takes each class against the rest, for two classes as well.

    Written in numpy: scikit-learn's own functions, to which the tests compare, take longer for a
    fold of a small table than fitting a model does.

    Args:
        truth: Class numbers from 0, shape (rows,).
        probabilities: Shape (rows, classes), each row sums to 1.

    Returns:
        The metrics under Azure's names.
    """
    count = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(truth * count + predicted, minlength=count * count)
    confusion = confusion.reshape(count, count)
    hits, actual = np.diag(confusion), confusion.sum(axis=1)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    f1 = 2 * hits / np.maximum(actual + confusion.sum(axis=0), 1)
    recall = float(np.mean(hits[actual > 0] / actual[actual > 0]))
    return _finite(
        {
            "AUC_weighted": auc_weighted(truth, probabilities),
            "accuracy": hits.sum() / len(truth),
            "average_precision_score_weighted": _average_precision(truth, probabilities),
            "balanced_accuracy": recall,
            "f1_score_weighted": np.average(f1, weights=actual),
            "log_loss": _log_loss(truth, probabilities),
            "norm_macro_recall": (recall - 1 / count) / (1 - 1 / count),
            "precision_score_weighted": np.average(precision, weights=actual),
        }
    )


def regression_scores(truth: Floats, predicted: Floats, label_range: float) -> Scores:
    """All regression and forecasting metrics of one validation set.

    Normalised errors are divided by the range of the label over all rows given, as Azure does.
    `r2_score` is kept within [-1, 1], as Azure does. `spearman_correlation` of a constant
    prediction is undefined, and counts as 0, no correlation.

    Args:
        truth: Labels, shape (rows,).
        predicted: Predictions, shape (rows,), in the label's unit.
        label_range: Largest less smallest label, above 0.

    Returns:
        The metrics under Azure's names.
    """
    squared = float(np.sqrt(np.mean((truth - predicted) ** 2)))
    absolute = float(np.mean(np.abs(truth - predicted)))
    return _finite(
        {
            "mean_absolute_error": absolute,
            "normalized_mean_absolute_error": absolute / label_range,
            "normalized_root_mean_squared_error": squared / label_range,
            "r2_score": _r2(truth, predicted),
            "root_mean_squared_error": squared,
            "spearman_correlation": _spearman(truth, predicted),
        }
    )


def mean_scores(scores: Iterable[Scores]) -> Scores:
    """Average the folds' metrics, each fold counting the same, as Azure's cross-validation does.

    Args:
        scores: One entry per fold, all with the same metrics in the same order.

    Returns:
        The mean of each metric.
    """
    folds = [dict(fold) for fold in scores]
    return tuple(
        (name, round(float(np.mean([f[name] for f in folds])), _DIGITS)) for name in folds[0]
    )


def _average_precision(truth: NDArray[np.int64], probabilities: Floats) -> float:
    """Sum of precision times gain in recall over the distinct thresholds, weighted by class."""
    total = 0.0
    for number in range(probabilities.shape[1]):
        order = np.argsort(-probabilities[:, number], kind="stable")
        scores, positive = probabilities[order, number], truth[order] == number
        ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
        found = np.cumsum(positive)[ends]
        total += float(np.sum(np.diff(found, prepend=0) * found / (ends + 1)))
    return total / len(truth)


def _log_loss(truth: NDArray[np.int64], probabilities: Floats) -> float:
    own = probabilities[np.arange(len(truth)), truth]
    return float(-np.mean(np.log(np.clip(own, np.finfo(float).eps, 1.0))))


def _r2(truth: Floats, predicted: Floats) -> float:
    spread = float(np.sum((truth - truth.mean()) ** 2))
    error = float(np.sum((truth - predicted) ** 2))
    if spread == 0.0:
        return 1.0 if error == 0.0 else 0.0
    return max(-1.0, 1.0 - error / spread)


def _spearman(truth: Floats, predicted: Floats) -> float:
    if np.ptp(truth) == 0.0 or np.ptp(predicted) == 0.0:
        return 0.0
    return float(np.corrcoef(rankdata(truth), rankdata(predicted))[0, 1])


def _finite(values: dict[str, float]) -> Scores:
    return tuple((name, float(np.nan_to_num(value))) for name, value in values.items())
