"""``kedro azureml serve``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import PARAMS_ARG_HELP
from kedro.framework.cli.utils import _split_params, env_option
from rich.console import Console

from azureml_deploy.commands.errors import one_message
from azureml_deploy.commands.service import Service, service_options
from azureml_deploy.errors import ConfigError, UsageError
from azureml_deploy.planning import parameter_value
from azureml_deploy.project import Project, Selection
from azureml_deploy.serving.bundle import ENTRY_SCRIPT, endpoint_of
from azureml_deploy.serving.models import CHAMPION, WantedModel, download_model, read_wanted
from azureml_deploy.serving.opening import ServingProject, open_scorer, open_serving

AZURES_PORT = 5001
"""Port of Azure ML's own inference server."""


@click.command()
@click.argument("model", metavar="[MODEL[:VERSION]|champion]", default=CHAMPION)
@click.option("--port", default=AZURES_PORT, show_default=True, help="0 for any that is free.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write the entry script and its files for Model.deploy, and serve nothing.",
)
@env_option
@click.option(
    "--params", type=click.UNPROCESSED, default="", callback=_split_params, help=PARAMS_ARG_HELP
)
@service_options
@click.pass_obj
def serve(
    metadata: Any,
    /,
    *,
    model: str,
    port: int,
    host: str,
    folder: Path | None,
    env: str | None,
    params: Mapping[str, Any],
    service: Service,
) -> None:
    """Answer requests over HTTP with a registered model and the project's scoring pipeline.

    champion is that of the project's own catalog, or with --loopback of its workspace; MODEL is a
    model of the workspace: one VERSION, or its champion.
    """
    console = Console(file=sys.stdout)
    selection = Selection(env=env, params=params)
    with one_message():
        with redirect_stdout(sys.stderr):
            opened = open_serving(metadata, selection)
        if folder is not None:
            _write(opened, folder, console)
            return
        wanted = _wanted(model, opened.project, loopback=service.loopback)
        _serve(metadata, selection, opened, wanted, (host, port), service, console)


def _wanted(model: str, project: Project, *, loopback: bool) -> WantedModel | None:
    """Return which model of the workspace is meant; nothing for the catalog's own champion."""
    if model != CHAMPION:
        return read_wanted(model)
    if not loopback:
        return None
    names = project.config.roles.model_name
    name = parameter_value(project.sources.parameters, names[0]) if names else None
    if name is None:
        raise ConfigError("roles.model_name names no parameter, so the champion's model: name it")
    return WantedModel(str(name))


def _serve(
    metadata: Any,
    selection: Selection,
    opened: ServingProject,
    wanted: WantedModel | None,
    address: tuple[str, int],
    service: Service,
    console: Console,
) -> None:
    try:
        from azureml_deploy.serving.app import listen, make_app, serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; serving needs: pip install starlette uvicorn"
        ) from None
    with listen(*address) as listener, tempfile.TemporaryDirectory() as target:
        downloaded = None
        if wanted is not None:
            config, place = opened.project.config.workspace, opened.project.path
            with service.opened(config, place, console) as (workspace, patience):
                folder = Path(target)
                downloaded = (folder, download_model(workspace, wanted, folder, patience))
        scorer, model = open_scorer(metadata, selection, opened, downloaded)
        host, port = listener.getsockname()[:2]
        console.print(
            f"Serving {model.name} version {model.version} of {model.source}\n"
            f"http://{host}:{port}: POST /score, GET /health, GET /swagger.json; Ctrl-C ends it",
            highlight=False,
            soft_wrap=True,
        )
        serve(make_app(scorer, model), listener)


def _write(opened: ServingProject, folder: Path, console: Console) -> None:
    endpoint = endpoint_of(opened)
    written = endpoint.files.write(folder)
    console.print(
        f"Written: {written}\n"
        f"InferenceConfig(entry_script='{ENTRY_SCRIPT}', source_directory='{written}', …) with "
        f"environment '{endpoint.environment}' of azureml.yml",
        highlight=False,
        soft_wrap=True,
    )
