"""The history in the terminal, as tables, or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from azureml_deploy.render.run import duration_text, status_text
from azureml_deploy.runs.assets import Asset
from azureml_deploy.runs.comparison import Difference
from azureml_deploy.runs.detail import StepDetail
from azureml_deploy.runs.history import RunSummary
from azureml_deploy.runs.iterations import Leaderboard

SHOWN_METRICS = 12
_DECIMAL = re.compile(r"-?\d+\.\d{5,}")
LONGEST_TAG = 20
"""Characters of a tag's value that are shown; a checksum's beginning tells enough."""


def print_runs(runs: Iterable[RunSummary], console: Console) -> None:
    """Print one row a run."""
    rows = list(runs)
    table = plain_table(console, "Run", "State", "Submitted", "Duration", "Steps", "Best metric")
    now = datetime.now(timezone.utc)
    for run in rows:
        seconds = run.seconds(now)
        table.add_row(
            run.run_id,
            status_text(run.status),
            run.submitted.strftime("%Y-%m-%d %H:%M") if run.submitted else "",
            "" if seconds is None else duration_text(seconds),
            f"{len(run.steps)} ({run.reused} reused)" if run.reused else str(len(run.steps)),
            f"{run.best.name} {run.best.value:.4f}" if run.best else "",
        )
    console.print(table)


def runs_to_json(runs: Iterable[RunSummary]) -> str:
    """Return the runs as JSON, times in UTC."""
    now = datetime.now(timezone.utc)
    values = [
        {
            "run_id": run.run_id,
            "experiment_name": run.experiment_name,
            "status": run.status,
            "submitted": _moment(run.submitted),
            "started": _moment(run.started),
            "ended": _moment(run.ended),
            "seconds": run.seconds(now),
            "steps": {step.name: step.status for step in run.steps},
            "reused": [step.name for step in run.steps if step.reused],
            "best_metric": {run.best.name: run.best.value} if run.best else None,
        }
        for run in runs
    ]
    return json.dumps(values, indent=2)


def print_step_details(steps: Iterable[StepDetail], console: Console) -> None:
    """Print what each step read, wrote, logged and printed to."""
    for step in steps:
        tree = Tree(Text(step.state.name, style="bold"), guide_style="dim")
        if step.source != step.state.run_id:
            tree.add(Text(f"reused from run {step.source}"))
        for title, values in (
            ("read", step.inputs),
            ("wrote", step.outputs),
            ("logged", _numbers(step.metrics)),
        ):
            for name, value in values.items():
                tree.add(Text(f"{title} {name}: {value}"))
        if step.logs:
            tree.add(Text(f"logs: {', '.join(step.logs)}"))
        console.print(tree)


def print_differences(
    differences: Iterable[Difference], names: Sequence[str], console: Console
) -> None:
    """Print one row for each thing in which two runs differ.

    Args:
        differences: What `compare_runs` yields.
        names: How the two runs are called.
        console: Where to.
    """
    found = list(differences)
    if not found:
        console.print("The runs do not differ.")
        return
    table = plain_table(console, "What", "Step", "Name", *names)
    for one in found:
        cells = (one.kind, one.step, one.name, _short(one.one), _short(one.other))
        table.add_row(*map(escape, cells))
    console.print(table)


def print_leaderboard(board: Leaderboard, console: Console) -> None:
    """Print one row for each model that AutoML tried, the best marked."""
    table = plain_table(console, "", "Iteration", "Learner", board.metric, *board.others)
    for iteration in board.iterations:
        best = iteration is board.best
        values = [iteration.metrics.get(name) for name in (board.metric, *board.others)]
        numbers = ["" if value is None else f"{value:.4f}" for value in values]
        row = ("*" if best else "", str(iteration.number), escape(iteration.learner), *numbers)
        table.add_row(*row, style="bold green" if best else None)
    console.print(table)


def print_assets(assets: Iterable[Asset], console: Console, *, used: str) -> None:
    """Print one row each.

    Args:
        assets: What is listed.
        console: Where to.
        used: What the column of their users is called.
    """
    table = plain_table(console, "Name", "Version", "What", "Tags", "Made by", used)
    between = "\n" if console.is_terminal else ", "
    for asset in assets:
        tags = between.join(f"{name}={_cut(value)}" for name, value in sorted(asset.tags.items()))
        cells = (asset.name, asset.version, asset.detail, tags, asset.made_by)
        table.add_row(*map(escape, cells), escape(between.join(asset.read_by)))
    console.print(table)


def assets_to_json(assets: Iterable[Asset]) -> str:
    """Return what a workspace keeps as JSON."""
    return json.dumps([asdict(asset) for asset in assets], indent=2)


def plain_table(console: Console, *columns: str) -> Table:
    """Return a table; without a frame, and one line a row, where nobody watches."""
    watched = console.is_terminal
    table = Table(box=HEAVY_HEAD if watched else None)
    for index, column in enumerate(columns):
        # what a row is called by can be copied whole
        table.add_column(column, overflow="fold", no_wrap=not watched or index == 0)
    return table


def _cut(text: str) -> str:
    if _DECIMAL.fullmatch(text):
        return f"{float(text):.4f}"
    return text if len(text) <= LONGEST_TAG else f"{text[: LONGEST_TAG - 1]}…"


def _numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first metrics that are a number."""
    numbers = {k: v for k, v in metrics.items() if isinstance(v, int | float)}
    return dict(list(numbers.items())[:SHOWN_METRICS])


def _short(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
