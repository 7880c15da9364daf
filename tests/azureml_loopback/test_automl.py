"""AutoML: settings in the protocol's names, steps of pipelines, and experiments by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_loopback.execution.automl_settings import read_settings


def sent(**settings: Any) -> dict[str, Any]:
    """Settings as the SDK sends them, with all of its defaults."""
    from azureml.train.automl import AutoMLConfig
    from azureml.train.automl._azureautomlsettings import AzureAutoMLSettings

    config = AutoMLConfig(compute_target="cpu", **settings)
    fit = config._get_fit_params()
    chosen = {name: value for name, value in config.user_settings.items() if name not in fit}
    values: dict[str, Any] = AzureAutoMLSettings(None, **chosen).as_serializable_dict()
    return values


@pytest.fixture(autouse=True)
def _beside_no_project(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the SDK writes its logs where it is


def test_settings_in_the_protocols_names() -> None:
    job = read_settings(
        sent(
            task="classification",
            label_column_name="Survived",
            primary_metric="AUC_weighted",
            iterations=2,
            iteration_timeout_minutes=10,
            experiment_timeout_hours=0.25,
            n_cross_validations=3,
            featurization="auto",
            blocked_models=["SVM"],
        )
    )
    assert job.settings == {
        "task": "classification",
        "label_column_name": "Survived",
        "primary_metric": "AUC_weighted",
        "iterations": 2,
        "iteration_timeout_minutes": 10,
        "experiment_timeout_hours": 0.25,
        "n_cross_validations": 3,
        "featurization": "auto",
        "enable_early_stopping": True,
        "enable_dnn": False,
        "max_concurrent_iterations": 1,
        "blocked_models": ["SVM"],
        "enable_voting_ensemble": False,  # the SDK's own choice for two iterations
        "enable_stack_ensemble": False,
        "verbosity": 20,
    }
    assert job.not_honoured == ()


def test_forecasting_is_told_from_regression() -> None:
    series = {"time_column_name": "t", "forecast_horizon": 3, "time_series_id_column_names": ["id"]}
    job = read_settings(
        sent(task="forecasting", label_column_name="y", n_cross_validations=3, **series)
    )
    assert job.settings["task"] == "forecasting"
    assert {name: job.settings[name] for name in series} == series
    assert read_settings(sent(task="regression", label_column_name="y")).settings["task"] == (
        "regression"
    )


def test_what_was_not_chosen_is_left_to_the_command() -> None:
    job = read_settings(sent(task="regression", label_column_name="y", n_cross_validations="auto"))
    assert "iterations" not in job.settings
    assert "n_cross_validations" not in job.settings


def test_what_the_protocol_has_no_name_for_is_named() -> None:
    from azureml.automl.core.featurization import FeaturizationConfig

    job = read_settings(
        sent(
            task="regression",
            label_column_name="y",
            weight_column_name="w",
            validation_size=0.2,
            featurization=FeaturizationConfig(blocked_transformers=["LabelEncoder"]),
        )
    )
    assert job.settings["featurization"] == "auto"
    assert job.not_honoured == (
        "weight_column_name='w'",
        "validation_size=0.2",
        "featurization=FeaturizationConfig(…)",
    )
