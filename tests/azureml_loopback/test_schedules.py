"""Schedules: when they are due, and that they fire by the service's clock and by changed blobs."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from azureml_loopback.errors import BadRequest
from azureml_loopback.execution.recurrence import first_due, read_recurrence

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
