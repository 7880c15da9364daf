from __future__ import annotations

import numpy as np
import pytest

from titanic_automl.metrics import METRICS, bootstrap_intervals, resampled_metrics

RNG = np.random.default_rng(0)
SURVIVED = RNG.integers(0, 2, 300)
PROBABILITY = np.round(np.clip(RNG.normal(0.4 + 0.2 * SURVIVED, 0.2), 0, 1), 2)  # with ties


def test_resampled_metrics_are_scikit_learns() -> None:
    rows = RNG.integers(300, size=(20, 300))
    computed = resampled_metrics(SURVIVED[rows], PROBABILITY[rows])
    for name, values in computed.items():
        expected = [METRICS[name](SURVIVED[r], PROBABILITY[r]) for r in rows]
        np.testing.assert_allclose(values, expected, rtol=1e-12, err_msg=name)


def test_intervals_hold_the_value_and_are_seeded() -> None:
    arguments = {"resamples": 500, "level": 0.95}
    first = bootstrap_intervals(SURVIVED, PROBABILITY, random_seed=1, **arguments)
    assert first == bootstrap_intervals(SURVIVED, PROBABILITY, random_seed=1, **arguments)
    assert first != bootstrap_intervals(SURVIVED, PROBABILITY, random_seed=2, **arguments)
    for name, (low, high) in first.items():
        assert low < METRICS[name](SURVIVED, PROBABILITY) < high
    narrow = bootstrap_intervals(SURVIVED, PROBABILITY, random_seed=1, resamples=500, level=0.5)
    assert all(first[n][0] < narrow[n][0] < narrow[n][1] < first[n][1] for n in first)


def test_a_resample_of_one_class_is_left_out() -> None:
    few = np.array([1, 0, 0]), np.array([0.9, 0.2, 0.4])
    low, high = bootstrap_intervals(*few, resamples=200, level=0.9, random_seed=0)["AUC_weighted"]
    assert (low, high) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "perfect", "worst"),
    [("AUC_weighted", 1, 0), ("norm_macro_recall", 1, -1), ("precision_score_weighted", 1, 0)],
)
def test_ends_of_the_scale(name: str, perfect: float, worst: float) -> None:
    labels = np.array([0, 1, 0, 1])
    assert METRICS[name](labels, labels.astype(float)) == perfect
    assert METRICS[name](labels, 1.0 - labels) == worst
    assert METRICS["average_precision_score_weighted"](labels, labels.astype(float)) == 1
