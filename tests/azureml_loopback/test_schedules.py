"""Schedules: when they are due, and that they fire by the service's clock and by changed blobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from pipeline_samples import Bench, printed, wait

from azureml_loopback.errors import BadRequest
from azureml_loopback.services.pipelines.recurrence import first_due, read_recurrence

CREATED = datetime(2026, 3, 7, 12, 0, 5, tzinfo=timezone.utc)  # a Saturday


def firings(recurrence: dict[str, Any], count: int = 3) -> list[str]:
    times = [first_due(recurrence, CREATED)]
    while len(times) < count:
        times.append(read_recurrence(recurrence, CREATED).next_due(times[-1]))
    return [f"{time:%a %m-%d %H:%M}" for time in times]


PACIFIC = "Pacific Standard Time"
MONDAYS = {"Hours": [18], "Minutes": [30], "WeekDays": ["Monday", "Wednesday"]}


@pytest.mark.parametrize(
    ("recurrence", "expected"),
    [
        # without a start it fires at once
        (
            {"Frequency": "Minute", "Interval": 15},
            ["Sat 03-07 12:00", "Sat 03-07 12:15", "Sat 03-07 12:30"],
        ),
        # a start in the past sets the pace only
        (
            {"Frequency": "Hour", "Interval": 1, "StartTime": "2020-01-13T12:55:00"},
            ["Sat 03-07 12:55", "Sat 03-07 13:55", "Sat 03-07 14:55"],
        ),
        (
            {"Frequency": "Hour", "Interval": 6, "StartTime": "2026-03-10T15:30:00"},
            ["Tue 03-10 15:30", "Tue 03-10 21:30", "Wed 03-11 03:30"],
        ),
        # 9:00 in Los Angeles is 17:00 UTC in winter and 16:00 in summer
        (
            {
                "Frequency": "Day",
                "Interval": 1,
                "StartTime": "2026-03-07T09:00:00",
                "TimeZone": PACIFIC,
            },
            ["Sat 03-07 17:00", "Sun 03-08 16:00", "Mon 03-09 16:00"],
        ),
        # 2:30 does not exist on the day when the clocks change
        (
            {
                "Frequency": "Day",
                "Interval": 1,
                "StartTime": "2026-03-07T02:30:00",
                "TimeZone": PACIFIC,
            },
            ["Sun 03-08 10:30", "Mon 03-09 09:30", "Tue 03-10 09:30"],
        ),
        (
            {"Frequency": "Week", "Interval": 1, "Schedule": MONDAYS},
            ["Sat 03-07 12:00", "Mon 03-09 18:30", "Wed 03-11 18:30"],
        ),
        # a start that is one of its own times is not a firing
        (
            {
                "Frequency": "Day",
                "Interval": 1,
                "StartTime": "2026-03-10T15:30:00",
                "Schedule": {"Hours": [15], "Minutes": [30]},
            },
            ["Wed 03-11 15:30", "Thu 03-12 15:30", "Fri 03-13 15:30"],
        ),
        (
            {"Frequency": "Day", "Interval": 1, "Schedule": {"Hours": [10, 12]}},
            ["Sat 03-07 12:00", "Sun 03-08 10:00", "Sun 03-08 12:00"],
        ),
        (
            {"Frequency": "Month", "Interval": 1, "StartTime": "2026-01-01T09:00:00"},
            ["Wed 04-01 09:00", "Fri 05-01 09:00", "Mon 06-01 09:00"],
        ),
    ],
)
def test_when_a_recurrence_is_due(recurrence: dict[str, Any], expected: list[str]) -> None:
    assert firings(recurrence) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Frequency": "Year"}, "Frequency: found 'Year', allowed: Minute, Hour, Day, Week, Month"),
        ({"Interval": 0}, "Interval: found 0"),
        ({"StartTime": "soon"}, "StartTime: found 'soon'"),
        ({"TimeZone": "Nowhere"}, "TimeZone: 'Nowhere' is not known"),
        ({"Schedule": {"Hours": [24]}}, "Hours: found 24, 0 to 23"),
        ({"Schedule": {"WeekDays": ["Monday"]}}, "WeekDays cannot be given with Frequency Day"),
    ],
)
def test_a_recurrence_that_makes_no_sense(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=f"^Recurrence.*{message}"):
        first_due({"Frequency": "Day", "Interval": 1, **change}, CREATED)


def test_a_start_long_ago_costs_nothing() -> None:
    recurrence = {"Frequency": "Minute", "Interval": 1, "StartTime": "1990-01-01T00:00:30"}
    assert firings(recurrence, 2) == ["Sat 03-07 12:00", "Sat 03-07 12:01"]


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A place for a test's steps; the schedules that it leaves are disabled."""
    from azureml.pipeline.core import Schedule

    bench = Bench(workspace, tmp_path, request.node.originalname)
    bench.cluster("cpu", 4)
    yield bench
    for schedule in Schedule.list(workspace):
        schedule.disable()


