"""The contract of raw passengers, checked by pandera where the catalog says ``validator:``.

Reached by name from the catalog only, so that the nodes run where pandera does not import (beside
the pandas 1.5.3 of Azure's AutoML runtime).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import narwhals as nw
import pandas as pd
from kedro.validation import DataValidationError

MOST_VIOLATIONS = 1000
"""Lines of one message; a file with more is broken throughout, and says how many more there are."""


@dataclass(frozen=True)
class Column:
    """What one raw column may hold.

    Attributes:
        kind: ``int``, ``float`` or ``text``.
        missing: Whether a value may be missing.
        allowed: The allowed values, or none for any.
        least: Smallest number allowed.
        most: Largest number allowed.
        unique: Whether no value may come twice.
    """

    kind: str
    missing: bool = False
    allowed: tuple[Any, ...] = ()
    least: float | None = None
    most: float | None = None
    unique: bool = False


PASSENGERS = {
    "PassengerId": Column("int", least=1, most=2**31 - 1, unique=True),
    "Survived": Column("int", allowed=(0, 1)),
    "Pclass": Column("int", allowed=(1, 2, 3)),
    "Name": Column("text"),
    "Sex": Column("text", missing=True, allowed=("male", "female", "unknown")),
    "Age": Column("float", missing=True, least=0, most=120),
    "SibSp": Column("int", least=0, most=20),
    "Parch": Column("int", least=0, most=20),
    "Ticket": Column("text", missing=True),
    "Fare": Column("float", missing=True, least=0, most=10_000),
    "Cabin": Column("text", missing=True),
    "Embarked": Column("text", missing=True, allowed=("S", "C", "Q", "U")),
}
"""Columns of ``data/01_raw/titanic.csv``. Years for Age, pounds for Fare."""


@dataclass(frozen=True)
class Violation:
    """One value that breaks the contract; ``row`` is its 1-based data row, if it is of one row."""

    column: str
    row: int | None
    value: str | None
    must: str


class ContractError(DataValidationError):
    """Raw data that break their contract; the message has a line for each violation."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        """Sort the violations by row, those of a whole column first."""
        self.violations = tuple(
            sorted(violations, key=lambda each: (each.row or 0, each.column, each.must))
        )
        super().__init__("Raw data break their contract")

    def __str__(self) -> str:
        """Every violation with its column, row and value."""
        count = len(self.violations)
        lines = [
            f"Dataset '{self.dataset_name or 'passengers'}' breaks its contract "
            f"in {count} place{'' if count == 1 else 's'}:"
        ]
        for each in self.violations[:MOST_VIOLATIONS]:
            place = "whole column" if each.row is None else f"row {each.row}"
            found = "" if each.value is None else f" is {each.value!r},"
            lines.append(f"  column {each.column}, {place}:{found} must be {each.must}")
        if count > MOST_VIOLATIONS:
            lines.append(f"  … and {count - MOST_VIOLATIONS} more")
        lines.append(
            "Row 1 is the first below the header. Correct these values in the file that the "
            "catalog names for this dataset; nothing was written."
        )
        return "\n".join(lines)


class Passengers:
    """Validator of raw passengers for the catalog's ``validator:`` key.

    Checks every row of a pandas or polars frame. A polars ``LazyFrame`` is collected first, with
    the columns of the contract only: pandera by itself would check no more than its schema.
    """

    def __init__(self, *, columns: list[str] | None = None, survived: bool = True) -> None:
        """Choose what to check.

        Args:
            columns: The columns that must be there; default all of the contract.
            survived: Whether the label must be there; ``False`` for new passengers.

        Raises:
            ValueError: If a name is not a column of the contract.
        """
        unknown = sorted(set(columns or ()) - set(PASSENGERS))
        if unknown:
            raise ValueError(f"no such columns: {unknown}; the contract has {list(PASSENGERS)}")
        self._contract = {
            name: column
            for name, column in PASSENGERS.items()
            if (columns is None or name in columns) and (survived or name != "Survived")
        }

    def validate(self, data: Any) -> Any:
        """Return the data, with their numbers as numbers, or raise.

        Raises:
            ContractError: If any row, column or value breaks the contract.
        """
        frame = nw.from_native(data)
        if isinstance(frame, nw.LazyFrame):
            present = frame.collect_schema().names()
            frame = frame.select(name for name in self._contract if name in present).collect()
        if not len(frame):
            raise ContractError([Violation("PassengerId", None, "no rows", "at least one row")])
        return _validate(frame, self._contract)


def _validate(frame: nw.DataFrame[Any], contract: Mapping[str, Column]) -> Any:
    numbers, violations = _as_numbers(frame, contract)
    backend = _pandera(frame)
    schema = backend.DataFrameSchema(
        {
            name: _pandera_column(
                backend, column, unique=column.unique and not _only_grows(numbers, name)
            )
            for name, column in contract.items()
        }
    )
    try:
        validated = schema.validate(numbers.to_native(), lazy=True)
    except backend.errors.SchemaErrors as errors:
        cases = nw.from_native(errors.failure_cases, eager_only=True).iter_rows(named=True)
        known = {(each.column, each.row) for each in violations}
        found = (_violation(case, contract) for case in cases)
        violations += [each for each in found if (each.column, each.row) not in known]
        raise ContractError(violations) from errors
    if violations:
        raise ContractError(violations)
    return validated


def _as_numbers(
    frame: nw.DataFrame[Any], contract: Mapping[str, Column]
) -> tuple[nw.DataFrame[Any], list[Violation]]:
    """Convert columns of numbers that were loaded as something else.

    A single bad value makes a whole column load as text. Converted one by one, each such value is
    reported with its row, and the rest of its column is still checked.

    Returns:
        The frame, with a missing value wherever one was no number; and those values.
    """
    violations: list[Violation] = []
    for name, column in contract.items():
        if name not in frame.columns or _fits(frame[name].dtype, column.kind):
            continue
        loaded = pd.Series(frame[name].to_list(), dtype=object)
        numbers = pd.to_numeric(loaded, errors="coerce").astype(float)
        is_whole = numbers.mod(1).eq(0) if column.kind == "int" else numbers.notna()
        wrong = loaded.notna() & ~is_whole
        must = "a whole number" if column.kind == "int" else "a number"
        violations += [
            Violation(name, int(row) + 1, _as_written(loaded[row]), must)
            for row in loaded.index[wrong]
        ]
        converted = nw.Series.from_numpy(
            name, numbers.mask(wrong).to_numpy(), backend=frame.implementation
        )
        whole = column.kind == "int" and not numbers.mask(wrong).isna().any()
        frame = frame.with_columns(converted.cast(nw.Int64) if whole else converted.fill_nan(None))
    return frame, violations


def _fits(loaded: Any, kind: str) -> bool:
    return bool({"int": loaded.is_integer(), "float": loaded.is_numeric(), "text": True}[kind])


def _only_grows(frame: nw.DataFrame[Any], name: str) -> bool:
    """Say whether each value is above the one before, which makes them unique.

    Of ten million numbers it takes a thirtieth of the time that looking for duplicates takes.
    """
    if name not in frame.columns or frame[name].is_null().any():
        return False
    return bool((frame[name].cast(nw.Int64).diff().drop_nulls() > 0).all())


def _pandera(frame: nw.DataFrame[Any]) -> ModuleType:
    """Import pandera for the frame's library: each takes a second that the other's users save."""
    name = "pandera.polars" if frame.implementation.is_polars() else "pandera.pandas"
    return importlib.import_module(name)


def _pandera_column(backend: ModuleType, column: Column, *, unique: bool) -> Any:
    checks = []
    if column.allowed:
        checks.append(backend.Check.isin(list(column.allowed)))
    if column.least is not None:
        checks.append(backend.Check.in_range(column.least, column.most))
    return backend.Column(nullable=column.missing, unique=unique, checks=checks)


def _violation(case: Mapping[str, Any], contract: Mapping[str, Column]) -> Violation:
    check, row = str(case["check"]), case["index"]
    if check == "column_in_dataframe":
        return Violation(str(case["failure_case"]), None, None, "in the file")
    column = contract[case["column"]]
    must = {
        "not_nullable": "there",
        "field_uniqueness": "unique",
        "isin": f"one of {', '.join(map(str, column.allowed))}",
        "in_range": f"from {column.least} to {column.most}",
    }[check.partition("(")[0]]
    value = None if check == "not_nullable" else _as_written(case["failure_case"])
    return Violation(case["column"], int(row) + 1, value, must)


def _as_written(value: Any) -> str:
    """Show a value as the file has it: pandas made ``2.0`` of a 2 beside a missing value."""
    return str(value).removesuffix(".0")
