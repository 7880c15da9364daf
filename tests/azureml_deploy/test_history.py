"""The runs that a workspace remembers: found, listed, described, compared, followed, cancelled."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from foreign_project import run as run_python
from loopback_service import Loopback
from submits import Done, Submitted, open_run, run_id, submit

from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.replay.fetched_snapshot import fetch_snapshot, read_files
from azureml_deploy.runs.assets import list_computes, list_datasets, list_models, step_uses
from azureml_deploy.runs.comparison import compare_files, compare_runs
from azureml_deploy.runs.detail import describe_run
from azureml_deploy.runs.history import find_run, list_runs
from azureml_deploy.runs.logs import follow_logs, main_log, read_logs
from azureml_deploy.runs.results import find_results
from azureml_deploy.service_errors import Patience

NO_PATIENCE = Patience(0)
TITANIC = "titanic_automl"


def kedro(project: Path, loopback: Loopback, *arguments: str) -> Done:
    command = ("-m", "kedro", "azureml", *arguments, "--loopback")
    return run_python(project, *command, **loopback.variables)


@pytest.fixture
def well(loopback: Loopback) -> Iterator[Loopback]:
    yield loopback
    loopback.command("fault", "clear")


def test_the_history_tells_of_each_run(titanic: Submitted, workspace: Any) -> None:
    runs = {run.run_id: run for run in list_runs(workspace, TITANIC, 50, NO_PATIENCE)}
    first, second = runs[run_id(titanic.first)], runs[run_id(titanic.second)]
    assert (first.status, len(first.steps), first.reused) == ("Completed", 4, 0)
    assert (second.status, len(second.steps), second.reused) == ("Completed", 4, 3)
    assert list(runs).index(second.run_id) < list(runs).index(first.run_id)
    assert first.best is not None
    assert first.best.name == "AUC_weighted"
    assert 0.8 < first.best.value < 0.9
    # what a reused step reached is what its first run did
    assert second.best == first.best
    assert first.ended is not None
    assert first.seconds(first.ended) == (first.ended - first.started).total_seconds()  # type: ignore[operator]
    (newest,) = list_runs(workspace, TITANIC, 1, NO_PATIENCE)
    assert newest.run_id == next(iter(runs))


def test_runs_as_json_are_nothing_else(titanic: Submitted, loopback: Loopback) -> None:
    done = kedro(titanic.project, loopback, "runs", "--json", "--last", "50")
    assert done.returncode == 0, done.stderr
    runs = {run["run_id"]: run for run in json.loads(done.stdout)}
    second = runs[run_id(titanic.second)]
    assert second["reused"] == ["data_prep", "train_model", "evaluation"]
    assert second["steps"]["register_model"] == "Completed"
    assert second["best_metric"].keys() == {"AUC_weighted"}
    table = kedro(titanic.project, loopback, "runs", "--last", "50").stdout
    (row,) = (line for line in table.splitlines() if run_id(titanic.second) in line)
    assert re.search(r"Completed .* 4 \(3 reused\) +AUC_weighted 0\.8\d+", row)


def test_a_run_is_found_by_id_beginning_and_latest(titanic: Submitted, workspace: Any) -> None:
    first = run_id(titanic.first)
    for text in (first, first[:13]):
        assert find_run(workspace, TITANIC, text, NO_PATIENCE).id == first
    assert find_run(workspace, "another", first, NO_PATIENCE).id == first
    (newest,) = list_runs(workspace, TITANIC, 1, NO_PATIENCE)
    assert find_run(workspace, TITANIC, "latest", NO_PATIENCE).id == newest.run_id


@pytest.mark.parametrize(
    ("experiment", "text", "message"),
    [
        (TITANIC, "nope", r"nope: no run of experiment 'titanic_automl' begins so \(the newest: "),
        (TITANIC, "0" * 36, "0{36}: there is no such run in workspace loopback"),
        (TITANIC, "", r": several runs begin so \(.*\); write more of the id"),
        ("titanic_autml", "latest", "no experiment .* yet; did you mean 'titanic_automl'"),
    ],
)
def test_an_unknown_run_is_one_sentence(
    titanic: Submitted, workspace: Any, experiment: str, text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        find_run(workspace, experiment, text, NO_PATIENCE)
    assert "\n" not in str(caught.value)


def test_a_steps_id_is_told_to_be_one(titanic: Submitted, workspace: Any) -> None:
    (step,) = open_run(workspace, titanic.first).find_step_run("evaluation")
    with pytest.raises(UsageError, match=rf"is step evaluation of run {run_id(titanic.first)}"):
        find_run(workspace, TITANIC, step.id, NO_PATIENCE)


def test_an_unknown_run_ends_the_command_with_2(titanic: Submitted, loopback: Loopback) -> None:
    done = kedro(titanic.project, loopback, "show", "nope")
    assert done.returncode == 2
    assert "Error: nope: no run of experiment" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_step_tells_what_it_read_wrote_logged_and_printed(
    titanic: Submitted, workspace: Any
) -> None:
    detail = describe_run(open_run(workspace, titanic.second), NO_PATIENCE)
    first = run_id(titanic.first)
    prepared, trained = detail.step("data_prep"), detail.step("train_model")
    assert detail.parameters == {"model_name": "TitanicSurvivalInitial"}
    assert prepared.inputs["titanic_ds"].endswith("(version 1)")
    assert prepared.outputs["titanic_train"].path.endswith("/titanic_train")
    assert prepared.source != prepared.state.run_id
    assert prepared.script is not None
    assert "pip: kedro~=1.7.0" in prepared.script.packages
    assert trained.settings["iterations"] == 2
    assert trained.script is None
    assert "AUC_weighted.value" in detail.step("evaluation").metrics
    assert "azureml-logs/70_driver_log.txt" in detail.step("register_model").logs
    with pytest.raises(UsageError, match=r"--step evaluaton: .*did you mean 'evaluation'\?"):
        detail.step("evaluaton")
    assert first != detail.state.run_id


def test_show_prints_it(titanic: Submitted, loopback: Loopback) -> None:
    done = kedro(titanic.project, loopback, "show", run_id(titanic.second))
    assert done.returncode == 0, done.stderr
    for part in (
        r"reused from run [0-9a-f-]{36}",
        r"read titanic_ds: dataset \S+ \(version 1\)",
        r"wrote best_model: workspaceblobstore:azureml/\S+/best_model",
        r"logged AUC_weighted\.value: 0\.8",
        r"Completed: 1 step ran, 3 reused",
    ):
        assert re.search(part, done.stdout), part


def test_two_runs_differ_in_what_was_edited(
    titanic: Submitted, workspace: Any, tmp_path: Path
) -> None:
    first, second = (open_run(workspace, done) for done in (titanic.first, titanic.second))
    details = [describe_run(run, NO_PATIENCE) for run in (first, second)]

    def snapshot(snapshot_id: str) -> dict[str, bytes]:
        return read_files(fetch_snapshot(first, snapshot_id, tmp_path, NO_PATIENCE))

    (found,) = compare_runs(details[0], details[1], snapshot)
    assert (found.kind, found.step) == ("snapshot", "register_model")
    assert found.name == "src/titanic_automl/pipelines/registration/nodes.py"
    assert found.other == "+2 -0 lines"
    assert not list(compare_runs(details[0], details[0], snapshot))


def test_settings_and_metrics_that_differ_are_named(
    titanic: Submitted, workspace: Any, loopback: Loopback
) -> None:
    training = ("--pipelines", "data_prep,training", "--params", "automl.iterations=1")
    done = submit(titanic.project, loopback, *training)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = kedro(titanic.project, loopback, "compare", run_id(titanic.second), run_id(done))
    assert shown.returncode == 0, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["setting", "train_model", "iterations", "2", "1"] in lines
    assert ["step", "evaluation", "there", "-"] in lines
    (metric,) = (line for line in lines if line[:3] == ["metric", "train_model", "AUC_weighted"])
    assert float(metric[3]) >= float(metric[4])
    assert ["snapshot", "train_model", "settings.json", "-", "+1", "-1", "lines"] in lines


def test_files_that_differ_are_counted_by_lines() -> None:
    one = {"same": b"x", "gone": b"x", "text": b"a\nb\n", "bytes": b"\xff"}
    other = {"same": b"x", "new": b"x", "text": b"a\nc\nd\n", "bytes": b"\xfe\xfe"}
    assert [str(change) for change in compare_files(one, other)] == [
        "bytes: 1 byte became 2 bytes",
        "gone: removed",
        "new: added",
        "text: +2 -1 lines",
    ]


def test_logs_are_the_steps_own(titanic: Submitted, workspace: Any, loopback: Loopback) -> None:
    run = open_run(workspace, titanic.first)
    parts = {part.step: part.text for part in read_logs(run, None, NO_PATIENCE)}
    assert list(parts) == ["data_prep", "train_model", "evaluation", "register_model"]
    assert "Registered version 1 of model TitanicSurvivalInitial" in parts["register_model"]
    (followed,) = follow_logs(run, "register_model", NO_PATIENCE)
    assert followed.text == parts["register_model"]
    with pytest.raises(UsageError, match=r"--step registr: .* has no such step that has begun"):
        list(read_logs(run, "registr", NO_PATIENCE))
    done = kedro(titanic.project, loopback, "logs", run.id, "--step", "register_model")
    assert done.stdout.strip() == parts["register_model"].strip()


def test_the_log_that_a_script_writes_is_the_main_one() -> None:
    names = ["azureml-logs/70_driver_log_1.txt", "azureml-logs/70_driver_log_0.txt", "logs/x.txt"]
    assert main_log(names) == "azureml-logs/70_driver_log_0.txt"
    assert main_log([*names, "user_logs/std_log.txt"]) == "user_logs/std_log.txt"
    assert main_log(["logs/x.txt"]) is None


def test_who_made_and_who_read(titanic: Submitted, workspace: Any, loopback: Loopback) -> None:
    uses = step_uses(workspace, TITANIC, 50, NO_PATIENCE)
    first, second = run_id(titanic.first)[:8], run_id(titanic.second)[:8]
    datasets = {asset.name: asset for asset in list_datasets(workspace, uses, NO_PATIENCE)}
    assert datasets["titanic_ds"].version == "1"
    assert datasets["titanic_ds"].made_by == "files registered by submit"
    assert f"data_prep of run {first}" in datasets["titanic_ds"].read_by
    models = {
        asset.version: asset
        for asset in list_models(workspace, uses, NO_PATIENCE)
        if asset.name == "TitanicSurvivalInitial"
    }
    assert models["1"].made_by == f"register_model of run {first}"
    # the second registration judged the first's model
    assert f"register_model of run {second}" in models["1"].read_by
    assert float(models["1"].tags["AUC_weighted"]) > 0.8
    computes = {asset.name: asset for asset in list_computes(workspace, uses, NO_PATIENCE)}
    assert "STANDARD_D2_V2, 0 to 1 nodes" in computes["cpu-cluster"].detail
    assert f"evaluation of run {first}" in computes["cpu-cluster"].read_by
    assert step_uses(workspace, "never-submitted", 5, NO_PATIENCE) == ()
    done = kedro(titanic.project, loopback, "models", "--json")
    assert {"1", "2"} <= {model["version"] for model in json.loads(done.stdout)}


def test_a_running_run_is_followed_and_cancelled(
    titanic: Submitted, workspace: Any, loopback: Loopback
) -> None:
    done = submit(titanic.project, loopback, "--params", "automl.iterations=40", "--no-wait")
    run = open_run(workspace, done)
    texts: list[str] = []

    def follow() -> None:
        quick = Patience(0, sleep=lambda _: time.sleep(0.2))
        texts.extend(part.text for part in follow_logs(run, "train_model", quick))

    follower = threading.Thread(target=follow)
    follower.start()
    deadline = time.monotonic() + 90
    while "iteration" not in "".join(texts) and time.monotonic() < deadline:
        time.sleep(0.2)
    detail = describe_run(run, NO_PATIENCE)
    assert detail.step("train_model").state.status == "Running"
    with pytest.raises(UsageError, match=f"Run {run.id} is still Running, and has no results yet"):
        find_results(run, NO_PATIENCE)
    cancelled = kedro(titanic.project, loopback, "cancel", run.id)
    assert cancelled.returncode == 0
    assert f"Run {run.id} is being cancelled." in cancelled.stdout
    follower.join(60)
    assert not follower.is_alive()
    assert len(texts) > 1
    with pytest.raises(UsageError, match=f"Run {run.id} is Canceled"):
        find_results(run, NO_PATIENCE)
    again = kedro(titanic.project, loopback, "cancel", run.id)
    assert f"Run {run.id} has ended already: Canceled" in again.stdout


def test_a_failed_run_says_which_step(titanic: Submitted, workspace: Any, well: Loopback) -> None:
    well.command("fault", "fail_step", "--where", "train_model")
    done = submit(titanic.project, well, "--params", "automl.iterations=5")
    assert done.returncode == 1
    failed = kedro(titanic.project, well, "results", run_id(done))
    assert failed.returncode == 2
    assert f"Run {run_id(done)} is Failed: step train_model failed." in failed.stderr
    shown = kedro(titanic.project, well, "show", run_id(done))
    assert shown.returncode == 1
    assert "Step train_model failed:" in shown.stdout


def test_a_service_that_is_away_is_one_sentence(
    titanic: Submitted, workspace: Any, well: Loopback
) -> None:
    where = f"GET .*/runs/{run_id(titanic.first)}/children"
    well.command("fault", "status", "--where", where, "--value", "403", "--times", "99")
    with pytest.raises(ServiceError, match=r"failed: .*403.*; ask the workspace's owner"):
        list(list_runs(workspace, TITANIC, 50, NO_PATIENCE))
