"""Catalog entries that read the workspace: the same on this machine and in a step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from foreign_project import edit, write_project
from foreign_project import run as run_python
from kedro.io import DatasetError
from loopback_service import Loopback
from submits import Submitted, open_run, run_id, step_output, submitted_well

from azureml_deploy.datasets import ModelRegistryDataset
from azureml_deploy.workspace_datasets import (
    DownloadedModelDataset,
    DownloadedPickleDataset,
    RegisteredDataset,
    RunOutputDataset,
)

CSV = {"type": "pandas.CSVDataset", "load_args": {"dtype": {"Ticket": "str"}}}
JSON = "json.JSONDataset"
MODEL = "TitanicSurvivalInitial"

NODES = """
def look_again(apples, seen, counted):
    return {"rows": len(seen), "same": int(seen.equals(apples)), "counted": counted["apples"]}
"""
PIPELINES = """
from kedro.pipeline import Pipeline, node
from orchard.again import look_again
from orchard.harvest.nodes import name_them, pick
from orchard.report.nodes import count
def register_pipelines():
    harvest = Pipeline([
        node(pick, {"apples": "apples", "factor": "params:picking.factor"}, "picked"),
        node(name_them, ["picked", "params:greeting"], "fruit_names"),
        node(count, ["fruit_names", "params:title"], "counts"),
    ])
    again = Pipeline([node(look_again, ["apples", "seen", "counted"], "looked", name="look")])
    return {"__default__": harvest, "again": again}
"""
ENTRIES = """
seen:
  type: azureml_deploy.workspace_datasets.RegisteredDataset
  name: apples
  dataset: pandas.CSVDataset
counted:
  type: azureml_deploy.workspace_datasets.RunOutputDataset
  experiment_name: again
  output: counts
  dataset: json.JSONDataset
looked: {type: json.JSONDataset, filepath: data/looked.json}
"""
LOAD = """
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path.cwd())
with KedroSession.create() as session:
    catalog = session.load_context().catalog
    print("found", len(catalog.load("seen")), catalog.load("counted")["apples"])
"""


@pytest.fixture
def beside_config(loopback: Loopback, workspace: Any, tmp_path: Path) -> Any:
    """Where `Workspace.from_config()` finds the workspace."""
    loopback.command("config", str(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        yield tmp_path


def test_a_registered_dataset_of_files(
    titanic: Submitted, workspace: Any, beside_config: Path, tmp_path: Path
) -> None:
    from azureml.core import Dataset

    raw = pd.read_csv(titanic.project / "data/01_raw/titanic.csv", dtype={"Ticket": str})
    found = RegisteredDataset(name="titanic_ds", version=1, dataset=CSV).load()
    pd.testing.assert_frame_equal(found, raw)
    # others' tests register versions too: the latest is whichever the SDK gives
    (file,) = Dataset.get_by_name(workspace, "titanic_ds").download(str(tmp_path / "latest"))
    latest = RegisteredDataset(name="titanic_ds", dataset=CSV).load()
    pd.testing.assert_frame_equal(latest, pd.read_csv(file, dtype={"Ticket": str}))
    with pytest.raises(DatasetError, match="say by dataset: how one is loaded"):
        RegisteredDataset(name="titanic_ds").load()
    with pytest.raises(DatasetError, match="Failed while loading data"):
        RegisteredDataset(name="titanic_ds", version=99, dataset=CSV).load()


def test_a_registered_table(titanic: Submitted, workspace: Any, beside_config: Path) -> None:
    from azureml.core import Dataset

    (prepared,) = open_run(workspace, titanic.first).find_step_run("data_prep")
    place = prepared.get_output_data("titanic_test")
    file = (place.datastore, f"{place.path_on_datastore}/titanic_test.parquet")
    Dataset.Tabular.from_parquet_files(file).register(workspace, "prepared_test")
    table = RegisteredDataset(name="prepared_test").load()
    assert table.shape[0] == 262
    with pytest.raises(DatasetError, match="RegisteredDataset is read only"):
        RegisteredDataset(name="prepared_test").save(table)


def test_a_runs_output(titanic: Submitted, beside_config: Path) -> None:
    first = run_id(titanic.first)
    metrics = RunOutputDataset(output="metrics_output", run_id=first, dataset=JSON).load()
    assert metrics["0"]["AUC_weighted"][0] > 0.8
    latest = RunOutputDataset(
        output="metrics_output", experiment_name="titanic_automl", dataset=JSON
    )
    assert "AUC_weighted" in latest.load()["0"]
    with pytest.raises(DatasetError, match="outside a run, experiment_name must say"):
        RunOutputDataset(output="metrics_output", dataset=JSON).load()
    with pytest.raises(DatasetError, match="has no output 'nothing'"):
        RunOutputDataset(output="nothing", run_id=first, dataset=JSON).load()
    with pytest.raises(DatasetError, match="has no completed run with an output nothing"):
        RunOutputDataset(output="nothing", experiment_name="titanic_automl", dataset=JSON).load()


def test_a_registered_model(
    titanic: Submitted, beside_config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = ModelRegistryDataset(model_name=MODEL, version=1).load()
    assert first is not None
    assert (first["version"], hasattr(first["model"], "predict")) == (1, True)
    assert f"it comes from model {MODEL} version 1 of workspace loopback" in caplog.text
    assert "learned_statistics" in first["artifacts"]
    champion = ModelRegistryDataset(model_name=MODEL).load()
    assert champion is not None
    assert champion["champion"]
    assert ModelRegistryDataset(model_name=MODEL, version=999).load() is None
    assert ModelRegistryDataset(model_name="nobody").load() is None


def test_what_was_not_brought_is_not_there(tmp_path: Path) -> None:
    assert DownloadedModelDataset(filepath=str(tmp_path / "champion")).load() is None
    assert not DownloadedModelDataset(filepath=str(tmp_path / "champion")).exists()
    pickled = DownloadedPickleDataset(filepath=str(tmp_path / "model.pkl"))
    assert not pickled.exists()
    with pytest.raises(DatasetError, match="was not brought here by"):
        pickled.load()


def test_an_entry_is_the_same_here_and_in_a_step(
    loopback: Loopback, workspace: Any, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "orchard")
    edit(project, "src/orchard/again.py", NODES)
    edit(project, "src/orchard/pipeline_registry.py", PIPELINES)
    catalog = (project / "conf/base/catalog.yml").read_text()
    edit(project, "conf/base/catalog.yml", catalog + ENTRIES)
    config = (project / "conf/base/azureml.yml").read_text()
    config = config.replace("packages: [", "packages: [azureml-core, azureml-pipeline-core, ")
    edit(project, "conf/base/azureml.yml", config.replace("_name: orchard", "_name: again"))
    submitted_well(project, loopback)
    done = submitted_well(project, loopback, "--pipelines", "again")
    looked = step_output(open_run(workspace, done), "look", "looked", tmp_path)
    assert json.loads(looked.read_text()) == {"rows": 3, "same": 1, "counted": 2}
    shutil.copy(project / ".azureml/loopback/config.json", project / "config.json")
    here = run_python(project, "-c", LOAD, **loopback.variables, **loopback.environment())
    assert "found 3 2" in here.stdout, here.stdout + here.stderr
