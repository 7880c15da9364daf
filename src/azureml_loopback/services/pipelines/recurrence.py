"""When a schedule is due: a Recurrence of the wire as points in time.

Pure. Minutes and hours are counted in elapsed time, days and longer by the calendar of the
schedule's time zone, so that 9:00 stays 9:00 when the clocks change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.core import get_global
from dateutil import rrule, tz

from azureml_loopback.errors import BadRequest

ELAPSED: Mapping[str, timedelta] = {"Minute": timedelta(minutes=1), "Hour": timedelta(hours=1)}
CALENDAR: Mapping[str, int] = {"Day": rrule.DAILY, "Week": rrule.WEEKLY, "Month": rrule.MONTHLY}
WEEK_DAYS: Mapping[str, int] = {
    "Monday": 0,
    "Tuesday": 1,
    "Wednesday": 2,
    "Thursday": 3,
    "Friday": 4,
    "Saturday": 5,
    "Sunday": 6,
}


@dataclass(frozen=True)
class Recurrence:
    """A recurrence that makes sense.

    Attributes:
        frequency: A key of `ELAPSED` or `CALENDAR`.
        interval: Every so many.
        start: When it begins, in its time zone; it never fires earlier.
        hours: Of the day; none means the start's.
        minutes: Of those hours.
        week_days: 0 is Monday; none means the start's.
    """

    frequency: str
    interval: int
    start: datetime
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    week_days: tuple[int, ...] = ()

    @property
    def has_times(self) -> bool:
        """Say whether it names hours, minutes or days of its own."""
        return bool(self.hours or self.minutes or self.week_days)

    def next_due(self, after: datetime) -> datetime:
        """Return the first point in time that is later than ``after``, in UTC."""
        if self.frequency in ELAPSED:
            return self._after_elapsed(after)
        # a start that falls on one of its own times is not one of them, as in Azure
        after = max(after, self.start if self.has_times else after)
        rule = rrule.rrule(
            CALENDAR[self.frequency],
            dtstart=self.start.replace(tzinfo=None),
            interval=self.interval,
            byweekday=self.week_days or None,
            byhour=self.hours or None,
            byminute=self.minutes or None,
            bysecond=0 if self.has_times else None,
        )
        zone = self.start.tzinfo
        found = rule.after(after.astimezone(zone).replace(tzinfo=None))
        if found is None:
            raise BadRequest("Recurrence: it never comes due")
        # an hour that the clocks skip is the one after it
        due: datetime = tz.resolve_imaginary(found.replace(tzinfo=zone))
        return due.astimezone(timezone.utc)

    def _after_elapsed(self, after: datetime) -> datetime:
        start = self.start.astimezone(timezone.utc)
        step = self.interval * ELAPSED[self.frequency]
        return start if after < start else start + step * ((after - start) // step + 1)


def read_recurrence(wire: Mapping[str, Any], created: datetime) -> Recurrence:
    """Read a recurrence as it is sent.

    Args:
        wire: Frequency, Interval, StartTime, TimeZone and Schedule.
        created: When the schedule was made, from where it counts without a start time.

    Raises:
        BadRequest: It makes no sense; names the field.
    """
    frequency = _one_of("Frequency", wire.get("Frequency"), [*ELAPSED, *CALENDAR])
    interval = wire.get("Interval")
    if not isinstance(interval, int) or interval < 1:
        raise BadRequest(f"Recurrence.Interval: found {interval!r}, an integer from 1 is allowed")
    times = {key: value for key, value in (wire.get("Schedule") or {}).items() if value}
    refused = set(times) - {"Day": {"Hours", "Minutes"}, "Week": set(times)}.get(frequency, set())
    if refused:
        raise BadRequest(
            f"Recurrence.Schedule.{min(refused)} cannot be given with Frequency {frequency}"
        )
    at_times = "Hours" in times or "Minutes" in times
    return Recurrence(
        frequency,
        interval,
        _start(wire.get("StartTime"), created, _zone(wire.get("TimeZone"))),
        hours=_within("Hours", times.get("Hours", [0]), 23) if at_times else (),
        minutes=_within("Minutes", times.get("Minutes", [0]), 59) if at_times else (),
        week_days=tuple(
            WEEK_DAYS[_one_of("Schedule.WeekDays", day, WEEK_DAYS)]
            for day in times.get("WeekDays", [])
        ),
    )


def first_due(wire: Mapping[str, Any], created: datetime) -> datetime:
    """Return when a new schedule fires first: at once if it has no start time, as in Azure.

    Raises:
        BadRequest: The recurrence makes no sense; names the field.
    """
    following = read_recurrence(wire, created).next_due(created)
    return following if wire.get("StartTime") else created


def _start(text: str | None, created: datetime, zone: tzinfo) -> datetime:
    if not text:
        return created.astimezone(zone).replace(microsecond=0)
    try:
        start = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        raise BadRequest(
            f"Recurrence.StartTime: found '{text}', a time such as 2026-01-31T09:00:00 is allowed"
        ) from None
    return start.astimezone(zone) if start.tzinfo else start.replace(tzinfo=zone)


def _zone(name: str | None) -> tzinfo:
    """Return a time zone by Windows' name, which is Azure's, or by its own."""
    try:
        return ZoneInfo(get_global("windows_zone_mapping").get(name or "UTC", name or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        raise BadRequest(f"Recurrence.TimeZone: '{name}' is not known") from None


def _one_of(field: str, value: Any, allowed: Iterable[str]) -> str:
    names = list(allowed)
    if value not in names:
        raise BadRequest(f"Recurrence.{field}: found {value!r}, allowed: {', '.join(names)}")
    return str(value)


def _within(field: str, values: Sequence[Any], highest: int) -> tuple[int, ...]:
    wrong = [value for value in values if not isinstance(value, int) or not 0 <= value <= highest]
    if wrong:
        raise BadRequest(
            f"Recurrence.Schedule.{field}: found {wrong[0]!r}, 0 to {highest} is allowed"
        )
    return tuple(values)
