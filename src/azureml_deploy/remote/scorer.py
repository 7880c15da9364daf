"""A Kedro pipeline that answers requests: loaded once, run in memory for each.

The module travels with the endpoint's entry script, so it imports nothing of this package.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from kedro.validation import DataValidationError

Records = Sequence[Mapping[str, Any]]
Answer = dict[str, Any]

_SHOWN_VALUE = 80


class ScoringError(Exception):
    """The pipeline cannot be served: the message names the dataset, why, and the remedy."""


class RequestError(Exception):
    """A request that cannot be answered.

    Attributes:
        status: HTTP status: 400 for what is no list of records, 422 for records that break the
            request's contract.
        violations: One mapping for each wrong value: column, row (from 1), value, must.
    """

    def __init__(
        self, status: int, message: str, violations: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.status = status
        self.violations = tuple(dict(each) for each in violations)

    def body(self) -> Answer:
        """Return the answer's JSON."""
        error: dict[str, Any] = {"message": str(self)}
        if self.violations:
            error["violations"] = list(self.violations)
        return {"error": error}


class Scorer:
    """A scoring pipeline with its model, ready to be asked by several threads at once."""

    def __init__(
        self,
        pipeline: Pipeline,
        catalog: Any,
        *,
        request: str,
        response: str,
        row_key: str | None = None,
        loaded: Mapping[str, Any] | None = None,
    ) -> None:
        """Load the model, and run what does not depend on a request.

        Args:
            pipeline: The scoring pipeline.
            catalog: The project's `DataCatalog`.
            request: The dataset that a request takes the place of.
            response: The dataset that is the answer.
            row_key: Column of both that says which row of the answer belongs to which of the
                request; without one, the answer's rows stay in the pipeline's order.
            loaded: What takes the place of inputs of the catalog.

        Raises:
            ScoringError: The pipeline does not lead from the request to the response, or an input
                of it cannot be loaded.
        """
        wanted = _between(pipeline, request, response)
        self._request, self._response, self._row_key = request, response, row_key
        self._pipeline = wanted.from_inputs(request)
        self._entry = _entry(catalog, request)
        values = dict(loaded or {})
        for name in sorted(wanted.inputs() - {request, *values}):
            values[name] = _load(catalog, name)
        for node in (wanted - self._pipeline).nodes:
            values.update(node.run({name: values[name] for name in node.inputs}))
        self._shared = {name: values[name] for name in self._pipeline.inputs() - {request}}

    def score(self, records: Records) -> Any:
        """Return the answer to some records.

        Args:
            records: One mapping of column to value for each row.

        Returns:
            The response's rows as mappings, ready for JSON; a response that is no table as it is.

        Raises:
            RequestError: The records are none, or break the request's contract.
        """
        frame = self._checked(_frame(records))
        # what requests share is not copied: nodes that change their inputs break Kedro's own rule
        shared = {name: MemoryDataset(v, copy_mode="assign") for name, v in self._shared.items()}
        own = {name: MemoryDataset(copy_mode="deepcopy") for name in self._pipeline.all_outputs()}
        asked = MemoryDataset(frame, copy_mode="deepcopy")
        catalog = DataCatalog({**shared, **own, self._request: asked})
        SequentialRunner().run(self._pipeline, catalog)
        response = catalog.load(self._response)
        if not isinstance(response, pd.DataFrame):
            return response
        return _rows(self._in_order(response, frame))

    def _checked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Let the catalog's validator see the request, as it sees the file of a `kedro run`."""
        catalog = DataCatalog.from_config({self._request: self._entry})
        catalog[self._request].save(frame)
        try:
            checked: pd.DataFrame = catalog.load(self._request)
        except DataValidationError as error:
            message = str(error).partition("\n")[0].rstrip(":")
            raise RequestError(
                422, f"{message}; row 1 is the first record", _violations(error)
            ) from error
        key = self._row_key
        if key is not None and not _tells_apart(checked, key):
            must = "there, and another in each row"
            raise RequestError(
                422, "The rows cannot be told apart", [_violation(key, None, None, must)]
            )
        return checked

    def _in_order(self, response: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
        """Put the answer's rows in the request's order."""
        key = self._row_key
        if key is None:
            return response
        if not _tells_apart(response, key) or set(response[key]) != set(frame[key]):
            raise ScoringError(
                f"row_key {key} of '{self._response}' does not tell its rows apart as that of "
                f"'{self._request}' does"
            )
        return response.set_index(key, drop=False).loc[frame[key]]


def _tells_apart(table: pd.DataFrame, key: str) -> bool:
    return key in table and bool(table[key].is_unique)


def read_request(text: str | bytes) -> Records:
    """Return the records of a request's body: a list of objects, or that under ``data``.

    Raises:
        RequestError: It is not that.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"The body is no JSON: {error}") from None
    records = body.get("data") if isinstance(body, dict) else body
    if not isinstance(records, list) or not records:
        raise RequestError(
            400, 'The body must be {"data": [{"COLUMN": VALUE, …}, …]}, or that list, with a row'
        )
    return records


def quiet_kedro() -> None:
    """Keep Kedro's line for each node of each request out of the log."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("kedro.") and isinstance(logger, logging.Logger):
            logger.setLevel(max(logger.level, logging.WARNING))


def _between(pipeline: Pipeline, request: str, response: str) -> Pipeline:
    """Return the part of a pipeline that the response needs."""
    for name, there, what in (
        (request, pipeline.inputs(), "reads from outside"),
        (response, pipeline.all_outputs(), "makes"),
    ):
        if name not in there:
            raise ScoringError(
                f"'{name}' is no dataset that the scoring pipeline {what} "
                f"(it {what}: {', '.join(sorted(there))})"
            )
    wanted = pipeline.to_outputs(response)
    if request not in wanted.inputs():
        raise ScoringError(f"'{response}' is made without '{request}': there is nothing to serve")
    return wanted


def _entry(catalog: Any, request: str) -> dict[str, Any]:
    """Return the entry that validates a request, in memory."""
    catalog.get(request, fallback_to_runtime_pattern=True)
    entry = {"type": "MemoryDataset", "copy_mode": "assign"}
    spec = catalog.validator_specs.get(request)
    return {**entry, "validator": spec.to_config()} if spec else entry


def _load(catalog: Any, name: str) -> Any:
    try:
        return catalog.load(name)
    except DatasetError as error:
        cause = error.__cause__ or error
        raise ScoringError(f"'{name}' cannot be loaded: {cause}") from cause


def _frame(records: Records) -> pd.DataFrame:
    """Make a table of records, refusing what has no place in one."""
    violations = []
    for row, record in enumerate(records, start=1):
        if not isinstance(record, Mapping):
            violations.append(_violation(None, row, record, "an object of column to value"))
            continue
        violations += [
            _violation(str(column), row, value, "text, a number, true, false or null")
            for column, value in record.items()
            if isinstance(value, list | dict)
        ]
    if violations:
        raise RequestError(422, "The request has values that are no table's", violations)
    return pd.DataFrame.from_records(list(records))


def _violation(column: str | None, row: int | None, value: Any, must: str) -> dict[str, Any]:
    shown = value if value is None or isinstance(value, str) else json.dumps(value, default=str)
    return {"column": column, "row": row, "value": shown and shown[:_SHOWN_VALUE], "must": must}


def _violations(error: DataValidationError) -> Iterable[dict[str, Any]]:
    """Return a validator's own list of violations, or pandera's failed cases, or its message."""
    listed = getattr(error, "violations", None)
    if listed is not None:
        return [dataclasses.asdict(each) for each in listed]
    cases = getattr(error.__cause__, "failure_cases", None)
    if isinstance(cases, pd.DataFrame):
        return [
            _violation(
                None if pd.isna(case["column"]) else str(case["column"]),
                None if pd.isna(case["index"]) else int(case["index"]) + 1,
                case["failure_case"],
                str(case["check"]),
            )
            for case in cases.to_dict("records")
        ]
    return [_violation(None, None, None, error.message)]


def _rows(frame: pd.DataFrame) -> list[Answer]:
    """Return a table's rows with JSON's own values; a missing one is null."""
    columns = {str(name): [_plain(v) for v in frame[name].tolist()] for name in frame}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if value is pd.NaT or value is pd.NA else str(value)
