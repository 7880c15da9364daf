"""``kedro azureml schedule``: create, list, enable and disable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from azureml_deploy.commands.opened import Opened, with_workspace
from azureml_deploy.errors import UsageError
from azureml_deploy.render.history import plain_table
from azureml_deploy.render.run import status_text
from azureml_deploy.runs.publishing import assignments
from azureml_deploy.runs.schedules import (
    DEFAULT_POLLING,
    WEEK_DAYS,
    DatastoreChange,
    Recurrence,
    ScheduleSummary,
    create_schedule,
    list_schedules,
    read_every,
    set_active,
)


@click.group()
def schedule() -> None:
    """Run a published pipeline by the clock, or when files change."""


@schedule.command()
@click.argument("name")
@click.option("--endpoint", metavar="E", help="By default azureml.yml's experiment_name.")
@click.option("--every", metavar="TIME", help="Such as '15 minutes', '1 day' or '2 weeks'.")
@click.option("--at", "time_of_day", metavar="HH:MM", help="With days and weeks.")
@click.option(
    "--on", "week_days", type=click.Choice(WEEK_DAYS, case_sensitive=False), multiple=True
)
@click.option("--start", metavar="YYYY-MM-DDTHH:MM:SS", help="By default it first runs at once.")
@click.option("--time-zone", metavar="ZONE", help="Of --start; by default UTC.")
@click.option("--datastore", metavar="D", help="Instead of --every: run when its files change.")
@click.option("--path", metavar="FOLDER", help="Which folder of the datastore.")
@click.option("--polling-minutes", default=DEFAULT_POLLING, show_default=True)
@click.option("--experiment", metavar="E", help="By default azureml.yml's experiment_name.")
@click.option("--pipeline-parameter", "parameters", metavar="NAME=VALUE", multiple=True)
@click.option("--description", help="For people.")
@with_workspace
def create(
    opened: Opened,
    /,
    *,
    name: str,
    endpoint: str | None,
    experiment: str | None,
    parameters: Sequence[str],
    description: str | None,
    **trigger: Any,
) -> None:
    """Create schedule NAME, which runs the default version of a pipeline endpoint."""
    made = create_schedule(
        opened.workspace,
        name,
        _trigger(**trigger),
        opened.patience,
        endpoint_name=endpoint or opened.config.experiment_name,
        experiment_name=experiment or opened.config.experiment_name,
        parameters=assignments(parameters),
        description=description,
    )
    opened.console.print(
        f"Schedule {made.name} runs {made.runs} {made.when}", highlight=False, soft_wrap=True
    )


@schedule.command("list")
@click.option("--all", "everything", is_flag=True, help="The disabled ones too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
@with_workspace
def list_all(opened: Opened, /, *, everything: bool, as_json: bool) -> None:
    """List the schedules, and the last run of each."""
    found = list_schedules(opened.workspace, opened.patience, active_only=not everything)
    if as_json:
        opened.write(json.dumps([asdict(each) for each in found], indent=2))
    else:
        _print(found, opened.console)


@schedule.command()
@click.argument("name")
@with_workspace
def enable(opened: Opened, /, *, name: str) -> None:
    """Let schedule NAME run again."""
    set_active(opened.workspace, name, opened.patience, active=True)
    opened.console.print(f"Schedule {name} is active", highlight=False)


@schedule.command()
@click.argument("name")
@with_workspace
def disable(opened: Opened, /, *, name: str) -> None:
    """Let schedule NAME run no more, until it is enabled."""
    set_active(opened.workspace, name, opened.patience, active=False)
    opened.console.print(f"Schedule {name} is disabled", highlight=False)


def _trigger(
    *,
    every: str | None,
    time_of_day: str | None,
    week_days: Sequence[str],
    start: str | None,
    time_zone: str | None,
    datastore: str | None,
    path: str | None,
    polling_minutes: int,
) -> Recurrence | DatastoreChange:
    if bool(every) == bool(datastore):
        raise UsageError("A schedule runs either --every TIME or when a --datastore changes")
    if datastore:
        if time_of_day or week_days or start or time_zone:
            raise UsageError("--at, --on, --start and --time-zone go with --every")
        return DatastoreChange(datastore, path, polling_minutes)
    if path:
        raise UsageError("--path goes with --datastore")
    frequency, interval = read_every(str(every))
    return Recurrence(frequency, interval, time_of_day, tuple(week_days), start, time_zone)


def _print(found: Iterable[ScheduleSummary], console: Console) -> None:
    table = plain_table(console, "Schedule", "State", "Runs", "When", "Last run", "It is")
    for each in found:
        table.add_row(
            each.name,
            each.status,
            each.runs,
            each.when,
            each.last_run or "",
            status_text(each.last_status) if each.last_status else "",
        )
    console.print(table)
