"""The options that say which nodes are meant, and which checks: one list for every command."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
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

from azureml_deploy.project import Selection

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--pipelines", default="", callback=split_string, help=PIPELINES_ARG_HELP),
    click.option("--tags", "-t", default="", callback=split_string, help=TAG_ARG_HELP),
    click.option("--nodes", "-n", default="", callback=split_node_names, help=NODE_ARG_HELP),
    click.option("--from-nodes", default="", callback=split_node_names, help=FROM_NODES_HELP),
    click.option("--to-nodes", default="", callback=split_node_names, help=TO_NODES_HELP),
    click.option(
        "--namespaces", "-ns", default="", callback=split_node_names, help=NAMESPACES_ARG_HELP
    ),
    env_option,
    click.option("--conf-source", callback=validate_conf_source, help=CONF_SOURCE_HELP),
    click.option(
        "--params",
        type=click.UNPROCESSED,
        default="",
        callback=_split_params,
        help=PARAMS_ARG_HELP,
    ),
    click.option("--select", default="", callback=split_string, help="Check these codes only."),
    click.option("--ignore", default="", callback=split_string, help="Leave these codes out."),
)


def selectors(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the project, `kedro run`'s selectors, and the preflight's codes.

    Args:
        command: Gets Kedro's metadata, the selectors as one ``selection``, and the codes as
            ``select`` and ``ignore``.
    """

    @click.pass_obj
    @functools.wraps(command)
    def with_selection(metadata: Any, /, **options: Any) -> None:
        selection = Selection(
            **{field.name: options.pop(field.name) for field in fields(Selection)}
        )
        command(metadata, selection=selection, **options)

    return functools.reduce(lambda made, option: option(made), reversed(_OPTIONS), with_selection)
