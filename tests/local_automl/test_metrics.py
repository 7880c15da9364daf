"""Metrics: Azure's names, against scikit-learn and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from local_automl.metrics import (
    auc_weighted,
    classification_scores,
    mean_scores,
    regression_scores,
    sign_of,
)
from local_automl.settings import PRIMARY_METRICS


def random_classes(classes: int, rows: int = 200, seed: int = 0):
    random = np.random.RandomState(seed)
    truth = np.concatenate([np.arange(classes), random.randint(0, classes, rows - classes)])
    raw = random.rand(rows, classes).round(1) + 0.05
    return truth, raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_classification_metrics_are_scikit_learns(classes):
    truth, probabilities = random_classes(classes)
    scores = dict(classification_scores(truth, probabilities))
    predicted = probabilities.argmax(axis=1)
    given_scores = probabilities[:, 1] if classes == 2 else probabilities
    area = sk.roc_auc_score(truth, given_scores, multi_class="ovr", average="weighted")
    assert scores["AUC_weighted"] == pytest.approx(area)
    assert scores["accuracy"] == pytest.approx(np.mean(truth == predicted))
    assert scores["log_loss"] == pytest.approx(sk.log_loss(truth, probabilities))
    balanced = sk.balanced_accuracy_score(truth, predicted)
    assert scores["balanced_accuracy"] == pytest.approx(balanced)
    normalised = sk.balanced_accuracy_score(truth, predicted, adjusted=True)
    assert scores["norm_macro_recall"] == pytest.approx(normalised)
    weighted = {"average": "weighted", "zero_division": 0.0}
    f1 = sk.f1_score(truth, predicted, **weighted)
    assert scores["f1_score_weighted"] == pytest.approx(f1)
    share = sk.precision_score(truth, predicted, **weighted)
    assert scores["precision_score_weighted"] == pytest.approx(share)
    one_hot = np.eye(classes, dtype=int)[truth]
    precision = sk.average_precision_score(one_hot, probabilities, average="weighted")
    assert scores["average_precision_score_weighted"] == pytest.approx(precision)


def test_regression_metrics_by_hand():
    truth = np.array([0.0, 1.0, 2.0, 5.0])
    predicted = np.array([0.0, 2.0, 2.0, 4.0])
    scores = dict(regression_scores(truth, predicted, label_range=10.0))
    assert scores["root_mean_squared_error"] == pytest.approx(math.sqrt(0.5))
    assert scores["normalized_root_mean_squared_error"] == pytest.approx(math.sqrt(0.5) / 10)
    assert scores["mean_absolute_error"] == pytest.approx(0.5)
    assert scores["normalized_mean_absolute_error"] == pytest.approx(0.05)
    assert scores["r2_score"] == pytest.approx(sk.r2_score(truth, predicted))
    assert scores["spearman_correlation"] == pytest.approx(0.9486833)


@pytest.mark.parametrize(
    ("truth", "predicted", "name", "expected"),
    [
        ([1.0, 2.0], [100.0, -100.0], "r2_score", -1.0),
        ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], "spearman_correlation", 0.0),
        ([2.0, 2.0], [2.0, 2.0], "r2_score", 1.0),
        ([2.0, 2.0], [2.0, 3.0], "r2_score", 0.0),
    ],
)
def test_undefined_and_huge_values_are_bounded(truth, predicted, name, expected):
    scores = dict(regression_scores(np.array(truth), np.array(predicted), 1.0))
    assert scores[name] == expected


@settings(deadline=None)
@given(st.integers(2, 4), st.integers(0, 10_000), st.integers(5, 40))
def test_classification_metrics_are_finite_and_bounded(classes, seed, rows):
    truth, probabilities = random_classes(classes, rows, seed)
    scores = dict(classification_scores(np.zeros_like(truth), probabilities))
    scores |= {f"all {k}": v for k, v in classification_scores(truth, probabilities)}
    assert all(math.isfinite(value) for value in scores.values())
    assert all(
        -1e-9 <= v <= 1 + 1e-9 for k, v in scores.items() if "norm" not in k and "loss" not in k
    )


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_area_depends_on_order_alone(seed):
    truth, probabilities = random_classes(2, 50, seed)
    stretched = np.column_stack([1 - probabilities[:, 1] ** 3, probabilities[:, 1] ** 3])
    assert auc_weighted(truth, probabilities) == pytest.approx(auc_weighted(truth, stretched))


def test_folds_count_the_same():
    assert mean_scores([(("a", 1.0),), (("a", 0.0),)]) == (("a", 0.5),)


def test_errors_are_minimised_and_all_primary_metrics_are_reported():
    truth, probabilities = random_classes(2)
    reported = {name for name, _ in classification_scores(truth, probabilities)}
    assert set(PRIMARY_METRICS["classification"]) <= reported
    numbers = truth.astype(float)
    reported = {name for name, _ in regression_scores(numbers, numbers + 0.1, 1.0)}
    assert set(PRIMARY_METRICS["regression"]) <= reported
    assert sign_of("normalized_root_mean_squared_error") == -1
    assert sign_of("AUC_weighted") == 1
