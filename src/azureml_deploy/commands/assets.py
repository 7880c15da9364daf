"""``kedro azureml datasets``, ``models`` and ``computes``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click

from azureml_deploy.commands.opened import Opened, with_workspace
from azureml_deploy.render.history import assets_to_json, print_assets
from azureml_deploy.runs.assets import (
    Asset,
    StepUse,
    list_computes,
    list_datasets,
    list_models,
    step_uses,
)
from azureml_deploy.service_errors import Patience

_List = Callable[[Any, tuple[StepUse, ...], Patience], Iterator[Asset]]


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--last",
            metavar="N",
            default=10,
            show_default=True,
            help="How many of the experiment's runs are looked at for who made and used them.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else."),
    ):
        command = option(command)
    return command


@click.command()
@_options
@with_workspace
def datasets(opened: Opened, /, *, last: int, as_json: bool) -> None:
    """List the registered datasets, what made them and what read them."""
    _show(opened, list_datasets, "Read by", last, as_json=as_json)


@click.command()
@_options
@with_workspace
def models(opened: Opened, /, *, last: int, as_json: bool) -> None:
    """List the registered models, what made them and what read them."""
    _show(opened, list_models, "Read by", last, as_json=as_json)


@click.command()
@_options
@with_workspace
def computes(opened: Opened, /, *, last: int, as_json: bool) -> None:
    """List the compute targets, and which steps ran on them."""
    _show(opened, list_computes, "Ran", last, as_json=as_json)


def _show(opened: Opened, list_: _List, used: str, last: int, *, as_json: bool) -> None:
    uses = step_uses(opened.workspace, opened.config.experiment_name, last, opened.patience)
    found = list_(opened.workspace, uses, opened.patience)
    if as_json:
        opened.write(assets_to_json(found))
    else:
        print_assets(found, opened.console, used=used)
