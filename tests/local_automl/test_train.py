"""Training: the three tasks, the model that stays, and the same leaderboard every time."""

import json
import logging
import math
import pickle
import random
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from local_automl import evaluation
from local_automl.engine import VOTING_ENSEMBLE, train
from local_automl.learners import LEARNERS, Learner
from local_automl.settings import LOCAL_MODELS, AutoMLSettings

CLASSIFY = {
    "task": "classification",
    "label_column_name": "survived",
    "primary_metric": "AUC_weighted",
    "n_cross_validations": 3,
}
QUICK = {"allowed_models": ["LogisticRegression", "LightGBM"]}


def settings(**values) -> AutoMLSettings:
    return AutoMLSettings(**(CLASSIFY | values))


@pytest.fixture(scope="module")
def trained(passengers):
    seen = []
    result = train(passengers, settings(iterations=10), on_iteration=seen.append)
    return result, seen


def test_every_iteration_is_reported_in_order_and_the_ensemble_is_last(trained):
    result, seen = trained
    assert list(result.iterations) == seen
    assert [entry.iteration for entry in seen] == list(range(11))
    assert [entry.learner for entry in seen[:5]] == [
        learner.name for learner in LEARNERS["classification"]
    ]
    assert seen[-1].learner == VOTING_ENSEMBLE
    assert sum(weight for _, weight in seen[-1].hyperparameters) == pytest.approx(1, abs=1e-4)
    assert [entry.best for entry in seen] == list(
        np.maximum.accumulate([entry.value for entry in seen])
    )
    assert result.best.value == seen[-1].best
    assert result.cross_fitted is not None
    assert 0.5 < result.cross_fitted <= result.best.value + 0.02


def test_metrics_make_a_table_of_json(trained):
    result, _ = trained
    table = pd.DataFrame(json.loads(json.dumps(result.metrics, allow_nan=False)))
    assert list(table.columns) == [str(number) for number in range(11)]
    assert {"AUC_weighted", "accuracy", "log_loss", "learner", "hyperparameters"} <= set(
        table.index
    )
    assert table.loc["AUC_weighted", "0"] == [result.iterations[0].value]
    assert table.loc["learner", "10"] == ["VotingEnsemble"]


def test_the_model_takes_raw_rows_in_any_column_order(trained, passengers):
    model = trained[0].model
    assert isinstance(model, Pipeline)
    assert list(model.classes_) == [0, 1]
    rows = passengers.drop(columns="survived")
    expected = model.predict_proba(rows)
    assert expected.shape == (len(rows), 2)
    np.testing.assert_allclose(model.predict_proba(rows[rows.columns[::-1]]), expected)
    unseen = rows.assign(sex="unknown", age=np.nan)
    assert np.isfinite(model.predict_proba(unseen)).all()
    with pytest.raises(ValueError, match="age"):
        model.predict(rows.drop(columns="age"))


