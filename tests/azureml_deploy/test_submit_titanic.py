"""The Titanic in the workspace: the same values as here, reused where nothing changed."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from foreign_project import edit
from foreign_project import run as run_python
from loopback_service import Loopback
from submits import (
    FEW,
    Submitted,
    open_run,
    pipeline_output,
    reused,
    step_output,
    submitted_well,
)

from azureml_deploy.runs.following import follow
from azureml_deploy.service_errors import Patience

ROOT = Path(__file__).parents[2]
PREPARE_AND_TRAIN = ("--pipelines", "data_prep,training")
MODEL = "TitanicSurvivalInitial"
READ_BY_NAME = """
import sys
from azureml.core import Dataset, Workspace
workspace = Workspace.from_config(sys.argv[1])
Dataset.get_by_name(workspace, "Data_prepared").to_pandas_dataframe().to_parquet(sys.argv[2])
"""


@pytest.fixture
def copy(titanic: Submitted, tmp_path: Path) -> Path:
    return shutil.copytree(titanic.project, tmp_path / "titanic")


def test_four_steps_a_dataset_and_a_model(titanic: Submitted, workspace: Any) -> None:
    from azureml.core import Dataset, Model

    steps = ["data_prep", "train_model", "evaluation", "register_model"]
    assert reused(titanic.first) == dict.fromkeys(steps, False)
    dataset = Dataset.get_by_name(workspace, "titanic_ds")
    assert (dataset.version, dataset.description) == (1, "Titanic baseline data")
    versions = {model.version: model for model in Model.list(workspace, MODEL)}
    assert versions.keys() == {1, 2}
    (register,) = open_run(workspace, titanic.first).find_step_run("register_model")
    assert versions[1].properties["kedro.run_id"] == register.id


def test_prepared_rows_are_kedros_value_for_value(
    titanic: Submitted, workspace: Any, finished: Path, tmp_path: Path
) -> None:
    run = open_run(workspace, titanic.first)
    for name, here in (
        ("titanic_train", "05_model_input"),
        ("titanic_test", "05_model_input"),
        ("test_passengers", "02_intermediate"),
    ):
        there = pd.read_parquet(step_output(run, "data_prep", name, tmp_path))
        expected = pd.read_parquet(finished / "data" / here / f"{name}.parquet")
        pd.testing.assert_frame_equal(there, expected)


def test_the_downloaded_model_scores_what_the_run_reported(
    titanic: Submitted, workspace: Any, tmp_path: Path
) -> None:
    from sklearn.metrics import roc_auc_score

    run = open_run(workspace, titanic.first)
    model = pickle.loads(pipeline_output(run, "model_output", tmp_path).read_bytes())
    rows = pd.read_parquet(step_output(run, "data_prep", "titanic_test", tmp_path))
    probability = model.predict_proba(rows.drop(columns="Survived"))[:, 1]
    (evaluation,) = run.find_step_run("evaluation")
    reported = evaluation.get_metrics()["AUC_weighted.value"]
    assert roc_auc_score(rows["Survived"], probability) == pytest.approx(reported, abs=1e-12)
    registered = json.loads(pipeline_output(run, "registration", tmp_path).read_text())
    assert registered["challenger"] == reported
    iterations = pd.DataFrame(
        json.loads(pipeline_output(run, "metrics_output", tmp_path).read_text())
    )
    assert "AUC_weighted" in iterations.index
    assert {"0", "1"} <= set(iterations.columns)


def test_after_an_edit_to_registration_only_that_runs_and_challenges(
    titanic: Submitted, workspace: Any, tmp_path: Path
) -> None:
    from azureml.core import Model

    assert reused(titanic.second) == {
        "data_prep": True,
        "train_model": True,
        "evaluation": True,
        "register_model": False,
    }
    run = open_run(workspace, titanic.second)
    report = json.loads(pipeline_output(run, "registration", tmp_path).read_text())
    assert (report["champion_version"], report["promoted"]) == (1, True)
    assert report["champion"] == report["challenger"]
    versions = {model.version: model.tags for model in Model.list(workspace, MODEL)}
    assert ["champion" in versions[number] for number in (1, 2)] == [False, True]
    assert versions[1]["AUC_weighted"] == versions[2]["AUC_weighted"] == repr(report["challenger"])


def reused_until_training(
    project: Path, loopback: Loopback, workspace: Any, params: str
) -> list[bool]:
    """Submit, and cancel as soon as it is told of preparation and training whether they run."""
    run = open_run(workspace, submitted_well(project, loopback, "--no-wait", "--params", params))
    for state in follow(run, ["data_prep", "train_model"], Patience(0), every=0.5):
        first, second, *_ = state.steps
        # the steps are read one after the other: the first may have been read before it ended
        if first.status == "Completed" and second.status in {"Running", "Completed", "Failed"}:
            run.cancel()
            return [first.reused, second.reused]
    raise AssertionError(state)


def test_a_training_setting_leaves_preparation_reused(
    copy: Path, loopback: Loopback, workspace: Any
) -> None:
    changed = "automl.iterations=1"
    assert reused_until_training(copy, loopback, workspace, changed) == [True, False]


def test_a_preparation_parameter_runs_all(copy: Path, loopback: Loopback, workspace: Any) -> None:
    changed = "automl.iterations=2,preparation.test_size=0.25"
    assert reused_until_training(copy, loopback, workspace, changed) == [False, False]


def test_a_changed_csv_becomes_a_version_and_the_registered_route_outlives_its_run(
    copy: Path, loopback: Loopback, workspace: Any, tmp_path: Path
) -> None:
    csv = copy / "data/01_raw/titanic.csv"
    csv.write_text("\n".join(csv.read_text().splitlines()[:-1]) + "\n")
    edit(
        copy,
        "conf/registered/azureml.yml",
        "datasets: {titanic_train: {name: Data_prepared, type: tabular}}\n",
    )
    done = submitted_well(copy, loopback, "--env", "registered", *PREPARE_AND_TRAIN, *FEW)
    assert "dataset        titanic_ds version 2 created" in done.stdout
    run = open_run(workspace, done)
    left = pd.read_parquet(step_output(run, "data_prep", "titanic_train", tmp_path))
    config = copy / ".azureml/loopback/config.json"
    target = tmp_path / "read.parquet"
    script = ("-W", "ignore", "-c", READ_BY_NAME, str(config), str(target))
    read = run_python(copy, *script, **loopback.environment())
    assert read.returncode == 0, read.stderr
    pd.testing.assert_frame_equal(pd.read_parquet(target), left)
    alone = submitted_well(copy, loopback, "--env", "registered", "--pipelines", "training", *FEW)
    assert "dataset        Data_prepared version 1 found (by its name)" in alone.stdout
    assert reused(alone) == {"train_model": False}
