"""Data that cannot be learned from: one message with the thing, the place and the remedy."""

import numpy as np
import pandas as pd
import pytest

from local_automl.engine import train
from local_automl.errors import AutoMLError
from local_automl.settings import AutoMLSettings

CLASSIFY = {"task": "classification", "label_column_name": "survived", "n_cross_validations": 3}
REGRESS = {"task": "regression", "label_column_name": "age", "n_cross_validations": 3}


def rare(frame):
    return frame.assign(survived=[2, 2, *frame["survived"].iloc[2:]])


@pytest.mark.parametrize(
    ("change", "values", "parts"),
    [
        (lambda f: f.rename(columns={"survived": "Survived"}), CLASSIFY, ["'Survived'?", "ticket"]),
        (lambda f: f.assign(survived=1), CLASSIFY, ["one class only", "1"]),
        (rare, CLASSIFY, ["smallest class of 'survived' has 2 rows", "3 folds"]),
        (lambda f: f.head(0), CLASSIFY, ["training data is empty"]),
        (lambda f: f[[]], CLASSIFY, ["training data is empty"]),
        (lambda f: f.assign(survived=f["age"]), CLASSIFY, ["'survived' is missing in", "rows"]),
        (lambda f: f[["survived"]], CLASSIFY, ["no feature column left", "Add one"]),
        (lambda f: f[["survived", "ship"]], CLASSIFY, ["'ship' is constant"]),
        (lambda f: f[["survived", "ticket"]], CLASSIFY, ["'ticket' is an identifier"]),
        (
            lambda f: f[["survived"]].assign(row=range(len(f))),
            CLASSIFY,
            ["'row' is an identifier (numbers rows"],
        ),
        (
            lambda f: f[["survived"]].assign(mixed=[1, "a"] * (len(f) // 2)),
            CLASSIFY,
            ["'mixed' is of type object"],
        ),
        (lambda f: f.assign(survived=f.index / 7), CLASSIFY, ["fractions", "'regression'"]),
        (lambda f: f.assign(survived=[1, "a"] * 60), CLASSIFY, ["mixes types"]),
        (lambda f: f, REGRESS, ["'age' is missing in"]),
        (lambda f: f.assign(age=np.inf), REGRESS, ["'age' is infinite in the training data"]),
        (lambda f: f.assign(age="old"), REGRESS, ["task 'regression' needs numbers"]),
        (lambda f: f.assign(age=f["alone"]), REGRESS, ["holds bool", "'classification'"]),
        (lambda f: f.assign(age=3.0), REGRESS, ["one value only"]),
        (lambda f: f.fillna({"age": 1.0}).head(2), REGRESS, ["training data has 2 rows"]),
        (lambda f: f.assign(fare=np.inf), CLASSIFY, ["infinite values in: fare"]),
        (lambda f: f, CLASSIFY | {"featurization": "off"}, ["not numeric: sex, ticket, ship"]),
        (
            lambda f: f[["age", "survived"]],
            CLASSIFY | {"featurization": "off"},
            ["missing or infinite values in: age"],
        ),
        (
            lambda f: f,
            CLASSIFY | {"allowed_models": ["SVM"]},
            ["leave no learner", "LightGBM"],
        ),
        (lambda f: f.rename(columns={"age": 7}), CLASSIFY, ["not texts"]),
        (lambda f: f.rename(columns={"age": "sex"}), CLASSIFY, ["two columns named sex"]),
    ],
)
def test_training_data(passengers, change, values, parts):
    with pytest.raises(AutoMLError) as caught:
        train(change(passengers), AutoMLSettings(**values, iterations=1))
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda f: f.drop(columns=["age", "sex"]), ["validation data lacks", "age, sex"]),
        (lambda f: f.head(0), ["validation data is empty"]),
        (lambda f: f.assign(survived=5), ["classes that the training data lacks: 5"]),
        (lambda f: f.assign(survived=np.nan), ["rows of the validation data"]),
    ],
)
def test_validation_data(passengers, change, parts):
    with pytest.raises(AutoMLError) as caught:
        train(passengers, AutoMLSettings(**CLASSIFY, iterations=1), change(passengers))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("change", "values", "parts"),
    [
        (lambda f: f.rename(columns={"day": "date"}), {}, ["time_column_name 'day'", "columns:"]),
        (lambda f: f.assign(day=f["day"].astype(str)), {}, ["dates or numbers", "to_datetime"]),
        (lambda f: f.assign(day=pd.NaT), {}, ["'day' has missing values"]),
        (lambda f: f, {"time_series_id_column_names": None}, ["names a time twice"]),
        (
            lambda f: f,
            {"time_series_id_column_names": ["shop"]},
            ["time_series_id_column_names 'shop'"],
        ),
        (lambda f: f[f["day"] < "2024-01-10"], {}, ["too short", "forecast_horizon=7"]),
        (lambda f: f.assign(sold="many"), {}, ["task 'forecasting' needs numbers"]),
        (lambda f: f.assign(sold=1.0), {}, ["one value only"]),
    ],
)
def test_series(sales, change, values, parts):
    settings = AutoMLSettings(
        **{
            "task": "forecasting",
            "label_column_name": "sold",
            "time_column_name": "day",
            "time_series_id_column_names": ["store"],
            "forecast_horizon": 7,
            "iterations": 1,
        }
        | values
    )
    with pytest.raises(AutoMLError) as caught:
        train(change(sales), settings)
    for part in parts:
        assert part in str(caught.value)


def test_no_iteration_in_time(passengers):
    hurried = AutoMLSettings(**CLASSIFY, experiment_timeout_hours=1e-9)
    with pytest.raises(AutoMLError, match="no iteration finished in time; raise"):
        train(passengers, hurried)


def test_numeric_rows_need_no_featurization(passengers):
    numeric = passengers[["age", "alone", "survived"]].fillna({"age": 30.0})
    result = train(numeric, AutoMLSettings(**CLASSIFY, iterations=2, featurization="off"))
    assert result.model.predict(numeric).shape == (len(numeric),)