def test_the_model_loads_without_flaml_and_without_this_package(trained, passengers, tmp_path):
    model = trained[0].model
    rows = passengers.drop(columns="survived").head(5)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    rows.to_pickle(tmp_path / "rows.pkl")
    code = (
        "import sys, pickle\n"
        "sys.modules['flaml'] = sys.modules['local_automl'] = None\n"
        "rows = pickle.load(open('rows.pkl', 'rb'))\n"
        "model = pickle.load(open('model.pkl', 'rb'))\n"
        "print(model.predict_proba(rows)[:, 1].tolist())"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = json.loads(run.stdout)
    np.testing.assert_allclose(loaded, model.predict_proba(rows)[:, 1])


def leaderboard(frame, **values):
    return train(frame, settings(**values), random_seed=7).iterations


def test_the_leaderboard_does_not_depend_on_speed_or_cores(passengers, monkeypatch):
    calm = leaderboard(passengers, iterations=14)
    build = Learner.estimator

    def slow(*arguments):
        time.sleep(random.random() / 15)
        return build(*arguments)

    monkeypatch.setattr(Learner, "estimator", slow)
    monkeypatch.setattr(evaluation.os, "cpu_count", lambda: 7)
    assert leaderboard(passengers, iterations=14) == calm
    monkeypatch.setattr(evaluation.os, "cpu_count", lambda: 1)
    assert leaderboard(passengers, iterations=14) == calm


def test_another_seed_is_another_search(passengers):
    first = train(passengers, settings(iterations=6, **QUICK), random_seed=1)
    second = train(passengers, settings(iterations=6, **QUICK), random_seed=2)
    assert first.iterations != second.iterations


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], ["a", "b", "c"], [3, 7, 9]])
def test_classes_are_kept_as_they_were(passengers, labels):
    number = (passengers["age"].fillna(30) // 27).astype(int).clip(0, len(labels) - 1)
    frame = passengers.assign(survived=np.array(labels)[number])
    result = train(frame, settings(iterations=4, **QUICK))
    assert list(result.model.classes_) == sorted(labels)
    assert set(result.model.predict(frame)) <= set(labels)
    assert result.best.value > 0.8


def test_categories_and_nullable_types_are_understood(passengers):
    frame = passengers.assign(
        sex=passengers["sex"].astype("category"),
        alone=passengers["alone"].astype("boolean"),
        rounded=passengers["age"].round().astype("Int64"),
        text=passengers["sex"].astype("string").where(passengers["age"] > 9),
        survived=passengers["survived"].astype("Int64").astype("category"),
    )
    result = train(frame, settings(iterations=2, **QUICK))
    assert list(result.model.classes_) == [0, 1]
    assert np.isfinite(result.model.predict_proba(frame)).all()


def test_regression(houses):
    result = train(
        houses,
        AutoMLSettings(
            task="regression",
            label_column_name="price",
            primary_metric="r2_score",
            iterations=10,
            n_cross_validations=3,
        ),
    )
    assert {entry.learner for entry in result.iterations} == {
        *LOCAL_MODELS["regression"],
        VOTING_ENSEMBLE,
    }
    assert result.best.value > 0.85
    assert np.corrcoef(result.model.predict(houses), houses["price"])[0, 1] > 0.9
    assert all(math.isfinite(v) for entry in result.iterations for _, v in entry.metrics)


FORECAST = {
    "task": "forecasting",
    "label_column_name": "sold",
    "time_column_name": "day",
    "time_series_id_column_names": ["store"],
    "forecast_horizon": 7,
    "iterations": 6,
}


def test_forecasting_beats_the_last_value(sales):
    past, future = sales[sales["day"] < "2024-03-24"], sales[sales["day"] >= "2024-03-24"]
    assert len(future) == 14
    model = pickle.loads(pickle.dumps(train(past, AutoMLSettings(**FORECAST)).model))
    shuffled = future.drop(columns="sold").sample(frac=1, random_state=0)
    predicted = pd.Series(model.predict(shuffled), index=shuffled.index).sort_index()
    last = future["store"].map(past.groupby("store")["sold"].last())
    error = (predicted - future["sold"]).abs().mean()
    assert error < 0.5 * (last - future["sold"]).abs().mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="promotion"), "lack columns: promotion"),
        (lambda f: f.assign(day=f["day"] - pd.Timedelta(days=30)), "before the end"),
        (
            lambda f: pd.concat([f, f.assign(day=f["day"] + pd.Timedelta(days=7))]),
            "reach 14 steps ahead, forecast_horizon is 7",
        ),
    ],
)
def test_rows_that_cannot_be_forecast_are_refused(sales, change, message):
    past, future = sales[sales["day"] < "2024-03-24"], sales[sales["day"] >= "2024-03-24"]
    quick = FORECAST | {"iterations": 1, "allowed_models": ["ElasticNet"]}
    model = train(past, AutoMLSettings(**quick)).model
    with pytest.raises(ValueError, match=message):
        model.predict(change(future))


def test_validation_data_replaces_folds(passengers):
    training, validation = passengers.iloc[:90], passengers.iloc[90:]
    result = train(training, settings(iterations=2, **QUICK), validation[training.columns[::-1]])
    model = LogisticRegression
    assert result.iterations[1].learner == model.__name__
    truth = validation["survived"]
    single = train(
        training,
        settings(iterations=1, allowed_models=["LogisticRegression"]),
        validation,
    )
    accuracy = float((single.model.predict(validation) == truth).mean())
    assert dict(single.best.metrics)["accuracy"] == pytest.approx(accuracy)


