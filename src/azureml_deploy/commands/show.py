"""``kedro azureml show`` and ``cancel``: a run that was submitted before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from azureml_deploy.commands.errors import DONE, FAILED, INTERRUPTED
from azureml_deploy.commands.opened import Opened, with_workspace
from azureml_deploy.render.history import print_step_details
from azureml_deploy.render.run import print_end, print_state, show_until_end
from azureml_deploy.runs.detail import describe_run
from azureml_deploy.runs.following import LOGS, RunState, cancel_run, failure_of, follow, read_state
from azureml_deploy.service_errors import Patience


@click.command()
@click.argument("text", metavar="RUN")
@click.option("--follow", "follows", is_flag=True, help="Until the run has ended.")
@with_workspace
def show(opened: Opened, /, *, text: str, follows: bool) -> int:
    """Show the steps of a RUN, and why those failed that did.

    RUN is an id, its beginning, or latest. Exit code 1 means that the run failed, or that the
    service did.
    """
    run = opened.run(text)
    place, patience, console = opened.project_path, opened.patience, opened.console
    if follows:
        return exit_code(follow_to_end(run, (), place, patience, console))
    detail = describe_run(run, patience)
    print_state(detail.state, console)
    print_step_details(detail.steps, console)
    _say_end(run, detail.state, place, patience, console)
    return exit_code(detail.state)


@click.command()
@click.argument("text", metavar="RUN")
@with_workspace
def cancel(opened: Opened, /, *, text: str) -> None:
    """Cancel a RUN: an id, its beginning, or latest. Steps that have ended stay as they are."""
    run = opened.run(text)
    state = opened.patience.ask(f"Asking for the state of run {run.id}", read_state, run, ())
    if state.ended:
        opened.console.print(f"Run {run.id} has ended already: {state.status}")
        return
    cancel_run(opened.workspace, run.id, opened.patience)
    opened.console.print(f"Run {run.id} is being cancelled.")


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
        say_how_to_go_on(run.id, console)
        raise click.exceptions.Exit(INTERRUPTED) from None
    _say_end(run, state, project_path, patience, console)
    return state


def exit_code(state: RunState) -> int:
    """Return a command's exit code by how a run ended."""
    return FAILED if state.status in {"Failed", "Canceled"} else DONE


def say_how_to_go_on(run_id: str, console: Console) -> None:
    """Say that a run goes on without this command, and how to get back to it."""
    given = click.get_current_context().params
    options = " --loopback" if given.get("loopback") else ""
    options += f" --env {given['env']}" if given.get("env") else ""
    console.print(
        "\nThe run goes on without this command.\n"
        f"Follow it: kedro azureml show {run_id} --follow{options}\n"
        f"Cancel it: kedro azureml cancel {run_id}{options}",
        soft_wrap=True,
    )


def _say_end(
    run: Any, state: RunState, project_path: Path, patience: Patience, console: Console
) -> None:
    failures = [failure_of(run, step, project_path / LOGS, patience) for step in state.failed]
    print_end(state, failures, console)
