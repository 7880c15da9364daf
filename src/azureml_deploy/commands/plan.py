"""``kedro azureml plan``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azureml_deploy.commands.errors import FAILED, one_message
from azureml_deploy.commands.selectors import selectors
from azureml_deploy.files import write_text
from azureml_deploy.plan import DeploymentPlan, plan_to_json
from azureml_deploy.project import Selection

if TYPE_CHECKING:
    from azureml_deploy.deployment import Deployment

STANDARD_OUTPUT = "-"


@click.command()
@selectors
@click.option("--json", "json_file", metavar="FILE", help="Write the plan as JSON; - prints it.")
@click.option("--html", "html_file", metavar="FILE", help="Write one offline page; - prints it.")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart, and nothing else.")
@click.option("--viz", is_flag=True, help="Colour each node by its step in Kedro-Viz.")
def plan(
    metadata: Any,
    /,
    *,
    selection: Selection,
    select: Sequence[str],
    ignore: Sequence[str],
    json_file: str | None,
    html_file: str | None,
    mermaid: bool,
    viz: bool,
) -> None:
    """Show how this project's pipeline becomes Azure ML steps, and check it. Needs no network.

    Exit code 1 means findings that forbid a submit, 2 that the plan could not be made.
    """
    # what Kedro and the project print while they are loaded must not get into the JSON
    with one_message(), redirect_stdout(sys.stderr):
        deployment = _make(metadata, selection, select, ignore)
    made = deployment.plan
    forecast = _forecast(deployment.project.path, made)
    with one_message():
        _write(made, forecast, json_file, html_file, mermaid=mermaid)
        if viz:
            _colour(deployment)
    if made.errors:
        raise click.exceptions.Exit(FAILED)


def _make(
    metadata: Any, selection: Selection, select: Sequence[str], ignore: Sequence[str]
) -> Deployment:
    from azureml_deploy.deployment import open_deployment  # noqa: PLC0415

    return open_deployment(metadata, selection, select=select, ignore=ignore)


def _forecast(project_path: Path, made: DeploymentPlan) -> Mapping[str, str]:
    from azureml_deploy.reuse import read_last_submitted, reuse_forecast  # noqa: PLC0415

    return reuse_forecast(made, read_last_submitted(project_path))


def _write(
    made: DeploymentPlan,
    forecast: Mapping[str, str],
    json_file: str | None,
    html_file: str | None,
    *,
    mermaid: bool,
) -> None:
    texts: list[tuple[str, str]] = []
    if json_file:
        texts.append((json_file, plan_to_json(made)))
    if html_file:
        from azureml_deploy.render.html import to_html  # noqa: PLC0415

        texts.append((html_file, to_html(made, forecast)))
    if mermaid:
        from azureml_deploy.render.mermaid import to_mermaid  # noqa: PLC0415

        texts.append((STANDARD_OUTPUT, to_mermaid(made)))
    for file, text in texts:
        if file == STANDARD_OUTPUT:
            click.echo(text, nl=False)
        else:
            write_text(Path(file), text)
    if all(file != STANDARD_OUTPUT for file, _ in texts):
        from rich.console import Console  # noqa: PLC0415

        from azureml_deploy.render.text import print_plan  # noqa: PLC0415

        print_plan(made, forecast, Console())
        for file, _ in texts:
            click.echo(f"Written: {file}")


def _colour(deployment: Deployment) -> None:
    """Write Kedro-Viz's styles, and say on standard error which step has which colour."""
    from rich.console import Console  # noqa: PLC0415

    from azureml_deploy.render.viz import colours_of, to_styles, write_styles  # noqa: PLC0415

    styles = to_styles(deployment.plan, deployment.project.sources.nodes)
    write_styles(deployment.project.path, styles)
    console = Console(stderr=True)
    for step, colour in colours_of(deployment.plan).items():
        console.print(f"[white on {colour}] {step} [/]", highlight=False)
    console.print("See them with: kedro viz run", highlight=False)
