"""This repository's own pipeline: four steps, whatever the number of its nodes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from foreign_project import run, snapshots

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("titanic")
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "data/01_raw").mkdir(parents=True)
    shutil.copy(ROOT / "data/01_raw/titanic.csv", folder / "data/01_raw")
    return folder


def plan(project: Path) -> tuple[int, dict[str, Any]]:
    done = run(project, "-W", "ignore", "-m", "kedro", "azureml", "plan", "--json", "-")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_preparation_automl_evaluation_registration_without_findings(project: Path) -> None:
    code, found = plan(project)
    steps = [(step["name"], step["kind"]) for step in found["steps"]]
    assert found["findings"] == []
    assert code == 0
    assert steps == [
        ("data_prep", "script"),
        ("train_model", "automl"),
        ("evaluation", "script"),
        ("register_model", "register"),
    ]


def test_preparation_from_its_snapshot_equals_kedros(project: Path, tmp_path: Path) -> None:
    folders = snapshots(project, tmp_path / "out")["folders"]
    names = ("learned_statistics", "test_passengers", "titanic_test", "titanic_train")
    outputs = [part for n in names for part in ("--output", n, str(tmp_path / "ports" / n))]
    mounted = project / "data/01_raw/titanic.csv"
    script = str(Path(folders["data_prep"]) / "run_step.py")
    done = run(tmp_path, script, "--input", "titanic_ds", str(mounted), *outputs)
    assert done.returncode == 0, done.stderr
    done = run(project, "-m", "kedro", "run", "--pipelines", "data_prep")
    assert done.returncode == 0, done.stderr
    for name, place in (("titanic_train", "05_model_input"), ("titanic_test", "05_model_input")):
        here = pd.read_parquet(project / "data" / place / f"{name}.parquet")
        there = pd.read_parquet(tmp_path / "ports" / name / f"{name}.parquet")
        pd.testing.assert_frame_equal(here, there)


def test_registration_leaves_preparation_alone(project: Path, tmp_path: Path) -> None:
    before = snapshots(project, tmp_path)["digests"]
    copy = shutil.copytree(project, tmp_path / "copy")
    file = copy / "src/titanic_automl/pipelines/registration/nodes.py"
    file.write_text(file.read_text() + "\n# another rule\n")
    after = snapshots(copy, tmp_path)["digests"]
    assert {name for name in before if before[name] != after[name]} == {"register_model"}
    parameters = copy / "conf/base/parameters.yml"
    parameters.write_text(parameters.read_text().replace("iterations: ", "iterations: 1"))
    trained = snapshots(copy, tmp_path)["digests"]
    assert trained["data_prep"] == before["data_prep"]
    assert trained["train_model"] != before["train_model"]
