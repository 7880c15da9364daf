"""Training: settings and a table in; a fitted model and every iteration's metrics out."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from local_automl import ensemble
from local_automl.errors import AutoMLError
from local_automl.evaluation import Deadline, Fold, out_of_fold, prepare_folds, score, truth
from local_automl.features import Columns, choose_columns, featurizer
from local_automl.forecasting import Forecaster, build_forecasting_problem
from local_automl.learners import Learner, choose_learners
from local_automl.metrics import Floats, Scores, auc_weighted, sign_of
from local_automl.problem import Problem, build_problem, check_frames
from local_automl.search import TurnSearch
from local_automl.settings import LOCAL_MODELS, AutoMLSettings, unhonoured

DEFAULT_ITERATIONS = 40
"""Iterations when the settings name none; the SDK's 1000 is meant for a cluster."""

VOTING_ENSEMBLE = "VotingEnsemble"
"""Azure's name of the last iteration's learner."""

# Early stopping as the SDK documents it: ten iterations without gain, counted from the 21st on.
_LANDMARKS = 20
_PATIENCE = 10
# Models that the ensemble may choose from, the best ones.
_LIBRARY = 20

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
        best: The one that `model` is.
    """

    model: Any
    iterations: tuple[Iteration, ...]
    best: Iteration

    @property
    def metrics(self) -> dict[str, dict[str, list[Any]]]:
        """Iteration -> {metric -> [value]}, a fresh copy in JSON's types.

        Besides the metrics, `learner` holds the learner's name and `hyperparameters` a JSON text.
        `pd.DataFrame(result.metrics)` is a table with one column per iteration.
        """
        return {str(entry.iteration): _row(entry) for entry in self.iterations}


@dataclass(frozen=True)
class _Candidate:
    """A model that was tried, with what the ensemble needs of it."""

    entry: Iteration
    learner: Learner
    values: dict[str, Any]
    predictions: Floats


def train(
    training_data: pd.DataFrame,
    settings: AutoMLSettings,
    validation_data: pd.DataFrame | None = None,
    *,
    random_seed: int = 42,
    on_iteration: Callable[[Iteration], None] | None = None,
) -> AutoMLResult:
    """Search for the model that predicts the label best, and fit it on all training rows.

    The same rows, settings and seed give the same iterations on a machine of any speed and number
    of cores, unless one of the two timeouts cuts the run; a warning says when it did. Learners take
    turns, hyperparameters are proposed by FLAML from the scores alone. A timeout is looked at
    before each fit of each fold, so a run may pass it by one fit.

    The last iteration is the voting ensemble. Its metrics come from weights chosen on the rows of
    the other folds, so that no row is judged by weights that saw its label; the model's own weights
    are chosen on all rows. Like each iteration's, its value is still a little optimistic, since the
    best of many is reported.

    Args:
        training_data: One row per example, with the label and at least one feature column.
        settings: The run.
        validation_data: Rows to judge on instead of cross-validation; the same columns.
        random_seed: At least 0; makes the run repeatable.
        on_iteration: Called after each iteration. Default: `log_iteration` if `settings.verbosity`
            is INFO or finer.

    Returns:
        The model and its metrics.

    Raises:
        AutoMLError: The data cannot be learned from; names the column and the remedy.
    """
    check_frames(training_data, validation_data, settings)
    learners = _learners(settings)
    if on_iteration is None and settings.verbosity <= logging.INFO:
        on_iteration = log_iteration
    ignored = unhonoured(settings)
    if ignored:
        _LOG.warning("Not honoured by training on this machine: %s", "; ".join(ignored))
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # a search tries points where a solver does not converge; their score tells
        warnings.simplefilter("ignore", ConvergenceWarning)
        build = build_forecasting_problem if settings.task == "forecasting" else build_problem
        problem = build(training_data, validation_data, settings, random_seed)
        run = _Run(problem, settings, learners, random_seed)
        return run.result(on_iteration or (lambda _: None), training_data)


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


class _Run:
    """The parts of one call of `train`, which all look at the same problem."""

    def __init__(
        self, problem: Problem, settings: AutoMLSettings, learners: tuple[Learner, ...], seed: int
    ) -> None:
        self._problem, self._settings, self._learners = problem, settings, learners
        self._seed = seed
        self._metric = settings.primary_metric
        self._sign = sign_of(self._metric)
        training_rows = problem.features.iloc[problem.training]
        self._columns: Columns = choose_columns(training_rows, settings.featurization)
        for name, reason in self._columns.dropped:
            _LOG.info("column '%s' is left out: it is %s", name, reason)

    def result(
        self, on_iteration: Callable[[Iteration], None], training: pd.DataFrame
    ) -> AutoMLResult:
        candidates: list[_Candidate] = []
        for candidate in self._search():
            candidates.append(candidate)
            on_iteration(candidate.entry)
        if not candidates:
            raise AutoMLError(
                "no iteration finished in time; raise experiment_timeout_hours or "
                "iteration_timeout_minutes, or give fewer rows."
            )
        best = max(candidates, key=lambda c: self._sign * c.entry.value)
        iterations = [candidate.entry for candidate in candidates]
        model, best_entry = self._estimator(best), best.entry
        if self._settings.enable_voting_ensemble and len(candidates) > 1:
            library = sorted(candidates, key=lambda c: -self._sign * c.entry.value)[:_LIBRARY]
            entry, weights = self._vote(library, iterations)
            on_iteration(entry)
            iterations.append(entry)
            if self._sign * entry.value >= self._sign * best_entry.value:
                model, best_entry = self._voting(library, weights), entry
        return AutoMLResult(self._fit(model, training), tuple(iterations), best_entry)

    def _search(self) -> Iterator[_Candidate]:
        settings = self._settings
        hours, minutes = settings.experiment_timeout_hours, settings.iteration_timeout_minutes
        all_over = Deadline(None if hours is None else hours * 3600)
        folds = prepare_folds(self._problem, self._transformer)
        wanted = settings.iterations or DEFAULT_ITERATIONS
        best, best_number = -np.inf, 0
        proposals = TurnSearch(self._learners, self._seed).proposals()
        for number, (learner, values, tell) in enumerate(islice(proposals, wanted)):
            over = Deadline(None if minutes is None else minutes * 60)
            predictions = self._predict(learner, values, folds, (all_over, over))
            if predictions is None and all_over.passed:
                _LOG.warning(
                    "experiment_timeout_hours=%s ended the search after %d of %d iterations; "
                    "another run may get further",
                    *(hours, number, wanted),
                )
                return
            if predictions is None:
                _LOG.warning(
                    "iteration_timeout_minutes=%s cut iteration %d (%s); another run may finish it",
                    *(minutes, number, learner.name),
                )
                tell(None)
            else:
                entry = self._entry(number, learner.name, predictions, best, tuple(values.items()))
                gain = self._sign * entry.value
                tell(gain)
                if gain > best:
                    best, best_number = gain, number
                yield _Candidate(entry, learner, values, predictions)
            waited = number + 1 - max(best_number + 1, _LANDMARKS)
            if settings.enable_early_stopping and waited >= _PATIENCE:
                _LOG.info("stopped early: no gain in the last %d iterations", _PATIENCE)
                return

    def _predict(
        self,
        learner: Learner,
        values: dict[str, Any],
        folds: tuple[Fold, ...],
        ends: tuple[Deadline, ...],
    ) -> Floats | None:
        classify = self._problem.classes is not None

        def build(rows: int) -> BaseEstimator:
            return learner.estimator(values, classify, self._seed, rows)

        return out_of_fold(self._problem, folds, build, ends)

    def _entry(
        self,
        number: int,
        learner: str,
        predictions: Floats,
        best: float,
        hyperparameters: tuple[tuple[str, float], ...],
    ) -> Iteration:
        scores = score(self._problem, predictions)
        value = dict(scores)[self._metric]
        best = self._sign * max(best, self._sign * value)
        return Iteration(number, learner, self._metric, value, best, scores, hyperparameters)

    def _vote(
        self, library: list[_Candidate], iterations: list[Iteration]
    ) -> tuple[Iteration, Floats]:
        predictions = [candidate.predictions for candidate in library]
        loss = self._loss()
        parts = self._selection_parts()
        everything = np.arange(len(predictions[0]))
        judged = np.zeros_like(predictions[0])
        for part in parts:
            others = np.setdiff1d(everything, part)
            weights = ensemble.select(predictions, loss, others, self._seed)
            judged[part] = ensemble.vote([p[part] for p in predictions], weights)
        weights = ensemble.select(predictions, loss, everything, self._seed)
        members = tuple(
            (f"{candidate.entry.iteration} {candidate.entry.learner}", round(float(weight), 6))
            for candidate, weight in zip(library, weights, strict=True)
            if weight > 0
        )
        best = self._sign * iterations[-1].best
        number = iterations[-1].iteration + 1
        return self._entry(number, VOTING_ENSEMBLE, judged, best, members), weights

    def _loss(self) -> Callable[[Floats, NDArray[np.int64]], float]:
        labels = truth(self._problem)
        if self._problem.classes is None:
            return lambda predicted, rows: float(np.mean((predicted - labels[rows]) ** 2))
        if self._metric == "AUC_weighted":
            return lambda predicted, rows: -auc_weighted(labels[rows], predicted)
        return lambda predicted, rows: float(
            -np.mean(np.log(np.maximum(predicted[np.arange(len(rows)), labels[rows]], 1e-6)))
        )

    def _selection_parts(self) -> list[NDArray[np.int64]]:
        """The folds' rows; a single split is cut into five, so that weights never see their rows."""
        sizes = [len(judged) for _, judged in self._problem.splits]
        if len(sizes) == 1:
            order = np.random.RandomState(self._seed).permutation(sizes[0])
            return [part for part in np.array_split(order, 5) if len(part)]
        return np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])

    def _estimator(self, candidate: _Candidate) -> BaseEstimator:
        classify = self._problem.classes is not None
        rows = len(self._problem.training)
        return candidate.learner.estimator(candidate.values, classify, self._seed, rows)

    def _voting(self, library: list[_Candidate], weights: Floats) -> BaseEstimator:
        chosen = [(c, float(w)) for c, w in zip(library, weights, strict=True) if w > 0]
        members = [
            (f"{c.entry.learner}_{c.entry.iteration}", self._estimator(c)) for c, _ in chosen
        ]
        shares = [weight for _, weight in chosen]
        if self._problem.classes is None:
            return VotingRegressor(members, weights=shares)
        return VotingClassifier(members, voting="soft", weights=shares)

    def _transformer(self) -> Any:
        return featurizer(self._columns, self._settings.featurization)

    def _fit(self, model: BaseEstimator, training: pd.DataFrame) -> Any:
        problem = self._problem
        rows = problem.training
        labels = problem.labels[rows]
        if problem.classes is not None:
            labels = problem.classes[labels]
        pipeline = Pipeline([("prepare", self._transformer()), ("model", model)])
        pipeline.fit(problem.features.iloc[rows], labels)
        if self._settings.task == "forecasting":
            return Forecaster.after(training, self._settings, pipeline)
        return pipeline


def _learners(settings: AutoMLSettings) -> tuple[Learner, ...]:
    learners = choose_learners(settings.task, settings.allowed_models, settings.blocked_models)
    if not learners:
        raise AutoMLError(
            "allowed_models and blocked_models leave no learner that exists on this machine; "
            f"choose from: {', '.join(sorted(LOCAL_MODELS[settings.task]))}"
        )
    return learners


def _row(entry: Iteration) -> dict[str, list[Any]]:
    row: dict[str, list[Any]] = {name: [value] for name, value in entry.metrics}
    row["learner"] = [entry.learner]
    row["hyperparameters"] = [json.dumps(dict(entry.hyperparameters))]
    return row
