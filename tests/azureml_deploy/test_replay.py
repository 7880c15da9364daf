"""A step of a run, run again on this machine: the real SDK, a run of the loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from foreign_project import edit, run, write_project
from loopback_service import Loopback
from submits import Done, run_id, submit

from azureml_deploy.remote import replay_step
from azureml_deploy.replay.fetched_step import fetch_step
from azureml_deploy.replay.layout import run_context
from azureml_deploy.runs.downloads import CACHE
from azureml_deploy.runs.following import open_run
from azureml_deploy.service_errors import Patience

APPLES = "name,weight\nBoskoop,180\nCox,90\nGala,120\n"
HELPERS = """
def heavy(apples, factor):
    return apples["weight"] >= factor


def label(row):
    distance = row.weight - {weight}
    return f"{{row.name}} {{1000 // distance}}"
"""
NODES = """
from orchard.harvest.helpers import heavy, label


def pick(apples, factor):
    return apples[heavy(apples, factor)]


def name_them(picked, greeting):
    return [f"{greeting} {label(row)}" for row in picked.itertuples(index=False, name="Row")]
"""


def write_helpers(project: Path, weight: int) -> None:
    edit(project, "src/orchard/harvest/helpers.py", HELPERS.format(weight=weight).lstrip())


def replay(project: Path, loopback: Loopback, *arguments: str, typed: str | None = None) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "kedro", "azureml", "replay", "--loopback", *arguments],
        cwd=project,
        env={**os.environ, **loopback.variables, "COLUMNS": "160"},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def kedro(project: Path, loopback: Loopback, *arguments: str) -> Done:
    command = ("-m", "kedro", "azureml", *arguments, "--loopback")
    return run(project, *command, **loopback.variables)


def raised_at(text: str) -> tuple[str, str]:
    """The file and line in the step's own code where an error was raised, and the error."""
    places = re.findall(r'File ".*?/(src/orchard/\S+)", line (\d+)', text)
    errors = re.findall(r"^(\w+Error: .*)$", text, re.MULTILINE)
    assert places, text
    return ":".join(places[-1]), errors[0]


