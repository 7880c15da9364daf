"""Notebook 02, the how-to's "examine the results", executed on a run of the loopback."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from loopback_service import Loopback
from nbclient import NotebookClient
from submits import Submitted, submitted_well

ROOT = Path(__file__).parents[2]
NOTEBOOK = "02_examine_the_results.ipynb"


def test_the_results_are_examined_with_the_sdk_and_through_the_catalog(
    loopback: Loopback, titanic: Submitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # after the shared submits and under another name: they are to find the workspace without a run
    assert titanic.first.returncode == 0
    for name in ("conf", "src", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "data/01_raw").mkdir(parents=True)
    shutil.copy(ROOT / "data/01_raw/titanic.csv", tmp_path / "data/01_raw")
    submitted_well(tmp_path, loopback, "--params", "automl.iterations=3,model_name=Examined")
    for name, value in loopback.variables.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(tmp_path / "notebooks" / NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": tmp_path / "notebooks"}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in shown) == 2
    text = str(shown)
    for found in ("register_model", "AUC_weighted", "reported by the run", "primary_metric"):
        assert found in text
