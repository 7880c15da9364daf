"""Regression and forecasting through the same path: nothing in the deploy module knows the Titanic."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from foreign_project import run as run_python
from loopback_service import Loopback
from science_project import write_science_project
from submits import Done, open_run, pipeline_output, run_id, step_output, submitted_well


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_science_project(tmp_path_factory.mktemp("science") / "project")


@pytest.fixture(scope="module")
def done(project: Path, loopback: Loopback) -> Done:
    return submitted_well(project, loopback)


def test_a_regression_is_trained_and_measured(done: Done, workspace: Any, tmp_path: Path) -> None:
    from sklearn.metrics import r2_score

    run = open_run(workspace, done)
    model = pickle.loads(pipeline_output(run, "fit_regression_model_output", tmp_path).read_bytes())
    (prepared,) = (step.name for step in run.get_steps() if "patients_test" in step.get_outputs())
    patients = pd.read_parquet(step_output(run, prepared, "patients_test", tmp_path))
    measured = json.loads(pipeline_output(run, "measured", tmp_path).read_text())
    expected = r2_score(patients["target"], model.predict(patients.drop(columns="target")))
    assert measured == {"r2": pytest.approx(expected), "rows": 221}
    assert measured["r2"] > 0.3
    (judged,) = (step for step in run.get_steps() if "measured" in step.get_outputs())
    assert judged.get_metrics()["r2"] == measured["r2"]


def test_a_forecast_is_trained_and_made(done: Done, workspace: Any, tmp_path: Path) -> None:
    run = open_run(workspace, done)
    forecasts = pd.read_csv(pipeline_output(run, "forecasts", tmp_path), parse_dates=["day"])
    assert len(forecasts) == 4
    assert (forecasts["forecast"] - forecasts["close"]).abs().max() < 3
    metrics = json.loads(
        pipeline_output(run, "fit_forecasting_metrics_output", tmp_path).read_text()
    )
    assert "normalized_root_mean_squared_error" in metrics["0"]


def test_each_model_was_trained_on_the_compute_for_it(done: Done, workspace: Any) -> None:
    run = open_run(workspace, done)
    steps = {step.name: step for step in run.get_steps()}
    assert len(steps) == 4
    for name in ("fit_regression", "fit_forecasting"):
        settings = json.loads(steps[name].properties["AMLSettingsJsonString"])
        assert settings["compute_target"] == "large"


def test_results_of_two_trainings_have_a_folder_each(
    done: Done, project: Path, loopback: Loopback
) -> None:
    command = ("-m", "kedro", "azureml", "results", run_id(done), "--loopback")
    brought = run_python(project, *command, **loopback.variables)
    assert brought.returncode == 0, brought.stdout + brought.stderr
    folder = project / ".azureml/results" / run_id(done)
    for step in ("fit_regression", "fit_forecasting"):
        names = {path.name for path in (folder / step).iterdir()}
        assert names == {"metrics.json", "model.pkl", "leaderboard.png"}
        assert f"{folder / step / 'leaderboard.png'}" in brought.stdout
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    assert {line.split("  ")[1] for line in sums} == {
        f"{step}/{name}"
        for step in ("fit_regression", "fit_forecasting")
        for name in ("metrics.json", "model.pkl")
    }