def test_forecasting_with_validation_data(sales):
    past, future = sales[sales["day"] < "2024-03-24"], sales[sales["day"] >= "2024-03-24"]
    quick = AutoMLSettings(**(FORECAST | {"iterations": 2, "allowed_models": ["LightGBM"]}))
    result = train(past, quick, future)
    single = train(past, quick.model_copy(update={"enable_voting_ensemble": False}), future)
    error = np.abs(single.model.predict(future) - future["sold"]).mean()
    assert dict(single.best.metrics)["mean_absolute_error"] == pytest.approx(error, abs=1e-8)
    assert len(result.iterations) == 3


def test_no_ensemble_unless_wanted(passengers):
    result = train(passengers, settings(iterations=3, enable_voting_ensemble=False, **QUICK))
    assert [entry.learner for entry in result.iterations].count(VOTING_ENSEMBLE) == 0
    assert result.cross_fitted is None


def test_early_stopping_begins_at_the_31st_iteration(passengers):
    frame = passengers.assign(survived=(passengers["sex"] == "female").astype(int))
    lone = settings(iterations=40, allowed_models=["LogisticRegression"])
    stopped = train(frame, lone)
    assert len(stopped.iterations) == 30 + 1
    patient = lone.model_copy(update={"enable_early_stopping": False})
    assert len(train(frame, patient).iterations) == 40 + 1


def test_blocked_models_are_not_tried(passengers):
    blocked = ["RandomForest", "ExtremeRandomTrees", "GradientBoosting"]
    result = train(passengers, settings(iterations=4, blocked_models=blocked))
    assert {entry.learner for entry in result.iterations} == {
        "LightGBM",
        "LogisticRegression",
        VOTING_ENSEMBLE,
    }


def test_what_is_not_honoured_is_said_once(passengers, caplog):
    asked = {"enable_dnn": True, "max_concurrent_iterations": 4, "enable_stack_ensemble": True}
    with caplog.at_level(logging.WARNING, "local_automl"):
        train(passengers, settings(iterations=1, **QUICK, **asked))
    assert len(caplog.records) == 1
    for name in asked:
        assert name in caplog.text


def test_verbosity_decides_about_progress_lines(passengers, caplog):
    with caplog.at_level(logging.INFO, "local_automl"):
        train(passengers, settings(iterations=2, verbosity="WARNING", **QUICK))
        assert "iteration 0" not in caplog.text
        train(passengers, settings(iterations=2, **QUICK))
        assert "iteration 1  LogisticRegression" in caplog.text


def test_an_experiment_timeout_ends_the_search_and_says_so(passengers, caplog, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(evaluation.time, "monotonic", lambda: now[0])

    def tick(_):
        now[0] += 1000.0

    result = train(
        passengers, settings(iterations=20, experiment_timeout_hours=1, **QUICK), on_iteration=tick
    )
    assert [entry.iteration for entry in result.iterations] == [0, 1, 2, 3, 4]
    assert result.iterations[-1].learner == VOTING_ENSEMBLE
    assert "experiment_timeout_hours=1.0 ended the search after 4 of 20" in caplog.text


def test_an_iteration_timeout_cuts_that_iteration_only(passengers, caplog, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(evaluation.time, "monotonic", lambda: now[0])
    build = Learner.estimator

    def slow(self, *arguments):
        now[0] += 45.0 if self.name == "LightGBM" else 1.0
        return build(self, *arguments)

    monkeypatch.setattr(Learner, "estimator", slow)
    monkeypatch.setattr(evaluation.os, "cpu_count", lambda: 1)
    result = train(passengers, settings(iterations=5, iteration_timeout_minutes=1, **QUICK))
    assert [entry.iteration for entry in result.iterations] == [1, 4, 5]
    assert "iteration_timeout_minutes=1 cut iteration 0 (LightGBM)" in caplog.text
