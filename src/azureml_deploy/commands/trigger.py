"""``kedro azureml trigger``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from azureml_deploy.commands.errors import DONE
from azureml_deploy.commands.opened import Opened, with_workspace
from azureml_deploy.commands.show import exit_code, follow_to_end, say_how_to_go_on
from azureml_deploy.runs.publishing import assignments, find_endpoint, trigger


@click.command("trigger")
@click.argument("endpoint", required=False)
@click.option("--version", metavar="V", help="By default the endpoint's default version.")
@click.option("--experiment", metavar="E", help="By default azureml.yml's experiment_name.")
@click.option(
    "--pipeline-parameter",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a pipeline parameter; may be given several times.",
)
@click.option("--wait/--no-wait", default=False, help="Follow the run to its end.")
@with_workspace
def trigger_endpoint(
    opened: Opened,
    /,
    *,
    endpoint: str | None,
    version: str | None,
    experiment: str | None,
    parameters: Sequence[str],
    wait: bool,
) -> int:
    """Start a published pipeline by REST. ENDPOINT is azureml.yml's experiment_name by default.

    With --wait, exit code 1 means that the run failed.
    """
    values = assignments(parameters)
    workspace, patience = opened.workspace, opened.patience
    found = find_endpoint(workspace, endpoint or opened.config.experiment_name, patience)
    run = trigger(
        workspace,
        found,
        patience,
        experiment_name=experiment or opened.config.experiment_name,
        parameters=values,
        version=version,
    )
    opened.console.print(f"{'run':<15}[bold]{run.id}[/] started", highlight=False)
    if wait:
        return exit_code(follow_to_end(run, (), opened.project_path, patience, opened.console))
    say_how_to_go_on(run.id, opened.console)
    return DONE
