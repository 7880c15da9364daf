"""``kedro azureml submit``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from azureml_deploy.commands.errors import FAILED, one_message
from azureml_deploy.commands.selectors import selectors
from azureml_deploy.commands.service import Service, service_options
from azureml_deploy.commands.show import exit_code, follow_to_end, say_how_to_go_on
from azureml_deploy.deployment import Deployment, open_deployment
from azureml_deploy.project import Selection
from azureml_deploy.render.run import print_found
from azureml_deploy.render.text import print_steps
from azureml_deploy.reuse import (
    keep_completed,
    read_last_submitted,
    reuse_forecast,
    write_last_submitted,
)
from azureml_deploy.runs.submission import note_origin, parameter_values, submit_deployment
from azureml_deploy.service_errors import Patience
from azureml_deploy.workspace.compute_targets import find_compute_targets
from azureml_deploy.workspace.environments import find_environments
from azureml_deploy.workspace.found import Found
from azureml_deploy.workspace.opening import resources_of
from azureml_deploy.workspace.uploads import find_datasets


@click.command()
@selectors
@service_options
@click.option(
    "--pipeline-parameter",
    "pipeline_parameters",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a pipeline parameter; may be given several times.",
)
@click.option("--wait/--no-wait", default=True, help="Follow the run to its end (default).")
@click.option("--dry-run", is_flag=True, help="Say what would be created; create nothing.")
def submit(
    metadata: Any,
    /,
    *,
    selection: Selection,
    select: Sequence[str],
    ignore: Sequence[str],
    service: Service,
    pipeline_parameters: Sequence[str],
    wait: bool,
    dry_run: bool,
) -> None:
    """Run this project's pipeline in Azure ML, or with --loopback on this machine.

    Exit code 1 means findings, a failed run or a service that failed, 2 that configuration or
    usage is wrong. Ctrl-C leaves the run alone, and exits with 130.
    """
    console = Console(file=sys.stdout)
    with one_message():
        deployment = checked_deployment(metadata, selection, select, ignore, console)
        parameters = parameter_values(deployment.plan, pipeline_parameters)
        project = deployment.project
        with service.opened(project.config.workspace, project.path, console) as (
            workspace,
            patience,
        ):
            console.print(f"{'workspace':<15}[bold]{workspace.name}[/] opened")
            found = tuple(find_needed(workspace, deployment, patience, console, create=not dry_run))
            if dry_run:
                console.print("Dry run: nothing was created, and nothing submitted.")
                return
            run = _submit(workspace, deployment, found, parameters, patience, console)
            if not wait:
                say_how_to_go_on(run.id, console)
                return
            steps = tuple(step.name for step in deployment.plan.steps)
            state = follow_to_end(run, steps, project.path, patience, console)
    if state.status != "Completed":
        keep_completed(project.path, deployment.plan, state.completed)
    raise click.exceptions.Exit(exit_code(state))


def checked_deployment(
    metadata: Any,
    selection: Selection,
    select: Sequence[str],
    ignore: Sequence[str],
    console: Console,
) -> Deployment:
    """Plan and check; error findings end the command."""
    # what Kedro and the project print while they are loaded is not what was asked for
    with redirect_stdout(sys.stderr):
        deployment = open_deployment(metadata, selection, select=select, ignore=ignore)
    plan = deployment.plan
    forecast = reuse_forecast(plan, read_last_submitted(deployment.project.path))
    print_steps(plan, forecast, console)
    if plan.errors:
        raise click.exceptions.Exit(FAILED)
    return deployment


def find_needed(
    workspace: Any, deployment: Deployment, patience: Patience, console: Console, *, create: bool
) -> Iterator[Found]:
    """Find or make all that the plan needs, and say so as it is there."""
    for what, find in (
        ("datasets", find_datasets),
        ("compute targets", find_compute_targets),
        ("environments", find_environments),
    ):
        with console.status(f"{what} …"):
            for found in find(workspace, deployment, patience, create=create):
                print_found(found, console)
                yield found


def _submit(
    workspace: Any,
    deployment: Deployment,
    found: tuple[Found, ...],
    parameters: dict[str, Any],
    patience: Patience,
    console: Console,
) -> Any:
    resources = resources_of(workspace, found)
    with console.status("submitting …"), tempfile.TemporaryDirectory() as snapshots:
        run = submit_deployment(
            workspace, deployment, resources, parameters, Path(snapshots), patience
        )
    write_last_submitted(deployment.project.path, deployment.plan)
    console.print(f"{'run':<15}[bold]{run.id}[/] submitted")
    console.print(run.get_portal_url(), soft_wrap=True)
    note_origin(run, deployment, patience)
    return run
