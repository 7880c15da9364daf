"""What AutoML tried, as values and as a plot, from the metrics that it left."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_deploy.errors import ServiceError

LEARNERS = ("learner", "run_algorithm")
"""What a metrics file may call the learner; Azure's own has none."""

SHOWN = 3
"""How many metrics a table has beside the primary one."""

_NUMBER = re.compile(r"(\d+)$")


@dataclass(frozen=True)
class Iteration:
    """One model that AutoML tried."""

    number: int
    learner: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Leaderboard:
    """All that AutoML tried, in order.

    Attributes:
        metric: What the best is best by.
        iterations: Those that have a value of it.
        best: The best of them.
    """

    metric: str
    iterations: tuple[Iteration, ...]
    best: Iteration

    @property
    def others(self) -> tuple[str, ...]:
        """Return some metrics to show beside the primary one."""
        names = [name for name in self.best.metrics if name != self.metric]
        return tuple(names[:SHOWN])

    @property
    def best_so_far(self) -> tuple[float, ...]:
        """Return of each iteration the best value up to it."""
        choose = min if smaller_is_better(self.metric) else max
        values = [iteration.metrics[self.metric] for iteration in self.iterations]
        return tuple(choose(values[: index + 1]) for index in range(len(values)))


def smaller_is_better(metric: str) -> bool:
    """Say whether AutoML makes a metric small: of its primary ones, those of an error."""
    return "error" in metric


def read_leaderboard(file: Path, metric: str | None) -> Leaderboard:
    """Read the metrics that AutoML left.

    Args:
        file: JSON: iteration -> {metric -> [value]}.
        metric: The primary metric; the file's first if it is not known.

    Raises:
        ServiceError: The file is no such thing.
    """
    try:
        values: Mapping[str, Mapping[str, Sequence[Any]]] = json.loads(file.read_text("utf-8"))
        iterations = sorted((_iteration(*item) for item in values.items()), key=lambda i: i.number)
        chosen = metric or next(iter(iterations[0].metrics))
        known = tuple(i for i in iterations if chosen in i.metrics)
        choose = min if smaller_is_better(chosen) else max
        return Leaderboard(chosen, known, choose(known, key=lambda i: i.metrics[chosen]))
    except (ValueError, TypeError, AttributeError, IndexError, StopIteration) as error:
        raise ServiceError(
            f"{file} holds no metrics of AutoML's iterations"
            f"{f' with {metric}' if metric else ''} ({error})"
        ) from None


def plot_leaderboard(board: Leaderboard, file: Path) -> None:
    """Plot the primary metric of each iteration, and the best up to it.

    Args:
        board: What to plot.
        file: A PNG; its folder is there.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (only where it is installed)
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    numbers = [iteration.number for iteration in board.iterations]
    values = [iteration.metrics[board.metric] for iteration in board.iterations]
    axes.plot(numbers, values, "o", label="iteration", color="tab:blue")
    axes.step(numbers, board.best_so_far, where="post", label="best so far", color="tab:gray")
    place = board.best.number, board.best.metrics[board.metric]
    axes.plot(*place, "*", markersize=14, color="tab:orange")
    title = f"Best: {board.best.learner or f'iteration {place[0]}'}, {place[1]:.4f}"
    axes.set(xlabel="Iteration", ylabel=board.metric, title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    draft = file.with_name(f".{file.name}")
    figure.savefig(draft, dpi=120, format="png")
    draft.replace(file)


def _iteration(name: str, values: Mapping[str, Sequence[Any]]) -> Iteration:
    found = _NUMBER.search(name)
    if found is None:
        raise ValueError(f"'{name}' names no iteration")
    last = {key: value[-1] for key, value in values.items() if value}
    learner = next((str(last[key]) for key in LEARNERS if key in last), "")
    numbers = {
        key: float(value)
        for key, value in last.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return Iteration(int(found[1]), learner, numbers)
