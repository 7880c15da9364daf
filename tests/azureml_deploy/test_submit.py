"""`kedro azureml submit --loopback` in a Kedro project that is not ours: the real SDK, real runs."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from foreign_project import AZUREML, edit, run, write_project
from loopback_service import Loopback
from submits import Done, open_run, run_id, step_output, submit

from azureml_deploy.reuse import read_last_submitted
from azureml_deploy.runs.following import failure_of, follow, read_state
from azureml_deploy.service_errors import Patience

GREETING = 'it\'s; "quoted" $(x) & größer\\ 苹果'


@pytest.fixture
def well(loopback: Loopback) -> Iterator[Loopback]:
    """The service, to be troubled; well again afterwards."""
    yield loopback
    loopback.command("fault", "clear")


# names that no other file's tests use, for this submit creates what it needs in a shared workspace
OWN = (
    AZUREML.replace("name: apples", "name: own_apples")
    .replace("other", "own-cluster")
    .replace("  orchard:", "  own-orchard:")
    .replace("environment: orchard", "environment: own-orchard")
)


@pytest.fixture(scope="module")
def submitted(loopback: Loopback, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The project after one submit that was waited for."""
    project = write_project(tmp_path_factory.mktemp("foreign") / "orchard")
    edit(project, "conf/base/azureml.yml", OWN)
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "All")):
        who = ("-c", "user.name=Me", "-c", "user.email=me@example.com")
        subprocess.run(["git", *who, *arguments], cwd=project, check=True)
    parameters = (
        "--pipeline-parameter",
        "factor=150",
        "--pipeline-parameter",
        f"greeting={GREETING}",
    )
    return project, submit(project, loopback, *parameters)


def test_nodes_ran_and_outputs_are_readable(
    submitted: tuple[Path, Done], workspace: Any, tmp_path: Path
) -> None:
    _, done = submitted
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dataset        own_apples version 1 created (1 file, 40 B)" in done.stdout
    assert re.search(
        r"compute target own-cluster created \(STANDARD_D2_V2, 0 to 1 nodes\)", done.stdout
    )
    assert "environment    own-orchard version 1 created" in done.stdout
    assert re.search(r"harvest: Completed in \d+ s", done.stdout)
    assert "Completed: 2 steps ran, 0 reused" in done.stdout
    run = open_run(workspace, done)
    names = step_output(run, "harvest", "fruit_names", tmp_path).read_text(encoding="utf-8")
    assert names == f"{GREETING} Boskoop"
    (counted,) = (step for step in run.get_steps() if step.name.startswith("count"))
    assert counted.get_metrics() == {"apples": 1.0, "letters.all": float(len(names))}


def test_the_run_says_where_it_came_from(submitted: tuple[Path, Done], workspace: Any) -> None:
    project, done = submitted
    run = open_run(workspace, done)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True
    )
    assert run.properties["azureml.git.commit"] == head.stdout.strip()
    assert run.get_tags()["kedro_project"] == "Orchard"
    assert run.experiment.name == "orchard"
    plan = read_last_submitted(project)
    assert plan is not None
    assert plan.steps[0].name == "harvest"


def test_a_run_can_be_shown_later(submitted: tuple[Path, Done], loopback: Loopback) -> None:
    project, done = submitted
    command = ("-m", "kedro", "azureml", "show", run_id(done), "--loopback")
    shown = run(project, *command, **loopback.variables)
    assert shown.returncode == 0, shown.stderr
    assert "harvest" in shown.stdout
    assert "Completed: 2 steps ran" in shown.stdout


