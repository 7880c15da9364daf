"""What differs between two runs, and between two folders of files. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azureml_deploy.runs.detail import RunDetail, StepDetail
from azureml_deploy.wording import many

Files = Mapping[str, bytes]
"""Path -> content."""

# of AutoML's settings, what names a machine or a moment, and no choice of anybody's
_INCIDENTAL = frozenset({"name", "path", "subscription_id", "region", "sdk_url", "debug_log"})


@dataclass(frozen=True)
class Difference:
    """One thing in which two runs differ.

    Attributes:
        kind: ``run``, ``parameter``, ``commit``, ``tag``, ``step``, ``input``, ``argument``,
            ``package``, ``setting``, ``snapshot`` or ``metric``.
        step: Whose; empty for the whole run.
        name: Which parameter, setting, metric or file.
        one: What the first run has; nothing if it has none.
        other: What the second has.
    """

    kind: str
    step: str
    name: str
    one: Any
    other: Any


@dataclass(frozen=True)
class FileChange:
    """A file that is not the same in two folders."""

    path: str
    change: str

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"{self.path}: {self.change}"


def compare_runs(
    one: RunDetail, other: RunDetail, snapshot: Callable[[str], Files]
) -> Iterator[Difference]:
    """Yield what differs: of the runs first, then step by step.

    Args:
        one: A run.
        other: Another.
        snapshot: Gives the files of a snapshot by its id; asked only where ids differ.
    """
    yield from _pairs("run", "", {"status": one.state.status}, {"status": other.state.status})
    yield from _pairs("parameter", "", one.parameters, other.parameters)
    yield from _pairs("commit", "", one.git, other.git)
    yield from _pairs("tag", "", one.tags, other.tags)
    ones = {step.state.name: step for step in one.steps}
    others = {step.state.name: step for step in other.steps}
    yield from _pairs("step", "", dict.fromkeys(ones, "there"), dict.fromkeys(others, "there"))
    for name in (name for name in ones if name in others):
        yield from _compare_steps(name, ones[name], others[name], snapshot)


def compare_files(one: Files, other: Files) -> Iterator[FileChange]:
    """Yield the files that were added, removed or changed, by path.

    Args:
        one: The files before.
        other: The files after.
    """
    for path in sorted(one.keys() | other.keys()):
        before, after = one.get(path), other.get(path)
        if before == after:
            continue
        if before is None:
            yield FileChange(path, "added")
        elif after is None:
            yield FileChange(path, "removed")
        else:
            yield FileChange(path, _lines(before, after))


def _compare_steps(
    name: str, one: StepDetail, other: StepDetail, snapshot: Callable[[str], Files]
) -> Iterator[Difference]:
    yield from _pairs("input", name, _datasets(one), _datasets(other))
    yield from _compare_arguments(name, _arguments(one), _arguments(other))
    yield from _pairs("package", name, _packages(one), _packages(other))
    yield from _pairs("setting", name, _settings(one), _settings(other))
    if one.snapshot != other.snapshot and one.snapshot and other.snapshot:
        for change in compare_files(snapshot(one.snapshot), snapshot(other.snapshot)):
            yield Difference("snapshot", name, change.path, None, change.change)
    yield from _pairs("metric", name, one.metrics, other.metrics)


def _pairs(
    kind: str, step: str, one: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[Difference]:
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            yield Difference(kind, step, name, one.get(name), other.get(name))


def _datasets(step: StepDetail) -> dict[str, str]:
    """Return the datasets that a step read; what it read of its own run's differs by the run."""
    return {name: text for name, text in step.inputs.items() if text.startswith("dataset")}


def _arguments(step: StepDetail) -> tuple[str, ...]:
    return step.script.arguments if step.script else ()


def _compare_arguments(
    step: str, one: tuple[str, ...], other: tuple[str, ...]
) -> Iterator[Difference]:
    """Yield, where arguments differ, those that only one of the two has, or else the order."""
    if one != other:
        before = [argument for argument in one if argument not in other]
        after = [argument for argument in other if argument not in one]
        if not before and not after:
            before, after = list(one), list(other)
        yield Difference("argument", step, "", " ".join(before) or None, " ".join(after) or None)


def _packages(step: StepDetail) -> dict[str, str]:
    return dict.fromkeys(step.script.packages, "declared") if step.script else {}


def _settings(step: StepDetail) -> dict[str, Any]:
    return {name: value for name, value in step.settings.items() if name not in _INCIDENTAL}


def _lines(before: bytes, after: bytes) -> str:
    """Say how many lines of a text were added and removed."""
    try:
        texts = before.decode().splitlines(), after.decode().splitlines()
    except UnicodeDecodeError:
        return f"{many(len(before), 'byte')} became {many(len(after), 'byte')}"
    _, _, *changes = (line[:1] for line in difflib.unified_diff(*texts, n=0, lineterm=""))
    return f"+{changes.count('+')} -{changes.count('-')} lines"
