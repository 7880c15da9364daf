"""A run in the terminal: a table that lives, or a line for each change where nobody watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from azureml_deploy.runs.following import WAITING, Failure, RunState, StepState
from azureml_deploy.wording import many
from azureml_deploy.workspace.found import Found

_STYLES = {
    "Completed": "green",
    "Failed": "bold red",
    "Canceled": "yellow",
    WAITING: "dim",
}


def print_found(found: Found, console: Console) -> None:
    """Print what was found, made, or would be made."""
    version = f" version {found.version}" if found.version else ""
    styles = {"found": "green", "created": "bold green", "missing": "yellow"}
    words = {"found": "found", "created": "created", "missing": "would be created"}
    console.print(
        Text.assemble(
            f"{found.kind:<15}",
            (f"{found.name}{version} ", "bold"),
            (words[found.state], styles[found.state]),
            f" ({found.detail})" if found.detail else "",
        )
    )


def print_state(state: RunState, console: Console) -> None:
    """Print a run's steps as they are now."""
    console.print(_table(state))


def show_until_end(states: Iterator[RunState], console: Console) -> RunState:
    """Show a run until it has ended.

    Returns:
        Its last state.
    """
    return _show_live(states, console) if console.is_terminal else _show_lines(states, console)


def _show_live(states: Iterator[RunState], console: Console) -> RunState:
    last = next(states)
    with Live(_table(last), console=console, refresh_per_second=2) as live:
        for last in states:
            live.update(_table(last))
    return last


def _show_lines(states: Iterator[RunState], console: Console) -> RunState:
    said: dict[str, str] = {}
    while True:
        state = next(states)
        for step in state.steps:
            if step.status not in {WAITING, said.get(step.name)}:
                console.print(Text(_line(step)))
                said[step.name] = step.status
        if state.ended:
            return state


def _line(step: StepState) -> str:
    ran = step.seconds(_now())
    words = [f"{step.name}: {step.status}"]
    if step.ended and step.reused:
        words.append("(reused)")
    elif step.ended and ran is not None:
        words.append(f"in {duration_text(ran)}")
    return " ".join(words)


def _table(state: RunState) -> Group:
    table = Table()
    for column in ("Step", "State", "Duration", "Reused"):
        table.add_column(column, overflow="fold")
    for step in state.steps:
        ran = step.seconds(_now())
        table.add_row(
            escape(step.name),
            status_text(step.status),
            "" if ran is None or step.reused else duration_text(ran),
            "yes" if step.reused else "",
        )
    title = f"Run {state.run_id} of {state.experiment_name}: "
    return Group(Text.assemble(title, status_text(state.status)), table)


def print_end(state: RunState, failures: Iterable[Failure], console: Console) -> None:
    """Print how a run ended, and of each failed step its own error and where its log is."""
    for failure in failures:
        console.print(Text(f"\nStep {failure.step} failed:", style="bold red"))
        console.print(Text(failure.error))
        if failure.tail:
            console.print(Text("The end of its log:", style="bold"))
            console.print(Text("\n".join(f"  {line}" for line in failure.tail)))
        if failure.log:
            console.print(Text(f"The whole log: {failure.log}"), soft_wrap=True)
    reused = sum(step.reused for step in state.steps)
    ran = sum(step.status == "Completed" and not step.reused for step in state.steps)
    counts = f"{many(ran, 'step')} ran, {reused} reused"
    console.print(
        Text.assemble(f"Run {state.run_id} ", status_text(state.status), f": {counts}"),
        soft_wrap=True,
    )
    console.print(Text(state.link), soft_wrap=True)


def duration_text(seconds: float) -> str:
    """Return a duration as people read it."""
    whole = round(max(seconds, 0))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def status_text(status: str) -> Text:
    """Return a state in its colour."""
    return Text(status, style=_STYLES.get(status, "cyan"))


def _now() -> datetime:
    return datetime.now(timezone.utc)
