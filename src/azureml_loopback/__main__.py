"""``python -m azureml_loopback``: start, stop, status, reset, env, config, run and more."""

from __future__ import annotations

import json
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec

import click

from azureml_loopback import controls, processes
from azureml_loopback.azurite import AzuriteError
from azureml_loopback.home import (
    HOME_VARIABLE,
    Home,
    client_environment,
    default_home,
    workspace_config,
    write_private,
)
from azureml_loopback.identity import Identity
from azureml_loopback.processes import LoopbackError
from azureml_loopback.tokens import page_key

FAILED, WRONG_USE = 1, 2
DEFAULT_AUTOML_COMMAND = "python -m local_automl"

P = ParamSpec("P")


def service_options(command: Callable[P, None]) -> Callable[P, None]:
    """Add the options of a service that starts."""
    for option in (
        click.option(
            "--automl-command",
            help=f"What trains AutoML steps; python is the step's own. [{DEFAULT_AUTOML_COMMAND}]",
        ),
        click.option(
            "--isolated/--not-isolated",
            default=None,
            help="Run each step in the environment that it declares, or all in the caller's.",
        ),
    ):
        command = option(command)
    return command


@click.group()
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder of its state; by default ${HOME_VARIABLE}, or one in the user's state folder.",
)
@click.pass_context
def cli(context: click.Context, home: Path | None) -> None:
    """Azure ML's v1 service on 127.0.0.1, for the unmodified SDK."""
    context.obj = Home((home or default_home()).absolute())


@cli.command()
@service_options
@click.pass_obj
def start(home: Home, automl_command: str | None, isolated: bool | None) -> None:
    """Start the service, unless it runs."""
    with one_message():
        found = processes.start(home, _as_options(automl_command, isolated))
    click.echo(
        f"The loopback runs as process {found['pid']}; its page: {page_address(home, found)}"
    )


@cli.command()
@click.pass_obj
def stop(home: Home) -> None:
    """Stop the service; what it knows stays."""
    click.echo("Stopped." if processes.stop(home) else "It was not running.")


@cli.command()
@click.pass_obj
def status(home: Home) -> None:
    """Say whether the service runs; exit code 1 if not."""
    found = processes.running(home)
    if not found:
        click.echo(f"Not running. Its folder: {home.folder}")
        raise click.exceptions.Exit(FAILED)
    click.echo(f"Running as process {found['pid']} on 127.0.0.1:{found['port']}")
    click.echo(f"Folder: {home.folder}")
    click.echo(f"Page: {page_address(home, found)}")


@cli.command()
@click.pass_obj
def reset(home: Home) -> None:
    """Stop the service and forget all that it knew."""
    processes.reset(home)
    click.echo("Stopped; all is forgotten.")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def env(home: Home, as_json: bool) -> None:
    """Print the variables that lead an SDK to the service, as shell export lines."""
    variables = client_environment(home, _port(home))
    if as_json:
        click.echo(json.dumps(variables))
    else:
        for name, value in variables.items():
            click.echo(f"export {name}={shlex.quote(value)}")


@cli.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
def config(folder: Path) -> None:
    """Write the workspace's config.json into a FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.json"
    write_private(path, json.dumps(workspace_config(Identity()), indent=2).encode() + b"\n")
    click.echo(f"Written: {path}")


@cli.command(context_settings={"ignore_unknown_options": True})
@service_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(
    home: Home, automl_command: str | None, isolated: bool | None, command: Sequence[str]
) -> None:
    """Run a COMMAND in the service's environment, started if need be.

    Where the SDK would find no config.json, one is put into the current folder's .azureml.
    """
    with one_message():
        found = processes.start(home, _as_options(automl_command, isolated))
    environment = {**os.environ, **client_environment(home, found["port"])}
    _offer_config(Path.cwd())
    try:
        done = subprocess.run(list(command), env=environment, check=False)
    except FileNotFoundError:
        click.echo(f"Error: there is no command '{command[0]}'", err=True)
        raise click.exceptions.Exit(WRONG_USE) from None
    raise click.exceptions.Exit(done.returncode)


@cli.command()
@click.argument("seen", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def coverage(seen: Path) -> None:
    """Print which of the SDK's operations are answered; SEEN is what a test session recorded."""
    from azureml_loopback.coverage import read_seen, sdk_operations, table  # noqa: PLC0415

    click.echo(table(sdk_operations(), read_seen(seen)), nl=False)


@cli.command(hidden=True)
@service_options
@click.pass_obj
def serve(home: Home, automl_command: str | None, isolated: bool | None) -> None:
    """Run the service in the foreground."""
    # they import the SDK's models
    from azureml_loopback.execution.engine import Options  # noqa: PLC0415
    from azureml_loopback.server import serve  # noqa: PLC0415

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    home.prepare()
    with one_message():
        command = shlex.split(automl_command or DEFAULT_AUTOML_COMMAND)
        serve(home, Options(tuple(command), bool(isolated)))


cli.add_command(controls.fault)
cli.add_command(controls.clock)


def page_address(home: Home, found: dict[str, int]) -> str:
    """Return the page's address with the key that opens it."""
    return f"http://127.0.0.1:{found['port']}/?key={page_key(home.secret())}"


@contextmanager
def one_message() -> Iterator[None]:
    """Turn errors that a user can mend into a message without a traceback."""
    try:
        yield
    except (LoopbackError, AzuriteError) as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(FAILED) from None


def _as_options(automl_command: str | None, isolated: bool | None) -> list[str]:
    """Return what was asked for, and nothing where nothing was."""
    command = [] if automl_command is None else ["--automl-command", automl_command]
    if isolated is None:
        return command
    return [*command, "--isolated" if isolated else "--not-isolated"]


def _offer_config(folder: Path) -> None:
    """Write config.json where the SDK would find none."""
    places = [folder, *folder.parents]
    names = ("config.json", ".azureml/config.json", "aml_config/config.json")
    if not any((place / name).exists() for place in places for name in names):
        (folder / ".azureml").mkdir(exist_ok=True)
        text = json.dumps(workspace_config(Identity()), indent=2)
        write_private(folder / ".azureml" / "config.json", text.encode() + b"\n")
        click.echo(f"Written: {folder / '.azureml' / 'config.json'}", err=True)


def _port(home: Home) -> int:
    found = processes.running(home)
    if not found:
        click.echo(
            "Error: the loopback does not run; start it with: python -m azureml_loopback start",
            err=True,
        )
        raise click.exceptions.Exit(FAILED)
    return found["port"]


if __name__ == "__main__":
    sys.exit(cli())
