"""Schedules: when a pipeline endpoint runs by itself, by the clock or by a change of files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azureml_deploy.errors import UsageError
from azureml_deploy.runs.publishing import find_endpoint
from azureml_deploy.service_errors import Patience
from local_automl.settings import did_you_mean

FREQUENCIES = ("Minute", "Hour", "Day", "Week", "Month")
WEEK_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DEFAULT_POLLING = 5
"""Minutes between two looks at a datastore, as `Schedule.create` has it."""


@dataclass(frozen=True)
class Recurrence:
    """By the clock: the arguments of `ScheduleRecurrence`.

    Attributes:
        frequency: Unit of the interval.
        interval: How many of them.
        time_of_day: ``hh:mm``, for days and weeks.
        week_days: For weeks.
        start_time: ``YYYY-MM-DDThh:mm:ss``; without one it first runs at once.
        time_zone: A member of the SDK's `TimeZone`, by its name or its value.
    """

    frequency: str
    interval: int
    time_of_day: str | None = None
    week_days: tuple[str, ...] = ()
    start_time: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True)
class DatastoreChange:
    """By files that are added to a folder of a datastore or changed in it, not below it."""

    datastore: str
    path: str | None = None
    polling_interval: int = DEFAULT_POLLING


@dataclass(frozen=True)
class ScheduleSummary:
    """A schedule, as a list shows it."""

    name: str
    schedule_id: str
    status: str
    runs: str
    when: str
    last_run: str | None
    last_status: str | None


def read_every(text: str) -> tuple[str, int]:
    """Read ``1 day``, ``12 hours`` or ``week`` as frequency and interval.

    Raises:
        UsageError: It is something else.
    """
    match = re.fullmatch(r"(?:(\d+)\s*)?([A-Za-z]+?)s?", text.strip())
    frequency = match[2].capitalize() if match else ""
    interval = int(match[1] or 1) if match else 0
    if frequency not in FREQUENCIES or interval < 1:
        units = ", ".join(unit.lower() for unit in FREQUENCIES)
        raise UsageError(f"--every {text}: write a number and a unit, such as '1 day' ({units})")
    return frequency, interval


def create_schedule(
    workspace: Any,
    name: str,
    trigger: Recurrence | DatastoreChange,
    patience: Patience,
    *,
    endpoint_name: str,
    experiment_name: str,
    parameters: Mapping[str, str],
    description: str | None = None,
) -> ScheduleSummary:
    """Create a schedule that runs an endpoint's default version.

    Args:
        workspace: Where.
        name: Its name; no other schedule may have it.
        trigger: When it runs.
        patience: With the service.
        endpoint_name: The pipeline endpoint that it runs.
        experiment_name: What its runs belong to.
        parameters: Values of pipeline parameters.
        description: For people.

    Raises:
        UsageError: The name is taken, there is no such endpoint or datastore, or the times make no
            sense.
        ServiceError: The service failed.
    """
    from azureml.pipeline.core import Schedule  # noqa: PLC0415

    endpoint = find_endpoint(workspace, endpoint_name, patience)
    if name in _schedules(workspace, patience):
        raise UsageError(
            f"There is a schedule '{name}' already; choose another name, or disable that one"
        )
    made = patience.ask(
        f"Creating schedule '{name}'",
        Schedule.create_for_pipeline_endpoint,
        workspace,
        name,
        endpoint.id,
        experiment_name,
        description=description,
        pipeline_parameters=dict(parameters) or None,
        repeatable=False,
        **_arguments(workspace, trigger, patience),
    )
    return _summary(made, {endpoint.id: endpoint.name}, patience)


def list_schedules(
    workspace: Any, patience: Patience, *, active_only: bool
) -> tuple[ScheduleSummary, ...]:
    """Return the workspace's schedules, by name.

    Raises:
        ServiceError: The service failed.
    """
    from azureml.pipeline.core import PipelineEndpoint  # noqa: PLC0415

    listed = patience.ask(
        "Listing pipeline endpoints", PipelineEndpoint.list, workspace, active_only=False
    )
    names = {endpoint.id: endpoint.name for endpoint in listed}
    found = _schedules(workspace, patience)
    return tuple(
        _summary(schedule, names, patience)
        for _, schedule in sorted(found.items())
        if schedule.status == "Active" or not active_only
    )


def set_active(workspace: Any, name: str, patience: Patience, *, active: bool) -> None:
    """Enable or disable a schedule.

    Raises:
        UsageError: There is no such schedule.
        ServiceError: The service failed.
    """
    found = _schedules(workspace, patience)
    if name not in found:
        raise UsageError(
            f"Workspace {workspace.name} has no schedule '{name}'{did_you_mean(name, found)} "
            f"(it has: {', '.join(sorted(found)) or 'none'})"
        )
    change = found[name].enable if active else found[name].disable
    patience.ask(f"{'Enabling' if active else 'Disabling'} schedule '{name}'", change)


def _schedules(workspace: Any, patience: Patience) -> dict[str, Any]:
    """Return the schedules by name; of several with one name, which others may make, the newest."""
    from azureml.pipeline.core import Schedule  # noqa: PLC0415

    listed = patience.ask("Listing schedules", Schedule.list, workspace, active_only=False)
    return {schedule.name: schedule for schedule in reversed(listed)}


def _arguments(
    workspace: Any, trigger: Recurrence | DatastoreChange, patience: Patience
) -> dict[str, Any]:
    """Return the trigger as arguments of `Schedule.create_for_pipeline_endpoint`."""
    if isinstance(trigger, DatastoreChange):
        return {
            "datastore": _datastore(workspace, trigger.datastore, patience),
            "path_on_datastore": trigger.path,
            "polling_interval": trigger.polling_interval,
        }
    from azureml.pipeline.core import ScheduleRecurrence  # noqa: PLC0415

    try:
        recurrence = ScheduleRecurrence(
            trigger.frequency,
            trigger.interval,
            start_time=trigger.start_time,
            time_zone=_time_zone(trigger.time_zone),
            week_days=list(trigger.week_days) or None,
            time_of_day=trigger.time_of_day,
        )
        recurrence.validate()
    except ValueError as error:
        raise UsageError(f"The schedule's times make no sense: {error}") from None
    return {"recurrence": recurrence}


def _time_zone(text: str | None) -> Any:
    from azureml.pipeline.core import TimeZone  # noqa: PLC0415

    if text is None:
        return None
    for zone in TimeZone:
        if text in {zone.name, zone.value}:
            return zone
    names = [zone.value for zone in TimeZone]
    raise UsageError(
        f"--time-zone {text}: the SDK knows no such zone{did_you_mean(text, names)}; they are "
        "Windows' names, such as 'UTC' or 'W. Europe Standard Time'"
    )


def _datastore(workspace: Any, name: str, patience: Patience) -> Any:
    datastores = patience.ask("Listing datastores", lambda: workspace.datastores)
    if name not in datastores:
        raise UsageError(
            f"Workspace {workspace.name} has no datastore '{name}'{did_you_mean(name, datastores)} "
            f"(it has: {', '.join(sorted(datastores))})"
        )
    found = datastores[name]
    if found.datastore_type != "AzureBlob":
        raise UsageError(
            f"Datastore '{name}' is of type {found.datastore_type}; Azure ML watches AzureBlob only"
        )
    return found


def _summary(schedule: Any, endpoints: Mapping[str, str], patience: Patience) -> ScheduleSummary:
    last = patience.ask(
        f"Asking for the last run of schedule '{schedule.name}'", schedule.get_last_pipeline_run
    )
    endpoint = endpoints.get(schedule.pipeline_endpoint_id)
    return ScheduleSummary(
        name=schedule.name,
        schedule_id=schedule.id,
        status=schedule.status,
        runs=f"endpoint {endpoint}" if endpoint else f"pipeline {schedule.pipeline_id}",
        when=_when(schedule),
        last_run=last.id if last else None,
        last_status=patience.ask("Asking for its state", last.get_status) if last else None,
    )


def _when(schedule: Any) -> str:
    recurrence = schedule.recurrence
    if recurrence is None:
        place = "/".join(filter(None, (schedule.datastore_name, schedule.path_on_datastore)))
        return f"when {place} changes, looked at every {schedule.polling_interval} minutes"
    unit = f"{recurrence.interval} {recurrence.frequency.lower()}s"
    parts = [f"every {recurrence.frequency.lower() if recurrence.interval == 1 else unit}"]
    if recurrence.week_days:
        parts.append(f"on {', '.join(recurrence.week_days)}")
    if recurrence.hours is not None:
        minutes = recurrence.minutes or [0]
        times = [f"{hour:02}:{minute:02}" for hour in recurrence.hours for minute in minutes]
        parts.append(f"at {', '.join(times)}")
    if recurrence.start_time:
        parts.append(f"from {recurrence.start_time}")
    return " ".join(parts)
