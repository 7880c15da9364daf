"""Training: settings and a table in; a fitted model and every iteration's metrics out."""

from __future__ import annotations

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
from local_automl.metrics import Floats, auc_weighted, sign_of
from local_automl.problem import Problem, build_problem, check_frames
from local_automl.result import AutoMLResult, Iteration, log_iteration
from local_automl.search import TurnSearch
from local_automl.settings import LOCAL_MODELS, AutoMLSettings, unhonoured

DEFAULT_ITERATIONS = 40
"""Iterations when the settings name none; the SDK's 1000 is meant for a cluster."""

VOTING_ENSEMBLE = "VotingEnsemble"
"""Azure's name of the last iteration's learner."""

# Early stopping as the SDK documents it: ten iterations without gain, counted from the 21st on.
_LANDMARKS = 20
_PATIENCE = 10
# The ensemble chooses from so many of each learner's models: the best overall are too much alike.
_LIBRARY_PER_LEARNER = 3

_LOG = logging.getLogger(__name__)


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

    The last iteration is the voting ensemble. What its value means: each row is predicted by models
    that were not fitted on it, but the weights were chosen on these same rows, as were, by the
    search, each single learner's hyperparameters. All values are a little optimistic in the same
    way, so they can be compared; `AutoMLResult.cross_fitted` is free of the weights' part.

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
        model, best_entry, honest = self._estimator(best), best.entry, None
        if self._settings.enable_voting_ensemble and len(candidates) > 1:
            library = self._library(candidates)
            predictions = [candidate.predictions for candidate in library]
            weights = ensemble.select(predictions, self._loss(), self._judged, self._seed)
            entry = self._vote_entry(library, weights, iterations[-1])
            honest = self._cross_fitted(predictions)
            on_iteration(entry)
            iterations.append(entry)
            if self._sign * entry.value >= self._sign * best_entry.value:
                model, best_entry = self._voting(library, weights), entry
        return AutoMLResult(self._fit(model, training), tuple(iterations), best_entry, honest)

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

    def _library(self, candidates: list[_Candidate]) -> list[_Candidate]:
        ranked = sorted(candidates, key=lambda c: -self._sign * c.entry.value)
        by_learner = [[c for c in ranked if c.learner is learner] for learner in self._learners]
        return [c for models in by_learner for c in models[:_LIBRARY_PER_LEARNER]]

    def _vote_entry(self, library: list[_Candidate], weights: Floats, last: Iteration) -> Iteration:
        predictions = ensemble.vote([candidate.predictions for candidate in library], weights)
        members = tuple(
            (f"{candidate.entry.iteration} {candidate.entry.learner}", round(float(weight), 6))
            for candidate, weight in zip(library, weights, strict=True)
            if weight > 0
        )
        number, best = last.iteration + 1, self._sign * last.best
        return self._entry(number, VOTING_ENSEMBLE, predictions, best, members)

    def _cross_fitted(self, predictions: list[Floats]) -> float:
        judged = np.zeros_like(predictions[0])
        for part in self._selection_parts():
            others = np.setdiff1d(self._judged, part)
            weights = ensemble.select(predictions, self._loss(), others, self._seed)
            judged[part] = ensemble.vote([p[part] for p in predictions], weights)
        return dict(score(self._problem, judged))[self._metric]

    @property
    def _judged(self) -> NDArray[np.int64]:
        return np.arange(sum(len(judged) for _, judged in self._problem.splits))

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
        """The folds' rows; a single split is cut into five."""
        sizes = [len(judged) for _, judged in self._problem.splits]
        if len(sizes) == 1:
            order = np.random.RandomState(self._seed).permutation(sizes[0])
            return [part for part in np.array_split(order, 5) if len(part)]
        return np.split(self._judged, np.cumsum(sizes)[:-1])

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
