"""Registration: the folder that is registered, and which workspace is asked."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from foreign_project import edit, run, snapshots, write_project

from azureml_deploy.datasets import MODEL_FILE, ModelRegistryDataset

VERSION = {
    "model": {"weights": [1, 2]},
    "artifacts": {"statistics": {"mean": 1.5, "name": "größe"}},
    "tags": {"auc": "0.9"},
    "champion": True,
}

REGISTRY = """
import json
def fit(names):
    return {"model": len(names)}
def register(model, champion, model_name):
    print("champion", champion)
    return {"model": model, "artifacts": {}, "tags": {}, "champion": True}
"""
PIPELINES = """
from kedro.pipeline import Pipeline, node
from orchard.registry import fit, register
def register_pipelines():
    return {"__default__": Pipeline([
        node(fit, "model_rows", "model", name="fit"),
        node(register, ["model", "champion", "params:title"], "registered", name="register",
             tags="azureml.register"),
    ])}
"""
CATALOG = """
model_rows: {type: json.JSONDataset, filepath: data/rows.json}
model: {type: pickle.PickleDataset, filepath: data/model.pkl}
registered: {type: orchard.missing.Registry}
champion: {type: orchard.missing.Registry}
"""
ROLES = """
roles: {model: model, registry: [registered, champion], model_name: "params:title"}
"""


def test_the_registered_folder_has_model_and_artifacts(tmp_path: Path) -> None:
    ModelRegistryDataset(model_name="m")._write(VERSION, tmp_path)
    assert pickle.loads((tmp_path / MODEL_FILE).read_bytes()) == VERSION["model"]
    text = (tmp_path / "statistics.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"mean": 1.5, "name": "größe"}


def test_the_models_own_file_is_registered_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "trained.bin").write_bytes(b"exactly these bytes")
    target = tmp_path / "folder"
    target.mkdir()
    dataset = ModelRegistryDataset(model_name="m", model_path=str(tmp_path / "trained.bin"))
    dataset._write(VERSION, target)
    assert (target / MODEL_FILE).read_bytes() == b"exactly these bytes"


def test_offline_the_tagged_node_asks_the_workspace_of_config_json(tmp_path: Path) -> None:
    pytest.importorskip("azureml.core", reason="needs the azureml extra")
    project = write_project(tmp_path / "orchard")
    edit(project, "src/orchard/registry.py", REGISTRY)
    edit(project, "src/orchard/pipeline_registry.py", PIPELINES)
    edit(project, "conf/base/catalog.yml", CATALOG)
    edit(project, "conf/base/azureml.yml", (project / "conf/base/azureml.yml").read_text() + ROLES)
    folder = Path(snapshots(project, tmp_path / "out")["folders"]["register"])
    assert (folder / "src/azureml_deploy/datasets.py").is_file()
    assert "missing" not in (folder / "conf/base/catalog.yml").read_text()
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"model": 1}))
    model = str(tmp_path / "model.pkl")
    done = run(
        tmp_path,
        str(folder / "register_model.py"),
        *("--model_name", 'It\'s a; "name"', "--model_path", model, "--input", "model", model),
    )
    assert 'model_name : It\'s a; "name"' in done.stdout
    assert done.returncode != 0
    assert "config.json" in done.stderr
    assert "current_workspace" in done.stderr
