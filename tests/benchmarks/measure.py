"""Time commands as whole processes, side by side in one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figures:
    """Medians over the counted runs of one command.

    Attributes:
        seconds: Wall-clock time of the process, start-up included.
        gigabytes: Largest resident set, file pages that are mapped included.
        ratios: Wall time over the first command's, run by run: least, median and most.
    """

    seconds: float
    gigabytes: float
    ratios: tuple[float, float, float]


def side_by_side(
    commands: Mapping[str, Sequence[str]], *, runs: int, folder: Path, warm_up: bool = True
) -> dict[str, Figures]:
    """Run the commands in turn, A B C A B C …, so that a machine's drift meets them all.

    Args:
        commands: Name to command; the first is what the others are compared with.
        runs: Counted runs of each, after one that is not counted.
        folder: Where they run.
        warm_up: Whether to run each once before counting.

    Raises:
        RuntimeError: If a command fails; the message ends with its standard error.
    """
    if warm_up:
        for command in commands.values():
            _run(command, folder)
    taken = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            taken[name].append(_run(command, folder))
    first = [seconds for seconds, _ in next(iter(taken.values()))]
    return {
        name: Figures(
            statistics.median(seconds for seconds, _ in figures),
            statistics.median(gigabytes for _, gigabytes in figures),
            _spread([figure[0] / base for figure, base in zip(figures, first, strict=True)]),
        )
        for name, figures in taken.items()
    }


def table(figures: Mapping[str, Figures], against: str) -> str:
    """Return the figures as Markdown."""
    rows = [
        f"| | wall s | peak GB | wall / {against}: median (least to most) |",
        "|---|---|---|---|",
    ]
    for name, figure in figures.items():
        least, median, most = figure.ratios
        rows.append(
            f"| {name} | {figure.seconds:.2f} | {figure.gigabytes:.2f} "
            f"| {median:.2f} ({least:.2f} to {most:.2f}) |"
        )
    return "\n".join(rows)


def _run(command: Sequence[str], folder: Path) -> tuple[float, float]:
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(
            f"{' '.join(command)} exited with {process.returncode}:\n{error[-2000:]}"
        )
    return seconds, usage.ru_maxrss / 1e6


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)
