"""``kedro azureml plan``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import (
    CONF_SOURCE_HELP,
    FROM_NODES_HELP,
    NAMESPACES_ARG_HELP,
    NODE_ARG_HELP,
    PARAMS_ARG_HELP,
    PIPELINES_ARG_HELP,
    TAG_ARG_HELP,
    TO_NODES_HELP,
)
from kedro.framework.cli.utils import (
    _split_params,
    env_option,
    split_node_names,
    split_string,
    validate_conf_source,
)

from azureml_deploy.commands.errors import FINDINGS, one_message
from azureml_deploy.files import write_text
from azureml_deploy.plan import DeploymentPlan, plan_to_json
from azureml_deploy.project import Selection

STANDARD_OUTPUT = "-"


@click.command()
@click.option("--pipelines", default="", callback=split_string, help=PIPELINES_ARG_HELP)
@click.option("--tags", "-t", default="", callback=split_string, help=TAG_ARG_HELP)
@click.option("--nodes", "-n", default="", callback=split_node_names, help=NODE_ARG_HELP)
@click.option("--from-nodes", default="", callback=split_node_names, help=FROM_NODES_HELP)
@click.option("--to-nodes", default="", callback=split_node_names, help=TO_NODES_HELP)
@click.option(
    "--namespaces", "-ns", default="", callback=split_node_names, help=NAMESPACES_ARG_HELP
)
@env_option
@click.option("--conf-source", callback=validate_conf_source, help=CONF_SOURCE_HELP)
@click.option(
    "--params", type=click.UNPROCESSED, default="", callback=_split_params, help=PARAMS_ARG_HELP
)
@click.option("--json", "json_file", metavar="FILE", help="Write the plan as JSON; - prints it.")
@click.option("--html", "html_file", metavar="FILE", help="Write one offline page; - prints it.")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart, and nothing else.")
@click.option("--select", default="", callback=split_string, help="Check these codes only.")
@click.option("--ignore", default="", callback=split_string, help="Leave these codes out.")
@click.pass_obj
def plan(  # noqa: PLR0913, PLR0917  (kedro run's own options)
    metadata: Any,
    /,
    pipelines: Sequence[str],
    tags: Sequence[str],
    nodes: Sequence[str],
    from_nodes: Sequence[str],
    to_nodes: Sequence[str],
    namespaces: Sequence[str],
    env: str | None,
    conf_source: str | None,
    params: Mapping[str, Any],
    json_file: str | None,
    html_file: str | None,
    mermaid: bool,
    select: Sequence[str],
    ignore: Sequence[str],
) -> None:
    """Show how this project's pipeline becomes Azure ML steps, and check it. Needs no network.

    Exit code 1 means findings that forbid a submit, 2 that the plan could not be made.
    """
    selection = Selection(
        pipelines=pipelines,
        tags=tags,
        nodes=nodes,
        from_nodes=from_nodes,
        to_nodes=to_nodes,
        namespaces=namespaces,
        env=env,
        conf_source=conf_source,
        params=params,
    )
    # what Kedro and the project print while they are loaded must not get into the JSON
    with one_message(), redirect_stdout(sys.stderr):
        made = _make(metadata, selection, select, ignore)
    forecast = _forecast(Path(metadata.project_path), made)
    with one_message():
        _write(made, forecast, json_file, html_file, mermaid=mermaid)
    if made.errors:
        raise click.exceptions.Exit(FINDINGS)


def _make(
    metadata: Any, selection: Selection, select: Sequence[str], ignore: Sequence[str]
) -> DeploymentPlan:
    from azureml_deploy.deployment import open_deployment  # noqa: PLC0415

    return open_deployment(metadata, selection, select=select, ignore=ignore).plan


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
        from azureml_deploy.render_html import to_html  # noqa: PLC0415

        texts.append((html_file, to_html(made, forecast)))
    if mermaid:
        from azureml_deploy.render_mermaid import to_mermaid  # noqa: PLC0415

        texts.append((STANDARD_OUTPUT, to_mermaid(made)))
    for file, text in texts:
        if file == STANDARD_OUTPUT:
            click.echo(text, nl=False)
        else:
            write_text(Path(file), text)
    if all(file != STANDARD_OUTPUT for file, _ in texts):
        from rich.console import Console  # noqa: PLC0415

        from azureml_deploy.render_text import print_plan  # noqa: PLC0415

        print_plan(made, forecast, Console())
        for file, _ in texts:
            click.echo(f"Written: {file}")
