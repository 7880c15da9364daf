"""Continuous retraining: a schedule, new passengers, and the champion scored on them first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from foreign_project import edit, run
from loopback_service import Loopback
from submits import pipeline_output
from waiting import completed, eventually

from azureml_deploy.datasets import ModelRegistryDataset
from azureml_deploy.runs.schedules import DatastoreChange, Recurrence, create_schedule
from azureml_deploy.service_errors import Patience
from titanic_automl.datasets.mlflow_registry import MlflowRegistryDataset
from titanic_automl.parameters import PreparationParameters
from titanic_automl.pipelines.data_prep.nodes import split_passengers

ROOT = Path(__file__).parents[2]
ENDPOINT = "retraining"
MODEL = "Retrained"
FOLDER = "retraining/titanic"

Upload = Callable[[pd.DataFrame], None]


@pytest.fixture(scope="module")
def upload(workspace: Any, tmp_path_factory: pytest.TempPathFactory) -> Upload:
    """Put passengers where the registered Dataset has them, in the place of those before."""
    folder = tmp_path_factory.mktemp("upload")

    def to_datastore(passengers: pd.DataFrame) -> None:
        passengers.to_csv(folder / "titanic.csv", index=False)
        workspace.get_default_datastore().upload_files(
            [str(folder / "titanic.csv")], target_path=FOLDER, overwrite=True, show_progress=False
        )

    return to_datastore


@pytest.fixture(scope="module")
def endpoint(
    loopback: Loopback,
    workspace: Any,
    upload: Upload,
    passengers: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The Titanic, published over a Dataset that is a folder of the datastore."""
    from azureml.core import Dataset

    upload(passengers)
    files = Dataset.File.from_files((workspace.get_default_datastore(), f"{FOLDER}/"))
    files.register(workspace, "titanic_folder")
    project = tmp_path_factory.mktemp("retraining")
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    config = (project / "conf/base/azureml.yml").read_text()
    registered = config[config.index("  titanic_ds:") : config.index("\ngrouping:")]
    edit(
        project,
        "conf/base/azureml.yml",
        config.replace(registered, "  titanic_ds: {name: titanic_folder}\n"),
    )
    chosen = ("--to-nodes", "register_model", "--params", "automl.iterations=2")
    command = ("-m", "kedro", "azureml", "publish", "--loopback", "--endpoint", ENDPOINT, *chosen)
    done = run(project, *command, **loopback.variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return ENDPOINT


@pytest.fixture(scope="module")
def champion(
    loopback: Loopback, workspace: Any, finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The champion that was trained here, as version 1 of the workspace's model."""
    here = MlflowRegistryDataset(
        filepath=str(finished / "data/06_models/registry/mlflow.db"),
        model_name="TitanicSurvivalInitial",
    ).load()
    assert here is not None
    folder = tmp_path_factory.mktemp("champion")
    loopback.command("config", str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ModelRegistryDataset(model_name=MODEL).save(here)
    return dict(here)


def schedule(workspace: Any, name: str, trigger: DatastoreChange | Recurrence) -> Any:
    from azureml.pipeline.core import Schedule

    made = create_schedule(
        workspace,
        name,
        trigger,
        Patience(0),
        endpoint_name=ENDPOINT,
        experiment_name="retraining",
        parameters={"model_name": MODEL},
    )
    return Schedule.get(workspace, made.schedule_id)


def champions(workspace: Any) -> dict[int, bool]:
    from azureml.core import Model

    return {model.version: "champion" in model.tags for model in Model.list(workspace, MODEL)}


def report(run: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pipeline_output(run, "registration", folder).read_text())
    return found


def test_a_better_model_becomes_champion_and_a_worse_one_never(
    endpoint: str,
    champion: dict[str, Any],
    loopback: Loopback,
    workspace: Any,
    upload: Upload,
    passengers: pd.DataFrame,
    tmp_path: Path,
) -> None:
    assert champions(workspace) == {1: True}
    # drift: those who survived are now those who did not
    drifted = passengers.assign(Survived=1 - passengers["Survived"])
    watching = schedule(workspace, "on-new-files", DatastoreChange("workspaceblobstore", FOLDER))
    upload(drifted)
    loopback.command("clock", "advance", "400")
    better = completed(eventually(watching.get_last_pipeline_run))
    watching.disable()
    decided = report(better, tmp_path / "better")
    assert (decided["champion_version"], decided["promoted"]) == (1, True)
    # not what version 1 once recorded, but what it scores on the new passengers
    recorded = float(champion["tags"]["AUC_weighted"])
    assert recorded > 0.8
    assert decided["champion"] == pytest.approx(1 - recorded)
    assert decided["challenger"] > 0.8
    assert champions(workspace) == {1: False, 2: True}

    # most labels that are learned from are spoilt, and most that are tested on are not
    learned, tested = split_passengers(drifted, PreparationParameters())
    spoilt = learned.assign(Survived=1 - learned["Survived"])
    upload(pd.concat([spoilt, tested.assign(Ticket="new")]))
    nightly = schedule(workspace, "nightly", Recurrence("Day", 1, start_time="2020-01-01T03:00:00"))
    loopback.command("clock", "advance", str(24 * 3600))
    worse = completed(eventually(nightly.get_last_pipeline_run))
    nightly.disable()
    decided = report(worse, tmp_path / "worse")
    assert (decided["champion_version"], decided["promoted"]) == (2, False)
    assert decided["challenger"] < 0.5
    assert decided["champion"] > 0.6
    assert champions(workspace) == {1: False, 2: True, 3: False}