@pytest.fixture
def published(bench: Bench) -> Any:
    """One step that prints the pipeline parameter ``word``."""
    from azureml.pipeline.core import Pipeline, PipelineParameter

    word = PipelineParameter("word", default_value="default")
    code = "import sys; print('said', sys.argv[1:])"
    step = bench.step("say", code, arguments=[word])
    return Pipeline(bench.workspace, [step]).publish(name="Say", description="says a word")


def later(loopback: Any, **hours_or_minutes: float) -> None:
    seconds = 60 * hours_or_minutes.get("minutes", 0) + 3600 * hours_or_minutes.get("hours", 0)
    assert loopback.control("POST", "clock", {"seconds": seconds}).status_code == 200


def runs(schedule: Any, count: int) -> list[Any]:
    """Wait until a schedule has triggered so many runs and these have ended."""
    deadline = time.monotonic() + 20
    while len(found := schedule.get_pipeline_runs()) < count:
        assert time.monotonic() < deadline, f"{len(found)} runs after 20 s, {count} expected"
        time.sleep(0.1)
    assert len(found) == count
    for run in found:
        assert wait(run) == "Finished"
    return list(found)


def not_yet(schedule: Any, count: int) -> None:
    """Give a schedule time enough to fire, and see that it did not."""
    time.sleep(1.2)
    assert len(schedule.get_pipeline_runs()) == count


def create(bench: Bench, published: Any, **options: Any) -> Any:
    from azureml.pipeline.core import Schedule

    return Schedule.create(
        bench.workspace,
        name=bench.experiment,
        pipeline_id=published.id,
        experiment_name=bench.experiment,
        wait_for_provisioning=True,
        **options,
    )


def now(loopback: Any) -> str:
    """Return the service's time, as a start that only sets the pace."""
    time_ = datetime.fromisoformat(loopback.control("GET", "health").json()["time"])
    return time_.replace(microsecond=0, tzinfo=None).isoformat()


def test_a_recurrence_fires_by_the_services_clock(
    bench: Bench, published: Any, loopback: Any
) -> None:
    from azureml.pipeline.core import Schedule, ScheduleRecurrence

    recurrence = ScheduleRecurrence(frequency="Hour", interval=2, start_time=now(loopback))
    schedule = create(
        bench, published, recurrence=recurrence, pipeline_parameters={"word": "on time"}
    )
    assert schedule.get_last_pipeline_run() is None
    not_yet(schedule, 0)
    later(loopback, hours=2)
    (first,) = runs(schedule, 1)
    assert "said ['on time']" in printed(first, "say")
    later(loopback, hours=1)
    not_yet(schedule, 1)
    later(loopback, hours=1)
    runs(schedule, 2)
    assert schedule.get_last_pipeline_run().id == schedule.get_pipeline_runs()[-1].id
    found = Schedule.get(bench.workspace, schedule.id)
    assert (found.recurrence.frequency, found.recurrence.interval) == ("Hour", 2)


def test_without_a_start_it_fires_at_once_and_what_was_missed_is_not_made_up(
    bench: Bench, published: Any, loopback: Any
) -> None:
    from azureml.pipeline.core import ScheduleRecurrence

    schedule = create(bench, published, recurrence=ScheduleRecurrence("Minute", 15))
    runs(schedule, 1)
    later(loopback, hours=10)
    runs(schedule, 2)
    not_yet(schedule, 2)


def test_a_schedule_is_disabled_enabled_and_changed(
    bench: Bench, published: Any, loopback: Any
) -> None:
    from azureml.pipeline.core import Schedule, ScheduleRecurrence

    recurrence = ScheduleRecurrence("Hour", 1, start_time=now(loopback))
    schedule = create(bench, published, recurrence=recurrence, description="before")
    schedule.disable(wait_for_provisioning=True)
    assert Schedule.get(bench.workspace, schedule.id).status == "Disabled"
    assert schedule.id not in [other.id for other in Schedule.list(bench.workspace)]
    later(loopback, hours=5)
    not_yet(schedule, 0)
    schedule.enable(wait_for_provisioning=True)
    not_yet(schedule, 0)
    schedule.update(
        name="after",
        description="changed",
        recurrence=ScheduleRecurrence("Minute", 30, start_time=now(loopback)),
        pipeline_parameters={"word": "changed"},
    )
    found = Schedule.get(bench.workspace, schedule.id)
    assert (found.name, found.description, found.status) == ("after", "changed", "Active")
    later(loopback, minutes=30)
    (run,) = runs(schedule, 1)
    assert "said ['changed']" in printed(run, "say")
    assert [s.id for s in Schedule.list(bench.workspace, pipeline_id=published.id)] == [schedule.id]


