"""What a run left, brought here and placed: the real SDK, runs of the loopback."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from foreign_project import run as run_python
from loopback_service import Loopback
from submits import Done, Submitted, open_run, run_id, submitted_well

from azureml_deploy.config import Environment
from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.replay.isolated import definition_of, isolated_python
from azureml_deploy.runs.downloads import BlobFolder
from azureml_deploy.runs.results import download_results, find_results
from azureml_deploy.service_errors import Patience

NO_PATIENCE = Patience(0)


def kedro(project: Path, loopback: Loopback, *arguments: str) -> Done:
    return run_python(project, "-m", "kedro", *arguments, **loopback.variables)


@pytest.fixture(scope="module")
def brought(
    titanic: Submitted, loopback: Loopback, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Done]:
    """A copy of the project after `results` of its second run, whose training was reused."""
    project = shutil.copytree(titanic.project, tmp_path_factory.mktemp("brought") / "titanic")
    run = run_id(titanic.second)
    done = kedro(project, loopback, "azureml", "results", run, "--loopback", "--load-model")
    assert done.returncode == 0, done.stdout + done.stderr
    return project, done


def folder_of(project: Path, done: Done) -> Path:
    (folder,) = (project / ".azureml/results").iterdir()
    assert f"Brought to {folder}" in done.stdout
    return folder


def test_files_come_with_checksums(brought: tuple[Path, Done], titanic: Submitted) -> None:
    folder = folder_of(*brought)
    assert folder.name == run_id(titanic.second)
    names = {path.name for path in folder.iterdir()}
    assert names == {"metrics.json", "model.pkl", "leaderboard.png", "SHA256SUMS"}
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        expected, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected
    assert pd.DataFrame(json.loads((folder / "metrics.json").read_text())).shape[1] == 2
    assert (folder / "leaderboard.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_marks_the_best(brought: tuple[Path, Done]) -> None:
    folder = folder_of(*brought)
    values = json.loads((folder / "metrics.json").read_text())
    rows = [line.split() for line in brought[1].stdout.splitlines()]
    (best,) = (row for row in rows if row[:1] == ["*"])
    scores = {number: entry["AUC_weighted"][0] for number, entry in values.items()}
    assert best[1] == max(scores, key=scores.__getitem__)
    assert best[3] == f"{scores[best[1]]:.4f}"


def test_the_model_is_loaded_on_request_with_a_warning(
    brought: tuple[Path, Done], titanic: Submitted, loopback: Loopback
) -> None:
    project, done = brought
    warning = f"it comes from run {run_id(titanic.second)} of workspace loopback"
    assert warning in done.stdout + done.stderr
    assert "Loaded: Pipeline(steps=" in done.stdout
    again = kedro(project, loopback, "azureml", "results", run_id(titanic.second), "--loopback")
    assert again.returncode == 0, again.stderr
    assert "Loaded" not in again.stdout
    assert "maker's code" not in again.stdout + again.stderr
    # all is there already
    assert "Downloading" in done.stderr
    assert "Downloading" not in again.stderr


def test_scoring_reads_what_was_placed(
    brought: tuple[Path, Done], titanic: Submitted, loopback: Loopback
) -> None:
    project, done = brought
    place = project / "data/06_models/azureml/champion"
    assert f"{place}: TitanicSurvivalInitial version 2, the champion" in done.stdout
    assert not (project / "data/06_models/registry").exists()
    scored = kedro(project, loopback, "run", "--pipelines", "scoring", "--env", "azureml")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    assert f"it comes from run {run_id(titanic.second)}" in scored.stdout + scored.stderr
    predictions = pd.read_csv(project / "data/07_model_output/predictions.csv")
    passengers = pd.read_csv(project / "data/01_raw/new_passengers.csv")
    assert predictions["PassengerId"].tolist() == passengers["PassengerId"].tolist()
    assert predictions["Probability"].between(0, 1).all()


def test_what_was_tampered_with_is_not_loaded(
    brought: tuple[Path, Done], loopback: Loopback, tmp_path: Path
) -> None:
    project = shutil.copytree(brought[0], tmp_path / "titanic")
    model = project / "data/06_models/azureml/champion/model.pkl"
    model.write_bytes(model.read_bytes() + b" ")
    scored = kedro(project, loopback, "run", "--pipelines", "scoring", "--env", "azureml")
    assert scored.returncode == 1
    assert "its checksum differs; bring it again: kedro azureml results" in (
        scored.stdout + scored.stderr
    )
    (model.parent.parent / "champion.source.json").unlink()
    unknown = kedro(project, loopback, "run", "--pipelines", "scoring", "--env", "azureml")
    assert "it was not brought here by: kedro azureml results RUN" in (
        unknown.stdout + unknown.stderr
    )


def test_a_missing_artifact_is_named(titanic: Submitted, workspace: Any, tmp_path: Path) -> None:
    run = open_run(workspace, titanic.first)
    (result,) = find_results(run, NO_PATIENCE)
    metrics = result.outputs[0]
    assert (metrics.role, metrics.name) == ("metrics", "metrics_output")
    client = blob_of(metrics.source)
    data = client.download_blob().readall()
    client.delete_blob()
    try:
        with pytest.raises(
            ServiceError, match="Output metrics_output of step train_model is missi"
        ):
            find_results(run, NO_PATIENCE)
    finally:
        client.upload_blob(data)
    files = download_results(find_results(run, NO_PATIENCE), tmp_path, NO_PATIENCE, ignore)
    assert files["train_model", "metrics"].read_bytes() == data


def blob_of(source: BlobFolder) -> Any:
    service, container = source.datastore.blob_service, source.datastore.container_name
    return service.get_blob_client(container, source.path)


def ignore(_: int) -> None:
    """Show no progress."""


def test_default_outputs_are_found_by_the_steps_name(
    titanic: Submitted, workspace: Any, tmp_path: Path
) -> None:
    """As the how-to ends: an AutoMLStep without outputs of its own, and a run found by its id."""
    from azureml.core import Dataset, Experiment, RunConfiguration
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import AutoMLStep
    from azureml.train.automl import AutoMLConfig

    (prepared,) = open_run(workspace, titanic.first).find_step_run("data_prep")
    place = prepared.get_output_data("titanic_train")
    data = (place.datastore, f"{place.path_on_datastore}/titanic_train.parquet")
    config = AutoMLConfig(
        task="classification",
        training_data=Dataset.Tabular.from_parquet_files(data),
        label_column_name="Survived",
        primary_metric="accuracy",
        iterations=1,
        n_cross_validations=2,
        compute_target=workspace.compute_targets["automl-cluster"],
        path=str(tmp_path),
        run_configuration=RunConfiguration(),
    )
    step = AutoMLStep("Train it", config, allow_reuse=False)
    submitted = Experiment(workspace, "defaults").submit(Pipeline(workspace, [step]))
    submitted.wait_for_completion(show_output=False)
    (result,) = find_results(submitted, NO_PATIENCE)
    assert [output.name for output in result.outputs] == [
        "default_metrics_Train_it",
        "default_model_Train_it",
    ]
    assert result.primary_metric == "accuracy"
    files = download_results((result,), tmp_path / "results", NO_PATIENCE, ignore)
    assert "accuracy" in json.loads(files["Train it", "metrics"].read_text())["0"]


def test_a_run_without_automl_has_no_results(
    titanic: Submitted, workspace: Any, loopback: Loopback
) -> None:
    done = submitted_well(titanic.project, loopback, "--pipelines", "data_prep")
    with pytest.raises(UsageError, match="has no AutoML step, so it left no metrics_output and no"):
        find_results(open_run(workspace, done), NO_PATIENCE)


def test_an_environment_of_its_own_is_built_beside_this_one(loopback: Loopback) -> None:
    told: list[str] = []
    settings = Environment(python_version="3.11", pip_packages=["six"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in loopback.variables.items():
            patch.setenv(name, value)
        python = isolated_python(definition_of("small", settings), told.append)
        assert "Environment 'small': built in" in told[-1]
        wrong = Environment(python_version="3.11", pip_packages=["no-such-package-anywhere"])
        with pytest.raises(ServiceError, match=r"cannot be built: .*no-such-package-anywhere"):
            isolated_python(definition_of("wrong", wrong), told.append)
    code = "import six, importlib.util as u; print(six.__name__, u.find_spec('kedro'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["six", "None"]
