"""One real run of the project, shared by the tests that look at what it leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "DO_NOT_TRACK": "1", "COLUMNS": "200"}

GROUPS = ("azureml_loopback", "azureml_deploy", "submitted_titanic", "titanic_automl")
"""Tests that share a costly fixture, and so a process: a running service, a finished run."""


def pytest_xdist_auto_num_workers() -> int:
    """Give each of the three running services a process: their tests wait more than they compute."""
    return max(3, os.cpu_count() or 1)


def group_of(item: pytest.Item) -> str:
    """Return the tests that an item must share a process with: else those of its file."""
    fixtures = getattr(item, "fixturenames", ())
    if "azureml_loopback" in item.path.parts:
        return "azureml_loopback"
    if "loopback" in fixtures:
        return "submitted_titanic" if "titanic" in fixtures else "azureml_deploy"
    return "titanic_automl" if "finished" in fixtures else item.path.name


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest groups, so that no process is left to one of them at the end."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    order = {name: place for place, name in enumerate(GROUPS)}
    items.sort(key=lambda item: order.get(group_of(item), len(order)))


Kedro = Callable[..., subprocess.CompletedProcess[str]]
"""Runs ``kedro ARGUMENTS`` in a project's folder."""


def run_kedro(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kedro", *arguments]
    return subprocess.run(
        command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def copy_project(folder: Path) -> Path:
    """Copy what git has of the project, data but the raw files left out."""
    for part in ("conf", "src", "notebooks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "data").glob("*/"):
        (folder / "data" / path.name).mkdir(parents=True)
    for path in (ROOT / "data" / "01_raw").glob("*.csv"):
        shutil.copy(path, folder / "data" / "01_raw")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="session")
def own_environment() -> Mapping[str, str]:
    """The variables from before any test led this process to a loopback, which has no registries."""
    return ENVIRONMENT


@pytest.fixture(scope="session")
def kedro() -> Kedro:
    return run_kedro


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after `kedro run` with few iterations; not to be changed."""
    project = copy_project(tmp_path_factory.mktemp("finished"))
    run = run_kedro(project, "run", "--params", "automl.iterations=3")
    assert run.returncode == 0, run.stderr
    (project / "run.log").write_text(run.stderr)
    return project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project before any run, to be changed at will."""
    return copy_project(tmp_path / "project")


@pytest.fixture
def finished_copy(finished: Path, tmp_path: Path) -> Path:
    """A project after `kedro run`, to be changed at will."""
    return shutil.copytree(finished, tmp_path / "finished")


@pytest.fixture(scope="session")
def passengers() -> pd.DataFrame:
    return pd.read_csv(
        ROOT / "data" / "01_raw" / "titanic.csv",
        dtype={"Ticket": str},
        keep_default_na=False,
        na_values=[""],
    )
