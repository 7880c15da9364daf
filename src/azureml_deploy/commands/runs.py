"""``kedro azureml runs``."""

from __future__ import annotations

import click

from azureml_deploy.commands.opened import Opened, with_workspace
from azureml_deploy.render.history import print_runs, runs_to_json
from azureml_deploy.runs.history import list_runs


@click.command()
@click.option("--experiment", metavar="E", help="By default azureml.yml's experiment_name.")
@click.option("--last", metavar="N", default=10, show_default=True, help="How many runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
@with_workspace
def runs(opened: Opened, /, *, experiment: str | None, last: int, as_json: bool) -> None:
    """List an experiment's runs, the newest first."""
    name = experiment or opened.config.experiment_name
    found = list_runs(opened.workspace, name, last, opened.patience)
    if as_json:
        opened.write(runs_to_json(found))
    else:
        print_runs(found, opened.console)
