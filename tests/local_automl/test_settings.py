"""Settings: the SDK's names, its defaults, and one clear message for each mistake."""

import json
import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from local_automl import settings as module
from local_automl.settings import (
    MODELS,
    PRIMARY_METRICS,
    TASKS,
    AutoMLSettings,
    SettingsError,
    describe,
    did_you_mean,
    settings_from_mapping,
    unhonoured,
)

CLASSIFY = {"task": "classification", "label_column_name": "survived"}
FORECAST = {"task": "forecasting", "label_column_name": "sold", "time_column_name": "day"}


@pytest.mark.parametrize(
    ("mapping", "parts"),
    [
        (CLASSIFY | {"task": "clasification"}, ["task 'clasification'", "'classification'?"]),
        (CLASSIFY | {"task": None}, ["task None", "regression"]),
        ({"label_column_name": "y"}, ["task: is missing"]),
        ({"task": "regression"}, ["label_column_name: is missing"]),
        (CLASSIFY | {"label_column_name": ""}, ["label_column_name", "found ''"]),
        (CLASSIFY | {"iteration": 3}, ["setting 'iteration'", "did you mean 'iterations'?"]),
        (CLASSIFY | {"experiment_timeout_minutes": 15}, ["'experiment_timeout_hours'?"]),
        (CLASSIFY | {"blacklist_models": ["SVM"]}, ["'blocked_models'?"]),
        (CLASSIFY | {"primary_metric": "AUC"}, ["classification", "did you mean 'AUC_weighted'?"]),
        (CLASSIFY | {"primary_metric": "auc_weighted"}, ["did you mean 'AUC_weighted'?"]),
        (CLASSIFY | {"primary_metric": "r2_score"}, ["norm_macro_recall", "accuracy"]),
        (
            {"task": "regression", "label_column_name": "y", "primary_metric": "accuracy"},
            ["for regression", "normalized_root_mean_squared_error"],
        ),
        (CLASSIFY | {"iterations": 0}, ["iterations", "greater than or equal to 1", "found 0"]),
        (CLASSIFY | {"iterations": "30"}, ["iterations", "integer", "found '30'"]),
        (CLASSIFY | {"iterations": True}, ["iterations", "integer", "found True"]),
        (CLASSIFY | {"n_cross_validations": 1}, ["n_cross_validations", "equal to 2"]),
        (CLASSIFY | {"experiment_timeout_hours": 0.0}, ["experiment_timeout_hours", "than 0"]),
        (CLASSIFY | {"experiment_timeout_hours": float("nan")}, ["experiment_timeout_hours"]),
        (CLASSIFY | {"iteration_timeout_minutes": 1.5}, ["iteration_timeout_minutes", "integer"]),
        (CLASSIFY | {"featurization": "on"}, ["featurization 'on'", "auto, off"]),
        (CLASSIFY | {"enable_voting_ensemble": "yes"}, ["enable_voting_ensemble", "boolean"]),
        (CLASSIFY | {"max_concurrent_iterations": 0}, ["max_concurrent_iterations"]),
        (CLASSIFY | {"verbosity": "LOUD"}, ["verbosity 'LOUD'", "INFO"]),
        (CLASSIFY | {"allowed_models": "LightGBM"}, ["allowed_models", "['LightGBM']"]),
        (CLASSIFY | {"allowed_models": ["LGBM"]}, ["did you mean 'LightGBM'?"]),
        (CLASSIFY | {"allowed_models": ["ElasticNet"]}, ["'ElasticNet'", "for classification"]),
        (CLASSIFY | {"allowed_models": []}, ["leaves no learner"]),
        (
            CLASSIFY | {"allowed_models": ["SVM"], "blocked_models": ["SVM"]},
            ["allowed_models less blocked_models"],
        ),
        (CLASSIFY | {"forecast_horizon": 3}, ["forecast_horizon", "this task is 'classification'"]),
        ({**FORECAST, "time_column_name": None}, ["forecasting needs time_column_name"]),
        (FORECAST | {"time_column_name": "sold"}, ["are both 'sold'"]),
        (FORECAST | {"time_series_id_column_names": ["sold"]}, ["holds the label"]),
        (FORECAST | {"forecast_horizon": 0}, ["forecast_horizon", "found 0"]),
    ],
)
def test_a_mistake_is_named_with_what_was_found_and_what_to_write(mapping, parts):
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping(mapping, "parameters.yml, automl")
    message = str(caught.value)
    assert message.startswith("parameters.yml, automl: ")
    assert "\n" not in message
    for part in parts:
        assert part in message
    # Kedro validates the model itself, without settings_from_mapping
    with pytest.raises(ValidationError) as plain:
        AutoMLSettings(**mapping)
    assert describe(plain.value) in message