def test_a_changed_blob_runs_the_pipeline_with_its_path(bench: Bench, loopback: Any) -> None:
    from azureml.data.datapath import DataPath, DataPathComputeBinding
    from azureml.pipeline.core import Pipeline, PipelineParameter

    def upload(name: str, text: str) -> None:
        (bench.folder / "upload").mkdir(exist_ok=True)
        (bench.folder / "upload" / Path(name).name).write_text(text)
        file = [str(bench.folder / "upload" / Path(name).name)]
        target = f"{bench.experiment}/{Path(name).parent}".removesuffix("/.")
        store.upload_files(file, target_path=target, overwrite=True, show_progress=False)

    store = bench.datastore
    upload("first.txt", "there before")
    default = DataPath(store, f"{bench.experiment}/first.txt")
    given = (PipelineParameter("file", default_value=default), DataPathComputeBinding(mode="mount"))
    code = "import sys, pathlib; print(pathlib.Path(sys.argv[1]).read_text())"
    step = bench.step("read", code, arguments=[given], inputs=[given])
    published = Pipeline(bench.workspace, [step]).publish(name="Read", description="reads a file")
    schedule = create(
        bench,
        published,
        datastore=store,
        path_on_datastore=bench.experiment,
        data_path_parameter_name="file",
        polling_interval=5,
    )
    assert (schedule.datastore_name, schedule.polling_interval) == (store.name, 5)
    later(loopback, minutes=5)
    not_yet(schedule, 0)
    upload("second.txt", "new one")
    upload("below/third.txt", "in a folder below, which is not watched")
    not_yet(schedule, 0)
    later(loopback, minutes=5)
    (run,) = runs(schedule, 1)
    assert "new one" in printed(run, "read")
    upload("first.txt", "changed one")
    later(loopback, minutes=5)
    (_, run) = runs(schedule, 2)
    assert "changed one" in printed(run, "read")


def test_an_endpoints_schedule_runs_its_default_version(
    bench: Bench, published: Any, loopback: Any
) -> None:
    from azureml.pipeline.core import PipelineEndpoint, Schedule, ScheduleRecurrence

    endpoint = PipelineEndpoint.publish(
        bench.workspace, name="Scheduled", description="", pipeline=published
    )
    schedule = Schedule.create_for_pipeline_endpoint(
        bench.workspace,
        name="by endpoint",
        pipeline_endpoint_id=endpoint.id,
        experiment_name=bench.experiment,
        recurrence=ScheduleRecurrence("Day", 1),
    )
    runs(schedule, 1)
    found = Schedule.list(bench.workspace, pipeline_endpoint_id=endpoint.id)
    assert [other.id for other in found] == [schedule.id]


def test_a_schedule_of_a_disabled_pipeline_waits(
    bench: Bench, published: Any, loopback: Any
) -> None:
    from azureml.pipeline.core import ScheduleRecurrence

    recurrence = ScheduleRecurrence("Hour", 1, start_time=now(loopback))
    schedule = create(bench, published, recurrence=recurrence)
    published.disable()
    later(loopback, hours=1)
    not_yet(schedule, 0)
    published.enable()
    not_yet(schedule, 0)
    later(loopback, hours=1)
    runs(schedule, 1)


def test_a_recurrence_that_cannot_be_is_refused_by_the_service(
    published: Any, bench: Bench, loopback: Any
) -> None:
    url = published.endpoint.replace(
        f"PipelineRuns/PipelineSubmit/{published.id}", "Schedules/Create"
    )
    body = {
        "Name": "x",
        "PipelineId": published.id,
        "ScheduleType": "Recurrence",
        "Recurrence": {"Frequency": "Day", "Interval": 0},
        "PipelineSubmissionInfo": {"ExperimentName": "x"},
    }
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:
        answer = client.post(url, json=body)
    assert answer.status_code == 400
    assert "Recurrence.Interval: found 0" in answer.json()["error"]["message"]


def test_a_value_that_azure_would_work_out_is_refused(
    bench: Bench, published: Any, loopback: Any
) -> None:
    from azureml.pipeline.core import ScheduleRecurrence

    pace = ScheduleRecurrence("Hour", 1, start_time=now(loopback))
    day = {"word": "@formatDateTime(subtractFromTime(utcNow(),1,'Day'),'yyyy-MM-dd')"}
    with pytest.raises(Exception, match=r"Pipeline parameter 'word': expressions such as '@format"):
        create(bench, published, recurrence=pace, pipeline_parameters=day)
    schedule = create(bench, published, recurrence=pace, pipeline_parameters={"word": "@home(1)"})
    with pytest.raises(Exception, match=r"'@trigger\(\).startTime' are not implemented"):
        schedule.update(pipeline_parameters={"word": "@trigger().startTime"})
    with pytest.raises(Exception, match=r"'@utcNow\(\)' are not implemented"):
        published.submit(
            bench.workspace, bench.experiment, pipeline_parameters={"word": "@utcNow()"}
        )
    run = published.submit(bench.workspace, bench.experiment, pipeline_parameters={"word": "@me"})
    assert wait(run) == "Finished"
    assert "said ['@me']" in printed(run, "say")
