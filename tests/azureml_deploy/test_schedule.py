"""`kedro azureml schedule`: by the service's clock and by files that change."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from foreign_project import run, write_project
from loopback_service import Loopback
from submits import Done, step_output
from waiting import completed, eventually

from azureml_deploy.commands.schedule import _trigger
from azureml_deploy.errors import UsageError
from azureml_deploy.runs.schedules import (
    DatastoreChange,
    Recurrence,
    create_schedule,
    list_schedules,
    read_every,
    set_active,
)
from azureml_deploy.service_errors import Patience

ENDPOINT = "scheduled-picking"
NOTHING: dict[str, Any] = {
    "every": None, "time_of_day": None, "week_days": (), "start": None, "time_zone": None,
    "datastore": None, "path": None, "polling_minutes": 5,
}  # fmt: skip


def azureml(project: Path, loopback: Loopback, *arguments: str) -> Done:
    done = run(project, "-m", "kedro", "azureml", *arguments, "--loopback", **loopback.variables)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def project(loopback: Loopback, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = write_project(tmp_path_factory.mktemp("schedule") / "orchard")
    done = azureml(project, loopback, "publish", "--endpoint", ENDPOINT, "--pipelines", "harvest")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def runs_of(workspace: Any, name: str) -> list[Any]:
    from azureml.pipeline.core import Schedule

    (schedule,) = (s for s in Schedule.list(workspace, active_only=False) if s.name == name)
    return list(schedule.get_pipeline_runs())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 day", ("Day", 1)),
        ("day", ("Day", 1)),
        ("15 minutes", ("Minute", 15)),
        (" 2  Weeks", ("Week", 2)),
        ("12hours", ("Hour", 12)),
    ],
)
def test_times_are_read(text: str, found: tuple[str, int]) -> None:
    assert read_every(text) == found


@pytest.mark.parametrize(
    "text", ["", "daily", "0 days", "1", "-1 day", "1 day and a half", "1.5 days"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write a number and a unit"):
        read_every(text)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"every": "1 day", "time_of_day": "06:30"}, Recurrence("Day", 1, "06:30")),
        ({"datastore": "store", "path": "a"}, DatastoreChange("store", "a", 5)),
        ({}, "either --every TIME or when a --datastore changes"),
        ({"every": "day", "datastore": "store"}, "either --every TIME"),
        ({"datastore": "store", "time_of_day": "06:30"}, "go with --every"),
        ({"every": "day", "path": "a"}, "--path goes with --datastore"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], found: Any) -> None:
    if isinstance(found, str):
        with pytest.raises(UsageError, match=found):
            _trigger(**{**NOTHING, **options})
    else:
        assert _trigger(**{**NOTHING, **options}) == found


def create(workspace: Any, name: str, trigger: Any, **options: Any) -> Any:
    asked: dict[str, Any] = {
        "endpoint_name": ENDPOINT, "experiment_name": "scheduled", "parameters": {}, **options
    }  # fmt: skip
    return create_schedule(workspace, name, trigger, Patience(0), **asked)


def test_what_makes_no_sense_is_refused(project: Path, workspace: Any) -> None:
    create(workspace, "taken", Recurrence("Month", 1, start_time="2199-01-01T00:00:00"))
    for name, trigger, message in (
        ("taken", Recurrence("Day", 1), "There is a schedule 'taken' already"),
        ("new", Recurrence("Hour", 1, "06:30"), "Can only specify hours if frequency is Week or Day"),
        ("new", Recurrence("Day", 1, "26:30"), "Time of day hour value must be between 0 and 23"),
        ("new", Recurrence("Day", 1, time_zone="Middle Earth"), "the SDK knows no such zone"),
        ("new", DatastoreChange("workspaceblobstor"), "no datastore 'workspaceblobstor'; did you mean 'workspaceblobstore'?"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=re.escape(message)):
            create(workspace, name, trigger)
    with pytest.raises(UsageError, match="no pipeline endpoint 'nowhere'"):
        create(workspace, "new", Recurrence("Day", 1), endpoint_name="nowhere")
    with pytest.raises(UsageError, match=r"no schedule 'takn'; did you mean 'taken'\?"):
        set_active(workspace, "takn", Patience(0), active=False)
    assert "new" not in [
        each.name for each in list_schedules(workspace, Patience(0), active_only=False)
    ]


def test_by_the_clock_until_it_is_disabled(
    project: Path, loopback: Loopback, workspace: Any, tmp_path: Path
) -> None:
    daily = ("--every", "1 day", "--start", "2199-01-01T06:30:00", "--endpoint", ENDPOINT)
    parameters = ("--pipeline-parameter", "greeting=Scheduled", "--experiment", "scheduled")
    done = azureml(project, loopback, "schedule", "create", "daily", *daily, *parameters)
    assert done.returncode == 0, done.stderr
    says = f"Schedule daily runs endpoint {ENDPOINT} every day from 2199-01-01T06:30:00"
    assert says in done.stdout
    assert runs_of(workspace, "daily") == []
    hourly = create(workspace, "hourly", Recurrence("Hour", 1), parameters={"greeting": "Hi"})
    assert hourly.when == "every hour"
    (first,) = eventually(lambda: runs_of(workspace, "hourly"))
    loopback.command("clock", "advance", str(3700))
    eventually(lambda: len(runs_of(workspace, "hourly")) == 2)
    done = azureml(project, loopback, "schedule", "disable", "hourly")
    assert (done.returncode, done.stdout) == (0, "Schedule hourly is disabled\n")
    loopback.command("clock", "advance", str(3700))
    listed = azureml(project, loopback, "schedule", "list", "--json", "--all")
    found = {each["name"]: each for each in json.loads(listed.stdout)}
    assert (found["hourly"]["status"], found["daily"]["status"]) == ("Disabled", "Active")
    assert found["hourly"]["last_run"] in {r.id for r in runs_of(workspace, "hourly")} - {first.id}
    names = step_output(completed(first), "harvest", "fruit_names", tmp_path).read_text(
        encoding="utf-8"
    )
    assert names.splitlines()[0] == "Hi Boskoop"
    table = azureml(project, loopback, "schedule", "list").stdout
    assert "daily" in table
    assert "hourly" not in table
    assert len(runs_of(workspace, "hourly")) == 2
    set_active(workspace, "hourly", Patience(0), active=True)
    loopback.command("clock", "advance", str(3700))
    eventually(lambda: len(runs_of(workspace, "hourly")) == 3)
    set_active(workspace, "hourly", Patience(0), active=False)


def test_by_files_that_change(
    project: Path, loopback: Loopback, workspace: Any, tmp_path: Path
) -> None:
    datastore = workspace.get_default_datastore()

    def upload(name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        datastore.upload_files(
            [str(tmp_path / name)], target_path="watched", overwrite=True, show_progress=False
        )

    upload("apples.csv", "one")
    made = create(workspace, "watching", DatastoreChange(datastore.name, "watched"))
    assert made.when == f"when {datastore.name}/watched changes, looked at every 5 minutes"
    loopback.command("clock", "advance", "400")
    time.sleep(1.5)
    assert runs_of(workspace, "watching") == []
    upload("apples.csv", "two")
    loopback.command("clock", "advance", "400")
    eventually(lambda: runs_of(workspace, "watching"))
    set_active(workspace, "watching", Patience(0), active=False)