def test_every_mistake_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping(CLASSIFY | {"iterations": 0, "n_cross_validations": 0})
    assert "iterations: " in str(caught.value)
    assert "n_cross_validations: " in str(caught.value)


@pytest.mark.parametrize("found", [None, ["task"], "task"])
def test_settings_that_are_no_mapping_are_refused(found):
    with pytest.raises(SettingsError, match="mapping of names to values, found a"):
        settings_from_mapping(found)


@pytest.mark.parametrize("task", TASKS)
def test_the_default_metric_is_the_sdks(task):
    mapping = FORECAST | {"task": task}
    if task != "forecasting":
        del mapping["time_column_name"]
    metric = AutoMLSettings(**mapping).primary_metric
    expected = "accuracy" if task == "classification" else "normalized_root_mean_squared_error"
    assert metric == expected


def test_a_dump_holds_what_automlconfig_takes():
    settings = AutoMLSettings(**CLASSIFY, allowed_models=["LightGBM", "RandomForest"], iterations=5)
    dumped = settings.model_dump(mode="json", exclude_none=True)
    assert dumped == {
        "task": "classification",
        "label_column_name": "survived",
        "primary_metric": "accuracy",
        "iterations": 5,
        "featurization": "auto",
        "enable_early_stopping": True,
        "max_concurrent_iterations": 1,
        "allowed_models": ["LightGBM", "RandomForest"],
        "enable_voting_ensemble": True,
        "verbosity": logging.INFO,
    }
    assert AutoMLSettings(**json.loads(json.dumps(dumped))) == settings


def test_settings_cannot_change():
    settings = AutoMLSettings(**CLASSIFY, allowed_models=["LightGBM"])
    with pytest.raises(ValidationError, match="frozen"):
        settings.iterations = 3  # type: ignore[misc]
    assert isinstance(settings.allowed_models, tuple)
    assert hash(settings) == hash(AutoMLSettings(**CLASSIFY, allowed_models=["LightGBM"]))


@pytest.mark.parametrize(
    ("given_value", "name", "expected"),
    [
        ("debug", "verbosity", logging.DEBUG),
        (False, "featurization", "off"),
        (6, "experiment_timeout_hours", 6.0),
    ],
)
def test_what_yaml_makes_of_a_value_is_understood(given_value, name, expected):
    assert getattr(AutoMLSettings(**CLASSIFY, **{name: given_value}), name) == expected


def test_one_series_id_needs_no_list():
    settings = AutoMLSettings(**FORECAST, time_series_id_column_names="store")
    assert settings.time_series_id_column_names == ("store",)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ()),
        ({"enable_dnn": False, "enable_stack_ensemble": False}, ()),
        ({"enable_dnn": True}, ("enable_dnn",)),
        ({"enable_stack_ensemble": True}, ("enable_stack_ensemble",)),
        ({"max_concurrent_iterations": 4}, ("max_concurrent_iterations=4",)),
        ({"allowed_models": ["LightGBM", "SVM"]}, ("allowed_models=SVM",)),
        ({"allowed_models": ["LightGBM"]}, ()),
    ],
)
def test_what_cannot_be_honoured_is_listed(values, expected):
    phrases = unhonoured(AutoMLSettings(**CLASSIFY, **values))
    assert len(phrases) == len(expected)
    for phrase, start in zip(phrases, expected, strict=True):
        assert phrase.startswith(start)


@given(st.sampled_from(sorted(PRIMARY_METRICS["classification"])), st.integers(0, 30))
def test_a_metric_with_a_letter_missing_is_still_recognised(metric, position):
    cut = position % len(metric)
    assert f"'{metric}'" in did_you_mean(
        metric[:cut] + metric[cut + 1 :], PRIMARY_METRICS["classification"]
    )


@given(st.text(max_size=30))
def test_any_text_in_place_of_a_name_gets_a_message_and_no_crash(text):
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping({**CLASSIFY, "allowed_models": [f"{text}?"]})
    assert "LightGBM" in str(caught.value)


def test_local_models_are_among_azures():
    for task, names in module.LOCAL_MODELS.items():
        assert set(names) <= set(MODELS[task])


def test_importing_settings_is_light():
    code = (
        "import sys, local_automl.settings;"
        "print([m for m in ('numpy','pandas','sklearn','flaml','lightgbm') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
