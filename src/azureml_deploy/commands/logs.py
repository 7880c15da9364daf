"""``kedro azureml logs``."""

from __future__ import annotations

import click

from azureml_deploy.commands.errors import INTERRUPTED
from azureml_deploy.commands.opened import Opened, with_workspace
from azureml_deploy.runs.logs import follow_logs, read_logs


@click.command()
@click.argument("text", metavar="RUN")
@click.option("--step", metavar="S", help="Only this step's.")
@click.option("--follow", "follows", is_flag=True, help="Until the run has ended.")
@with_workspace
def logs(opened: Opened, /, *, text: str, step: str | None, follows: bool) -> int | None:
    """Print what the steps of a RUN printed. RUN is an id, its beginning, or latest."""
    run = opened.run(text)
    read = follow_logs if follows else read_logs
    shown: str | None = step  # one step's log needs no headings
    try:
        for part in read(run, step, opened.patience):
            if part.step != shown:
                opened.write(f"==> {part.step} <==")
                shown = part.step
            opened.write(part.text.rstrip("\n"))
    except KeyboardInterrupt:
        opened.messages.print("\nDetached; the run goes on.")
        return INTERRUPTED
    return None
