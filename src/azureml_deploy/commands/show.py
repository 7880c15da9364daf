"""``kedro azureml show`` and ``cancel``: a run that was submitted before."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import env_option
from rich.console import Console

from azureml_deploy.commands.errors import DONE, FAILED, INTERRUPTED, one_message
from azureml_deploy.commands.service import Service, service_options
from azureml_deploy.project import open_config
from azureml_deploy.render_run import print_end, print_state, show_until_end
from azureml_deploy.runs import LOGS, RunState, cancel_run, failure_of, follow, open_run, read_state
from azureml_deploy.service_errors import Patience


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--follow", "follows", is_flag=True, help="Until the run has ended.")
@env_option
@service_options
@click.pass_obj
def show(
    metadata: Any, /, *, run_id: str, follows: bool, env: str | None, service: Service
) -> None:
    """Show the steps of a RUN, and why those failed that did.

    Exit code 1 means that the run failed, or that the service did.
    """
    console = Console(file=sys.stdout)
    project_path = Path(metadata.project_path)
    with one_message():
        config = open_config(metadata, env)
        with service.opened(config.workspace, project_path, console) as (workspace, patience):
            run = open_run(workspace, run_id, patience)
            if follows:
                state = follow_to_end(run, (), project_path, patience, console)
            else:
                state = patience.ask(f"Asking for the state of run {run_id}", read_state, run, ())
                print_state(state, console)
                _say_end(run, state, project_path, patience, console)
    raise click.exceptions.Exit(exit_code(state))


@click.command()
@click.argument("run_id", metavar="RUN")
@env_option
@service_options
@click.pass_obj
def cancel(metadata: Any, /, *, run_id: str, env: str | None, service: Service) -> None:
    """Cancel a RUN. Steps that have ended stay as they are."""
    console = Console(file=sys.stdout)
    with one_message():
        config = open_config(metadata, env)
        place = Path(metadata.project_path)
        with service.opened(config.workspace, place, console) as (workspace, patience):
            cancel_run(workspace, run_id, patience)
    console.print(f"Run {run_id} is being cancelled.")


def follow_to_end(
    run: Any, steps: tuple[str, ...], project_path: Path, patience: Patience, console: Console
) -> RunState:
    """Show a run until it ends; Ctrl-C leaves it alone and ends the command.

    Args:
        run: The SDK's `PipelineRun`.
        steps: Names of its steps, as far as they are known.
        project_path: The project, which logs are downloaded below.
        patience: With the service.
        console: Where to.

    Returns:
        How it ended.
    """
    try:
        state = show_until_end(follow(run, steps, patience), console)
    except KeyboardInterrupt:
        console.print("\nDetached.")
        say_how_to_go_on(run.id, console)
        raise click.exceptions.Exit(INTERRUPTED) from None
    _say_end(run, state, project_path, patience, console)
    return state


def exit_code(state: RunState) -> int:
    """Return a command's exit code by how a run ended."""
    return FAILED if state.status in {"Failed", "Canceled"} else DONE


def say_how_to_go_on(run_id: str, console: Console) -> None:
    """Say that a run goes on without this command, and how to get back to it."""
    console.print(
        f"The run goes on. Follow it: kedro azureml show {run_id} --follow\n"
        f"Cancel it: kedro azureml cancel {run_id}",
        soft_wrap=True,
    )


def _say_end(
    run: Any, state: RunState, project_path: Path, patience: Patience, console: Console
) -> None:
    failures = [failure_of(run, step, project_path / LOGS, patience) for step in state.failed]
    print_end(state, failures, console)
