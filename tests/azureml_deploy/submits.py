"""Submitting from tests, and getting at what a run left."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foreign_project import edit, run
from loopback_service import Loopback

Done = subprocess.CompletedProcess[str]

ROOT = Path(__file__).parents[2]
FEW = ("--params", "automl.iterations=2")


@dataclass(frozen=True)
class Submitted:
    """The Titanic after two submits: as it is, and with a registration file edited."""

    project: Path
    first: Done
    second: Done


def submit_titanic_twice(project: Path, loopback: Loopback) -> Submitted:
    """Copy the Titanic to a folder, and submit it."""
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    shutil.copytree(ROOT / "data/01_raw", project / "data/01_raw")
    first = submitted_well(project, loopback, *FEW)
    registration = "src/titanic_automl/pipelines/registration/nodes.py"
    edit(project, registration, (project / registration).read_text() + "\n# another rule\n")
    return Submitted(project, first, submitted_well(project, loopback, *FEW))


def submit(project: Path, loopback: Loopback, *arguments: str) -> Done:
    """Run `kedro azureml submit --loopback`."""
    command = ("-m", "kedro", "azureml", "submit", "--loopback", *arguments)
    return run(project, *command, **loopback.variables)


def submitted_well(project: Path, loopback: Loopback, *arguments: str) -> Done:
    """Submit, and demand that the run completes."""
    done = submit(project, loopback, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def run_id(done: Done) -> str:
    """Return the id of the run that was submitted."""
    found = re.search(r"^run +(\S+) submitted", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    return found[1]


def open_run(workspace: Any, done: Done) -> Any:
    """Return the SDK's `PipelineRun`."""
    from azureml.pipeline.core import PipelineRun

    return PipelineRun.get(workspace, run_id(done))


def reused(done: Done) -> dict[str, bool]:
    """Return of each step that completed whether it was reused, as the command said it."""
    lines = re.findall(r"^(\S+): Completed( \(reused\))?", done.stdout, re.MULTILINE)
    return {step: bool(mark) for step, mark in lines}


def step_output(run: Any, step: str, port: str, folder: Path) -> Path:
    """Download what a step left, and return its only file."""
    (step_run,) = run.find_step_run(step)
    return _only_file(step_run.get_output_data(port), folder / port)


def pipeline_output(run: Any, name: str, folder: Path) -> Path:
    """Download an output of the whole pipeline, and return its only file."""
    return _only_file(run.get_pipeline_output(name), folder / name)


def _only_file(data: Any, folder: Path) -> Path:
    data.download(str(folder), show_progress=False)
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file
