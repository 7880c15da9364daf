"""Metrics by the run history's older routes (``MetricDto``), kept as the newer ones' values.

The older form has a cell for each column and row; the newer one a value for each row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from azureml_loopback import odata, wire
from azureml_loopback.errors import NotImplementedHere
from azureml_loopback.paging import PAGE, page
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.history import state as history
from azureml_loopback.services.history.access import experiment_of, run_of
from azureml_loopback.services.metrics import state
from azureml_loopback.store import Document, Store

routes = Routes("/history/v1.0/{scope}/experiments/{experiment}")

_FIELDS = ("runId", "metricId", "metricType", "name", "createdUtc")
_ARTIFACT = "Artifact"


@routes.post("runs/{run}/metrics")
def post(call: Call) -> Answer:
    """Take one metric."""
    _log(call, wire.check("restclient.MetricDto", call.object()))
    return Answer({})


@routes.post("runs/{run}/batch/metrics")
def post_several(call: Call) -> Answer:
    """Take several metrics."""
    for metric in wire.check("restclient.BatchMetricDto", call.object()).get("values") or []:
        _log(call, metric)
    return Answer({})


@routes.get("runs/{run}/metricsingest/wait", query=("sourceValue",))
def wait(call: Call) -> Answer:
    """Say that all metrics are there: what was taken is kept before it is answered."""
    run_of(call)
    return Answer({})


@routes.get("metrics/{metric_id}")
def get(call: Call) -> dict[str, Any]:
    """Return one value of a metric."""
    value = state.value_with_id(call.loopback.store, call.parts["metric_id"])
    metric = state.get(call.loopback.store, value["_runId"], value["_name"])
    return _as_older(metric, value)


@routes.post("metrics:query", query=("mergestrategytype",))
def query(call: Call) -> dict[str, Any]:
    """List the values that a filter wants, each as a metric of its own."""
    body = wire.check("restclient.QueryParamsDto", call.object())
    strategy = call.query.get("mergestrategytype", "None")
    if strategy not in {"None", "Default"}:
        raise NotImplementedHere(f"mergestrategytype {strategy} is not implemented")
    wanted = odata.parse(body.get("filter"), _FIELDS)
    pinned = wanted.pinned.get("runId")
    run_ids = [pinned] if pinned else _run_ids(call)
    everything = (found for run_id in run_ids for found in _of_run(call.loopback.store, run_id))
    found = odata.ordered(filter(wanted.wants, everything), body.get("orderby"), _FIELDS)
    part = page(found, body.get("top") or PAGE, body.get("continuationToken"))
    return {"value": list(part.values), "continuationToken": part.token}


def _run_ids(call: Call) -> list[str]:
    runs = history.runs(call.loopback.store, experiment_of(call)["experimentId"])
    return [run["runId"] for run in runs]


def _of_run(store: Store, run_id: str) -> Iterator[dict[str, Any]]:
    for metric in state.metrics(store, run_id):
        for value in state.values(store, run_id, metric["name"]):
            yield _as_older(metric, value)


def _log(call: Call, metric: Mapping[str, Any]) -> None:
    state.log(call.loopback.store, run_of(call)["runId"], _as_newer(metric))


def _as_newer(metric: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ``MetricDto`` as a ``MetricV2Dto``."""
    name, location = str(metric.get("name")), metric.get("dataLocation")
    if location:
        columns, rows = {name: _ARTIFACT}, [{name: location}]
    else:
        schema = (metric.get("schema") or {}).get("properties") or []
        columns = {column["propertyId"]: _newer_type(column["type"]) for column in schema}
        rows = _rows(metric.get("cells") or [])
    # only the first row can have the metric's own id; the others get one from it
    ids = (f"{metric.get('metricId')}{f'-{index}' if index else ''}" for index in range(len(rows)))
    time = metric.get("createdUtc")
    return {
        "name": name,
        "columns": columns,
        "value": [
            {"metricId": id_, "createdUtc": time, "data": row}
            for id_, row in zip(ids, rows, strict=True)
        ],
        "properties": {"uxMetricType": metric.get("metricType")},
    }


def _rows(cells: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of cells, which come column after column."""
    columns: dict[str, list[Any]] = {}
    for cell in cells:
        for column, value in cell.items():
            columns.setdefault(column, []).append(value)
    return [dict(zip(columns, row, strict=True)) for row in zip_longest(*columns.values())]


def _as_older(metric: Document, value: Document) -> dict[str, Any]:
    """Return one value of a metric as a ``RunMetricDto``."""
    name, columns = metric["name"], metric["columns"]
    is_file = columns.get(name) == _ARTIFACT
    cells = [{column: None if is_file else cell} for column, cell in value["data"].items()]
    schema = [
        {"propertyId": column, "name": name, "type": kind} for column, kind in columns.items()
    ]
    shown: dict[str, Any] = wire.answer(
        "restclient.RunMetricDto",
        {
            "runId": value["_runId"],
            "metricId": value["metricId"],
            "metricType": metric["properties"].get("uxMetricType"),
            "createdUtc": value["createdUtc"],
            "name": name,
            "numCells": len(cells),
            "dataLocation": value["data"][name] if is_file else None,
            "cells": cells,
            "schema": {"numProperties": len(schema), "properties": schema},
        },
    )
    return shown


def _newer_type(kind: str) -> str:
    return "double" if kind == "float" else kind
