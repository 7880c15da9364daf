"""The learners of this machine: Azure's name -> a scikit-learn estimator and what may vary in it.

Each search space is bounded for tables of some hundreds to some hundred thousand rows, and each
search starts from points that do well there. Every estimator is built so that neither the number of
cores nor the speed of the machine changes what it learns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

# Below this many rows a second thread costs more than it brings.
MANY_ROWS = 20_000

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Range:
    """What a hyperparameter may be: numbers from low to high.

    Attributes:
        low: Smallest value.
        high: Largest value.
        log: Whether steps are factors rather than differences.
        whole: Whether only whole numbers are meant.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Learner:
    """One learner.

    Attributes:
        name: Azure's name, as in `settings.MODELS`.
        space: Hyperparameter -> range.
        starts: Points of the space to try first, the best guess first.
        build: (hyperparameters, task is classification, seed, threads) -> unfitted estimator.
        scaled: Whether it needs features of the same scale.
        turns: Models per round of the search; more for one that is both quick and strong.
    """

    name: str
    space: tuple[tuple[str, Range], ...]
    starts: tuple[tuple[tuple[str, float], ...], ...]
    build: Callable[[Values, bool, int, int], BaseEstimator]
    scaled: bool = False
    turns: int = 1

    def estimator(self, values: Values, classify: bool, seed: int, rows: int) -> BaseEstimator:
        """Build the unfitted estimator.

        Args:
            values: Hyperparameter -> value, all of the space.
            classify: Whether to predict classes rather than numbers.
            seed: The estimator's own seed.
            rows: Training rows, which decide whether threads are worth it.

        Returns:
            An estimator that takes a complete numeric matrix.
        """
        model = self.build(values, classify, seed, -1 if rows >= MANY_ROWS else 1)
        return Pipeline([("scale", StandardScaler()), ("model", model)]) if self.scaled else model


def _lightgbm(values: Values, classify: bool, seed: int, threads: int) -> BaseEstimator:
    from lightgbm import LGBMClassifier, LGBMRegressor  # noqa: PLC0415 - a second, only if allowed

    return (LGBMClassifier if classify else LGBMRegressor)(
        **values,
        subsample_freq=1,
        random_state=seed,
        n_jobs=threads,
        deterministic=True,
        force_col_wise=True,
        verbosity=-1,
    )


def _forest(classifier: Any, regressor: Any) -> Callable[[Values, bool, int, int], BaseEstimator]:
    def build(values: Values, classify: bool, seed: int, threads: int) -> BaseEstimator:
        return (classifier if classify else regressor)(
            n_estimators=70, **values, random_state=seed, n_jobs=threads
        )

    return build


def _boosting(values: Values, classify: bool, seed: int, threads: int) -> BaseEstimator:
    return (GradientBoostingClassifier if classify else GradientBoostingRegressor)(
        **values, random_state=seed
    )


def _linear(values: Values, classify: bool, seed: int, threads: int) -> BaseEstimator:
    if classify:
        return LogisticRegression(**values, max_iter=1000, random_state=seed)
    return ElasticNet(**values, max_iter=5000, random_state=seed)


_LIGHTGBM = Learner(
    "LightGBM",
    (
        ("n_estimators", Range(30, 300, log=True, whole=True)),
        ("learning_rate", Range(0.01, 0.3, log=True)),
        ("num_leaves", Range(3, 63, log=True, whole=True)),
        ("min_child_samples", Range(3, 60, log=True, whole=True)),
        ("colsample_bytree", Range(0.3, 1.0)),
        ("subsample", Range(0.5, 1.0)),
        ("reg_lambda", Range(0.001, 30.0, log=True)),
    ),
    (
        (
            ("n_estimators", 150),
            ("learning_rate", 0.04),
            ("num_leaves", 8),
            ("min_child_samples", 15),
            ("colsample_bytree", 0.6),
            ("subsample", 0.8),
            ("reg_lambda", 1.0),
        ),
        (
            ("n_estimators", 100),
            ("learning_rate", 0.1),
            ("num_leaves", 31),
            ("min_child_samples", 20),
            ("colsample_bytree", 1.0),
            ("subsample", 1.0),
            ("reg_lambda", 0.001),
        ),
    ),
    _lightgbm,
    turns=2,
)

_FOREST_SPACE = (
    ("max_features", Range(0.1, 1.0)),
    ("min_samples_leaf", Range(1, 15, log=True, whole=True)),
    ("max_depth", Range(3, 30, log=True, whole=True)),
)
_FOREST_STARTS = (
    (("max_features", 0.4), ("min_samples_leaf", 3), ("max_depth", 12)),
    (("max_features", 0.6), ("min_samples_leaf", 1), ("max_depth", 6)),
)

_BOOSTING = Learner(
    "GradientBoosting",
    (
        ("n_estimators", Range(30, 200, log=True, whole=True)),
        ("learning_rate", Range(0.01, 0.3, log=True)),
        ("max_depth", Range(1, 7, whole=True)),
        ("min_samples_leaf", Range(1, 40, log=True, whole=True)),
        ("max_features", Range(0.2, 1.0)),
        ("subsample", Range(0.4, 1.0)),
    ),
    (
        (
            ("n_estimators", 100),
            ("learning_rate", 0.06),
            ("max_depth", 4),
            ("min_samples_leaf", 8),
            ("max_features", 0.5),
            ("subsample", 0.7),
        ),
    ),
    _boosting,
)

_FORESTS = (
    Learner(
        "RandomForest",
        _FOREST_SPACE,
        _FOREST_STARTS,
        _forest(RandomForestClassifier, RandomForestRegressor),
    ),
    Learner(
        "ExtremeRandomTrees",
        _FOREST_SPACE,
        _FOREST_STARTS,
        _forest(ExtraTreesClassifier, ExtraTreesRegressor),
    ),
)
_LOGISTIC = Learner(
    "LogisticRegression",
    (("C", Range(0.003, 30.0, log=True)),),
    ((("C", 0.3),), (("C", 0.03),)),
    _linear,
    scaled=True,
)
_ELASTIC_NET = Learner(
    "ElasticNet",
    (("alpha", Range(1e-4, 3.0, log=True)), ("l1_ratio", Range(0.0, 1.0))),
    ((("alpha", 0.01), ("l1_ratio", 0.5)),),
    _linear,
    scaled=True,
)

_REGRESSION = (_LIGHTGBM, *_FORESTS, _ELASTIC_NET, _BOOSTING)

LEARNERS: Mapping[str, tuple[Learner, ...]] = MappingProxyType(
    {
        "classification": (_LIGHTGBM, *_FORESTS, _LOGISTIC, _BOOSTING),
        "regression": _REGRESSION,
        "forecasting": _REGRESSION,
    }
)
"""task -> learners, in the order in which the search takes turns."""


def choose_learners(
    task: str, allowed: tuple[str, ...] | None, blocked: tuple[str, ...] | None
) -> tuple[Learner, ...]:
    """Select the learners that a run may use.

    Args:
        task: One of `settings.TASKS`.
        allowed: Azure's names; None for all.
        blocked: Azure's names; None for none.

    Returns:
        The learners in turn order; empty when none of the allowed ones exists here.
    """
    return tuple(
        learner
        for learner in LEARNERS[task]
        if (allowed is None or learner.name in allowed) and learner.name not in (blocked or ())
    )