@pytest.fixture(scope="module")
def failed(loopback: Loopback, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project whose node fails at one row of its input, and the run that failed."""
    project = write_project(tmp_path_factory.mktemp("replay") / "orchard")
    edit(project, "src/orchard/harvest/nodes.py", NODES.lstrip())
    write_helpers(project, weight=120)
    done = submit(project, loopback, "--pipeline-parameter", "factor=100")
    assert done.returncode == 1, done.stdout + done.stderr
    return project, run_id(done)


def test_it_fails_here_as_there(failed: tuple[Path, str], loopback: Loopback) -> None:
    project, run = failed
    there = kedro(project, loopback, "logs", run, "--step", "harvest").stdout
    here = replay(project, loopback, run[:8], "--step", "harvest")
    assert here.returncode == 1
    place, error = raised_at(here.stderr)
    assert (place, error) == raised_at(there)
    line = int(place.partition(":")[2])
    assert "1000 // distance" in HELPERS.format(weight=0).lstrip().splitlines()[line - 1]
    assert error.startswith("ZeroDivisionError")
    assert "Downloading inputs of harvest: 40 B" in here.stderr
    assert "Step harvest failed here too" in here.stdout


def test_the_debugger_stops_in_the_node_at_the_row(
    failed: tuple[Path, str], loopback: Loopback
) -> None:
    project, run = failed
    typed = "p row.name, row.weight\nq\n"
    done = replay(project, loopback, run, "--step", "harvest", "--pdb", typed=typed)
    assert done.returncode == 1
    assert "Stopped at ZeroDivisionError" in done.stdout
    assert "('Gala', 120)" in done.stdout
    # brought once, and kept by content
    assert "Downloading" not in done.stderr


def test_isolated_it_runs_in_the_environment_that_it_declares(
    failed: tuple[Path, str], loopback: Loopback
) -> None:
    project, run = failed
    done = replay(project, loopback, run, "--step", "harvest", "--isolated")
    assert done.returncode == 1
    assert re.search(r"Environment 'orchard': (built|building)", done.stderr)
    assert re.search(r"runs in \S+/harvest with \S+/environments/\w+/bin/python", done.stderr)
    place, error = raised_at(done.stderr)
    assert place.startswith("src/orchard/harvest/helpers.py:")
    assert error.startswith("ZeroDivisionError")


def test_without_a_token_the_run_is_an_offline_one(
    failed: tuple[Path, str], loopback: Loopback, workspace: Any
) -> None:
    project, run = failed
    opened = open_run(workspace, run, Patience(0))
    loopback.command("fault", "status", "--where", "GET .*/token$", "--value", "403")
    try:
        step = fetch_step(opened, "harvest", project / CACHE, Patience(0))
        told: list[str] = []
        variables = run_context(workspace, step, Patience(0, told.append))
    finally:
        loopback.command("fault", "clear")
    assert variables["AZUREML_RUN_ID"] == step.record.run_id
    assert "AZUREML_RUN_TOKEN" not in variables
    assert "Run.get_context() gives an offline run here" in told[0]
    assert "AZUREML_RUN_TOKEN" in run_context(workspace, step, Patience(0))


def test_the_mended_working_tree_passes(failed: tuple[Path, str], loopback: Loopback) -> None:
    project, run = failed
    write_helpers(project, weight=121)
    try:
        done = replay(project, loopback, run, "--step", "harvest", "--edit")
    finally:
        write_helpers(project, weight=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "src/orchard/harvest/helpers.py: +1 -1 lines" in done.stdout
    assert "Output fruit_names: 1 file; the run's step left none" in done.stdout


def test_a_completed_step_gives_the_same_and_writes_nothing(
    failed: tuple[Path, str], loopback: Loopback, workspace: Any, tmp_path: Path
) -> None:
    from azureml.pipeline.core import PipelineRun

    project, _ = failed
    write_helpers(project, weight=1)
    try:
        well = submit(project, loopback)
    finally:
        write_helpers(project, weight=120)
    assert well.returncode == 0, well.stdout + well.stderr
    target = tmp_path / "here"
    (count,) = re.findall(r"^(count\S+): Completed", well.stdout, re.MULTILINE)
    done = replay(project, loopback, "latest", "--step", count, "--to", str(target))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Output counts: 1 file, the same as the run's" in done.stdout
    assert "Recorded and not sent: Run.log x 2" in done.stdout
    lines = [json.loads(line) for line in (target / "writes.jsonl").read_text().splitlines()]
    assert lines[0]["call"] == "Run.log"
    assert lines[0]["arguments"] == ["apples", 2.0]
    (step,) = PipelineRun.get(workspace, run_id(well)).find_step_run(count)
    assert step.get_metrics()["apples"] == 2.0
    sent = replay(
        project, loopback, "latest", "--step", count, "--to", str(target), "--send-writes"
    )
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert "Recorded" not in sent.stdout
    assert step.get_metrics()["apples"] == [2.0, 2.0]


def test_what_cannot_be_replayed_is_one_sentence(
    failed: tuple[Path, str], loopback: Loopback, tmp_path: Path
) -> None:
    project, run = failed
    unknown = replay(project, loopback, run, "--step", "harvst")
    assert unknown.returncode == 2
    assert "has no such step that has begun; did you mean 'harvest'?" in unknown.stderr
    (tmp_path / "mine.txt").write_text("mine")
    taken = replay(project, loopback, run, "--step", "harvest", "--to", str(tmp_path))
    assert taken.returncode == 2
    assert "there is something in it that no replay wrote" in taken.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_every_method_that_writes_is_known() -> None:
    """A method that a new SDK adds must be judged: does it write, or does it read?"""
    run = pytest.importorskip("azureml.core.run", reason="needs the azureml extra")
    reads = {
        *("get_context", "get_submitted_run", "get_secret", "get_secrets", "add_type_provider"),
        *("list", "list_by_compute", "get", "wait_for_completion", "get_all_logs"),
        *("get_details_with_logs", "get_status", "get_detailed_status", "get_environment"),
        *("get_details", "get_children", "get_metrics", "get_tags", "get_properties"),
        *("get_file_names", "download_file", "download_files", "restore_snapshot"),
        *("get_snapshot_id", "get_docs_url"),
    }
    public = {
        name
        for name, value in vars(run.Run).items()
        if not name.startswith("_")
        and (callable(getattr(run.Run, name)) or getattr(value, "fset", None))
        and name[0].islower()
    }
    assert public == (public & reads) | {
        name for name in replay_step.WRITES["azureml.core.run:Run"] if not name.startswith("_")
    }
