"""``kedro azureml compare``."""

from __future__ import annotations

import click

from azureml_deploy.commands.opened import Opened, with_workspace
from azureml_deploy.render.history import print_differences
from azureml_deploy.replay.fetched_snapshot import fetch_snapshot, read_files
from azureml_deploy.runs.comparison import Files, compare_runs
from azureml_deploy.runs.detail import describe_run
from azureml_deploy.runs.downloads import CACHE


@click.command()
@click.argument("one", metavar="RUN")
@click.argument("other", metavar="RUN")
@with_workspace
def compare(opened: Opened, /, *, one: str, other: str) -> None:
    """Print in what two RUNs differ: settings, snapshots, metrics."""
    first, second = opened.run(one), opened.run(other)
    before, after = (describe_run(run, opened.patience) for run in (first, second))

    def snapshot(snapshot_id: str) -> Files:
        cache = opened.project_path / CACHE
        return read_files(fetch_snapshot(first, snapshot_id, cache, opened.patience))

    print_differences(compare_runs(before, after, snapshot), (one, other), opened.console)