def test_wrong_use_is_one_message(submitted: tuple[Path, Done], loopback: Loopback) -> None:
    project, _ = submitted
    for arguments, message in (
        (("--pipeline-parameter", "facto=1"), "no parameter 'facto'; did you mean 'factor'?"),
        (("--pipeline-parameter", "factor=much"), "its default 100 is of type int"),
        (("--pipeline-parameter", "factor"), "write NAME=VALUE"),
    ):
        done = submit(project, loopback, *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    isolated = run(project, "-m", "kedro", "azureml", "submit", "--isolated")
    assert isolated.returncode == 2
    assert "--isolated goes with --loopback" in isolated.stderr


def test_findings_stop_a_submit_before_anything_is_asked(
    submitted: tuple[Path, Done], loopback: Loopback, tmp_path: Path
) -> None:
    project = shutil.copytree(submitted[0], tmp_path / "orchard")
    edit(project, "conf/base/azureml.yml", AZUREML.replace("datasets:", "datasets: {} #"))
    done = submit(project, loopback)
    assert done.returncode == 1
    assert "AML103 error dataset apples" in done.stdout
    assert "workspace" not in done.stdout.splitlines()[-1]


def test_a_dry_run_creates_nothing(
    submitted: tuple[Path, Done], loopback: Loopback, workspace: Any, tmp_path: Path
) -> None:
    project = shutil.copytree(submitted[0], tmp_path / "orchard")
    text = AZUREML.replace("name: apples", "name: pears").replace("other", "another")
    edit(project, "conf/base/azureml.yml", text)
    done = submit(project, loopback, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "dataset        pears would be created" in done.stdout
    assert "compute target another would be created" in done.stdout
    assert "pears" not in workspace.datasets
    assert "another" not in workspace.compute_targets


FAILING = """
def count(names, title):
    rows = {name: len(name) for name in names}
    return {"apples": rows["Hello Nobody"]}
"""


def test_a_failed_step_prints_its_own_error_and_where_its_log_is(
    submitted: tuple[Path, Done], loopback: Loopback, tmp_path: Path
) -> None:
    project = shutil.copytree(submitted[0], tmp_path / "orchard")
    edit(project, "src/orchard/report/nodes.py", FAILING)
    done = submit(project, loopback)
    assert done.returncode == 1
    assert re.search(r"Step count__\w+ failed:", done.stdout)
    assert "failed: KeyError: 'Hello Nobody'" in done.stdout
    log = re.search(r"^The whole log: (.+)$", done.stdout, re.MULTILINE)
    assert log
    assert "KeyError: 'Hello Nobody'" in Path(log[1]).read_text()
    plan = read_last_submitted(project)
    assert plan is not None
    assert [step.name for step in plan.steps] == ["harvest"]
    edit(
        project,
        "src/orchard/report/nodes.py",
        (submitted[0] / "src/orchard/report/nodes.py").read_text(),
    )
    again = submit(project, loopback)
    assert again.returncode == 0, again.stdout
    assert "harvest: Completed (reused)" in again.stdout


def test_interrupted_it_leaves_the_run_alone_and_says_how_to_go_on(
    submitted: tuple[Path, Done], loopback: Loopback, workspace: Any, tmp_path: Path
) -> None:
    project = shutil.copytree(submitted[0], tmp_path / "orchard")
    edit(
        project,
        "src/orchard/report/nodes.py",
        "import time\ndef count(names, title):\n    time.sleep(60)\n",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "azureml", "submit", "--loopback"],
        cwd=project,
        env={**loopback_environment(loopback), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("count") and "Running" in line:
            process.send_signal(signal.SIGINT)
            break
    rest, errors = process.communicate(timeout=60)
    text = "".join(lines) + rest
    assert process.returncode == 130, text + errors
    assert "Traceback" not in errors
    identifier = re.search(r"kedro azureml cancel (\S+) --loopback", text)
    assert identifier, text
    from azureml.pipeline.core import PipelineRun

    left = PipelineRun.get(workspace, identifier[1])
    assert left.get_status() == "Running"
    command = ("-m", "kedro", "azureml", "cancel", identifier[1], "--loopback")
    cancelled = run(project, *command, **loopback.variables)
    assert cancelled.returncode == 0, cancelled.stderr
    deadline = time.monotonic() + 20
    while (state := read_state(left, ())).status != "Canceled":
        assert time.monotonic() < deadline, state
        time.sleep(0.5)


def loopback_environment(loopback: Loopback) -> dict[str, str]:
    import os

    return {**os.environ, "DO_NOT_TRACK": "1", "COLUMNS": "160", **loopback.variables}


def test_a_submit_that_died_half_way_is_nothing_to_trip_over(
    submitted: tuple[Path, Done], well: Loopback, workspace: Any, tmp_path: Path
) -> None:
    project = shutil.copytree(submitted[0], tmp_path / "orchard")
    edit(project, "data/apples.csv", "name,weight\nJonagold,200\n")
    edit(project, "conf/base/azureml.yml", AZUREML.replace("name: apples", "name: half"))
    (project / ".azureml/last_submitted_plan.json").unlink()
    well.command("fault", "status", "--where", "POST .*/PipelineRuns/Submit/", "--value", "400")
    done = submit(project, well)
    assert done.returncode == 1
    assert "Submitting the pipeline failed: The loopback was told to answer 400" in done.stderr
    assert "Traceback" not in done.stderr
    assert read_last_submitted(project) is None
    again = submit(project, well, "--no-wait")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "dataset        half version 1 found" in again.stdout
    assert f"kedro azureml show {run_id(again)} --follow --loopback" in again.stdout


def test_429_and_dropped_connections_are_waited_for(
    submitted: tuple[Path, Done], well: Loopback, tmp_path: Path
) -> None:
    project = submitted[0]
    before = well.answers().count(429)  # first, for other tests' runs may still be asking
    for where in ("GET .*/datasets/", "POST .*/PipelineRuns/Unsubmitted", "GET .*/runs/"):
        well.command("fault", "status", "--where", where, "--value", "429", "--times", "2")
    well.command("fault", "drop", "--where", "api.azureml.ms", "--times", "4")
    done = submit(project, well, "--patience", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    assert well.answers().count(429) - before == 6


def test_a_service_that_stays_away_is_one_sentence(
    submitted: tuple[Path, Done], well: Loopback
) -> None:
    well.command(
        "fault", "status", "--where", "GET .*/datasets/", "--value", "503", "--times", "99"
    )
    done = submit(submitted[0], well, "--patience", "2")
    assert done.returncode == 1
    assert "Error: Looking for dataset 'own_apples' failed: " in done.stderr
    assert re.search(r"Trying again in \d+\s+s", done.stdout)
    assert "Traceback" not in done.stderr


def test_a_failed_sign_in_is_one_sentence(
    submitted: tuple[Path, Done], loopback: Loopback, tmp_path: Path
) -> None:
    project = shutil.copytree(submitted[0], tmp_path / "orchard")
    place = "workspace: {path: .azureml/loopback/config.json, auth: msi}\n"
    edit(project, "conf/base/azureml.yml", AZUREML + place)
    variables = {**loopback.variables, **loopback.environment()}
    variables["MSI_ENDPOINT"] = variables["MSI_ENDPOINT"].replace("/msi/", "/msi/not-")
    done = run(project, "-m", "kedro", "azureml", "submit", "--patience", "0", **variables)
    assert done.returncode == 1
    assert "Error: Opening workspace 'loopback'" in done.stderr
    assert "sign in again (az login), or see workspace.auth in azureml.yml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_compute_that_is_deleted_meanwhile_is_named(
    submitted: tuple[Path, Done], loopback: Loopback, workspace: Any, tmp_path: Path
) -> None:
    done = submit(submitted[0], loopback, "--no-wait", "--pipeline-parameter", "factor=77")
    workspace.compute_targets["own-cluster"].delete()
    loopback.command("clock", "advance", "60")
    pipeline_run = open_run(workspace, done)
    *_, last = follow(pipeline_run, (), Patience(0), every=0.5)
    (failed,) = last.failed
    assert failed.name.startswith("count")
    failure = failure_of(pipeline_run, failed, tmp_path, Patience(0))
    assert failure.error.startswith("There is no compute 'own-cluster'")


LAZY = """
def pick(apples, factor):
    import narwhals
    return narwhals.from_native(apples).to_native()
def name_them(picked, greeting):
    return [f"{greeting} {name}" for name in picked["name"]]
"""
READS_DATASETS = "azureml-core~=1.61.0, azureml-dataset-runtime~=1.61.0, kedro~=1.7.0"


def test_isolated_a_package_that_the_environment_lacks_is_named(tmp_path: Path) -> None:
    project = write_project(tmp_path / "orchard")
    edit(project, "src/orchard/harvest/nodes.py", LAZY)
    text = AZUREML.replace("[kedro,", f"[{READS_DATASETS},")
    edit(project, "conf/base/azureml.yml", text)
    service = Loopback(tmp_path / "isolated")
    arguments = ("--isolated", "--pipelines", "harvest")
    try:
        warned = submit(project, service, *arguments)
        assert warned.returncode == 1
        assert re.search(r"AML401 error step harvest.*imports narwhals", warned.stdout)
        done = submit(project, service, *arguments, "--ignore", "AML401")
    finally:
        service.command("stop")
    assert done.returncode == 1
    assert re.search(
        r"node 'pick\w*' failed: ModuleNotFoundError: No module named 'narwhals'", done.stdout
    )
