"""``kedro azureml publish``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from azureml_deploy.commands.errors import one_message
from azureml_deploy.commands.selectors import selectors
from azureml_deploy.commands.service import Service, service_options
from azureml_deploy.commands.submit import checked_deployment, find_needed
from azureml_deploy.project import Selection
from azureml_deploy.runs.publishing import Publication, publish_deployment, without_reuse
from azureml_deploy.workspace.opening import resources_of


@click.command()
@selectors
@click.option("--endpoint", metavar="E", help="By default azureml.yml's experiment_name.")
@click.option(
    "--default/--no-default", default=True, help="Whether the endpoint runs it from now on."
)
@click.option(
    "--reuse",
    is_flag=True,
    help="Let steps be reused, although changed files behind a Dataset go unseen then.",
)
@service_options
def publish(
    metadata: Any,
    /,
    *,
    selection: Selection,
    select: Sequence[str],
    ignore: Sequence[str],
    service: Service,
    endpoint: str | None,
    default: bool,
    reuse: bool,
) -> None:
    """Keep this project's pipeline in the workspace, as a version of a pipeline endpoint.

    It can then be started by REST (kedro azureml trigger) and by schedules. All its steps run each
    time, unless --reuse is given. Exit codes are those of submit.
    """
    console = Console(file=sys.stdout)
    with one_message():
        deployment = checked_deployment(metadata, selection, select, ignore, console)
        project = deployment.project
        name = endpoint or project.config.experiment_name
        with service.opened(project.config.workspace, project.path, console) as (
            workspace,
            patience,
        ):
            found = tuple(find_needed(workspace, deployment, patience, console, create=True))
            with console.status("publishing …"), tempfile.TemporaryDirectory() as snapshots:
                publication = publish_deployment(
                    workspace,
                    deployment if reuse else without_reuse(deployment),
                    resources_of(workspace, found),
                    Path(snapshots),
                    patience,
                    endpoint=name,
                    description=f"{project.project_name}, published by kedro azureml",
                    default=default,
                )
    _say(publication, console)


def _say(publication: Publication, console: Console) -> None:
    default = ", the default" if publication.default else ""
    made = ", created" if publication.created else ""
    console.print(
        f"{'pipeline':<15}[bold]{publication.pipeline_id}[/] published\n"
        f"{'endpoint':<15}[bold]{publication.endpoint}[/] version {publication.version}"
        f"{default}{made}\n"
        f"{'POST':<15}{publication.url}",
        highlight=False,
        soft_wrap=True,
    )
