"""FLAML's search, one searcher per learner, taking turns.

Of FLAML only the search is used (`flaml.CFO`, cost-frugal local search by Wu, Wang and Huang, AAAI
2021), not `flaml.AutoML`: that one needs xgboost to be installed, chooses learners and start points
by measured seconds, fits its own encoders outside the folds and leaves a model that needs FLAML to
load. Told no cost and no time (`cost_attr=None`), the search depends on seed and scores alone.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local_automl.learners import Learner, Range

_METRIC = "score"
# The search proposes nothing when a point repeats; after so many in a row the space is exhausted.
_ATTEMPTS = 50


class TurnSearch:
    """Proposes (learner, hyperparameters) in turns and learns from the scores.

    The searchers inside change with every score; nothing else does.
    """

    def __init__(self, learners: tuple[Learner, ...], seed: int) -> None:
        """Begin a search.

        Args:
            learners: At least one, in turn order.
            seed: Makes the proposals.
        """
        searchers = [(learner, _searcher(learner, seed)) for learner in learners]
        most = max(learner.turns for learner in learners)
        self._round = [s for turn in range(most) for s in searchers if s[0].turns > turn]
        self._trials = 0

    def proposals(self) -> Iterator[tuple[Learner, dict[str, Any], Any]]:
        """Yield (learner, hyperparameters, tell) until every space is exhausted.

        `tell(score)` must be called before the next proposal, the higher the better, or
        `tell(None)` for a point without a score.
        """
        exhausted: set[str] = set()
        while any(learner.name not in exhausted for learner, _ in self._round):
            for learner, searcher in self._round:
                proposal = None if learner.name in exhausted else self._propose(searcher)
                if proposal is None:
                    exhausted.add(learner.name)
                    continue
                trial, config = proposal

                def tell(
                    score: float | None,
                    searcher: Any = searcher,
                    trial: str = trial,
                    c: Any = config,
                ) -> None:
                    if score is None:
                        searcher.on_trial_complete(trial, error=True)
                    else:
                        # the slashed names are where CFO looks for the best of several starts
                        slashed = {f"config/{name}": value for name, value in c.items()}
                        result = {_METRIC: score, "config": c, **slashed}
                        searcher.on_trial_complete(trial, result)

                yield learner, _plain(config, learner), tell

    def _propose(self, searcher: Any) -> tuple[str, dict[str, Any]] | None:
        for _ in range(_ATTEMPTS):
            self._trials += 1
            trial = str(self._trials)
            config = searcher.suggest(trial)
            if config is not None:
                return trial, config
        return None


def _searcher(learner: Learner, seed: int) -> Any:
    with _without_mlflow(), warnings.catch_warnings():
        # flaml says that flaml.AutoML is not available without its optional dependencies
        warnings.simplefilter("ignore")
        from flaml.tune.searcher.blendsearch import CFO  # noqa: PLC0415 - takes seconds
    logging.getLogger("flaml").setLevel(logging.WARNING)
    return CFO(
        metric=_METRIC,
        mode="max",
        space={name: _domain(limits) for name, limits in learner.space},
        points_to_evaluate=[dict(start) for start in learner.starts],
        seed=seed,
        cost_attr=None,
    )


@contextmanager
def _without_mlflow() -> Iterator[None]:
    """Let flaml, which imports mlflow wherever it is installed, not find it.

    It would take seconds, and flaml would log to whatever run is active.
    """
    if "mlflow" in sys.modules:
        yield
        return
    sys.modules["mlflow"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["mlflow"]


def _domain(limits: Range) -> Any:
    from flaml.tune.sample import (  # noqa: PLC0415
        lograndint,
        loguniform,
        randint,
        uniform,
    )

    if limits.whole:
        return (lograndint if limits.log else randint)(int(limits.low), int(limits.high) + 1)
    return (loguniform if limits.log else uniform)(limits.low, limits.high)


def _plain(config: dict[str, Any], learner: Learner) -> dict[str, Any]:
    """Plain Python numbers; six digits of a fraction are enough to repeat a fit."""
    return {
        name: int(config[name]) if limits.whole else float(f"{config[name]:.6g}")
        for name, limits in learner.space
    }
