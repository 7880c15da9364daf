"""The search stays in its space and remembers; the ensemble weighs well."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from local_automl import ensemble
from local_automl.learners import LEARNERS, choose_learners
from local_automl.search import TurnSearch
from local_automl.settings import LOCAL_MODELS


def propose(learners, seed, count, score):
    told = []
    proposals = TurnSearch(learners, seed).proposals()
    for (learner, values, tell), _ in zip(proposals, range(count), strict=False):
        value = score(learner, values)
        told.append((learner.name, values, value))
        tell(value)
    return told


@pytest.mark.parametrize("task", sorted(LEARNERS))
def test_learners_here_are_the_ones_that_settings_name(task):
    assert {learner.name for learner in LEARNERS[task]} == set(LOCAL_MODELS[task])
    assert choose_learners(task, ("LightGBM",), None)[0].name == "LightGBM"
    assert choose_learners(task, None, LOCAL_MODELS[task]) == ()


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(sorted(LEARNERS)))
def test_proposals_stay_within_their_ranges(seed, task):
    scores = np.random.RandomState(seed)
    for name, values, _ in propose(LEARNERS[task], seed, 40, lambda *_: scores.rand()):
        learner = next(one for one in LEARNERS[task] if one.name == name)
        for key, limits in learner.space:
            assert limits.low <= values[key] <= limits.high
            assert isinstance(values[key], int if limits.whole else float)


def test_starts_come_first_and_the_search_climbs():
    learners = choose_learners("classification", ("LogisticRegression",), None)

    def closeness(_, values):
        return -abs(np.log10(values["C"]) - 1.2)

    told = propose(learners, 3, 40, closeness)
    starts = [dict(start) for start in learners[0].starts]
    assert [values for _, values, _ in told[: len(starts)]] == starts
    assert max(value for *_, value in told) > 0.3 * told[0][2]
    assert told == propose(learners, 3, 40, closeness)


def test_a_point_without_score_does_not_end_the_search():
    learners = LEARNERS["classification"]
    told = propose(learners, 0, 25, lambda learner, _: None if learner.name == "LightGBM" else 1.0)
    assert [name for name, *_ in told].count("LightGBM") == 9


def test_the_best_model_gets_the_weight_and_noise_gets_none():
    random = np.random.RandomState(0)
    truth = random.normal(size=300)
    good = [truth + random.normal(0, 0.3, 300) for _ in range(2)]
    noise = [random.normal(size=300) for _ in range(4)]
    rows = np.arange(300)

    def loss(predicted, positions):
        return float(np.mean((predicted - truth[positions]) ** 2))

    weights = ensemble.select([*good, *noise], loss, rows, seed=1)
    assert weights.sum() == pytest.approx(1)
    assert weights[:2].sum() > 0.55
    voted = loss(ensemble.vote([*good, *noise], weights), rows)
    assert voted < loss(np.mean([*good, *noise], axis=0), rows)
    assert (ensemble.select([*good, *noise], loss, rows, seed=1) == weights).all()
