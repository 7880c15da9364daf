"""What runs log: a metric per run and name (``MetricV2Dto``), and each of its values by itself.

Values are only ever added, so a batch that a client sends twice is known by its values' ids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.store import Document, Store

_METRIC = "metric"
_VALUE = "metric value"
_WIDENS = {("int", "double"), ("double", "int")}
"""Column types that give way to ``double``."""


def log(store: Store, run_id: str, metric: Mapping[str, Any]) -> None:
    """Add a metric's values to a run.

    Args:
        store: Where.
        run_id: The run.
        metric: A ``MetricV2Dto``: name, columns (name -> type), values, properties.

    Raises:
        BadRequest: It has no name or no values, or another kind or type than what was logged
            under that name.
    """
    name = metric.get("name")
    values = metric.get("value") or []
    if not name or not values:
        raise BadRequest(f"A metric needs a name and values; found the name '{name}'")
    with store.transaction():
        known = store.find(_METRIC, _key(run_id, name))
        document = {
            "dataContainerId": f"dcid.{run_id}",
            "name": name,
            "columns": _columns(known, metric),
            "properties": _properties(known, metric),
        }
        store.put(_METRIC, _key(run_id, name), document, parent=run_id, name=name)
        for value in values:
            _add(store, run_id, name, value)


def metrics(store: Store, run_id: str) -> list[Document]:
    """Return a run's metrics without their values, in the order in which they came."""
    return store.list(_METRIC, parent=run_id)


def get(store: Store, run_id: str, name: str) -> Document:
    """Return a metric without its values.

    Raises:
        NotFound: The run has no such metric.
    """
    found = store.find(_METRIC, _key(run_id, name))
    if found is None:
        raise NotFound(f"Run '{run_id}' has no metric '{name}'")
    return found


def values(store: Store, run_id: str, name: str) -> list[Document]:
    """Return a metric's values (``MetricV2Value``), in the order in which they were logged.

    The SDK sends batches side by side, so they need not come in that order.
    """
    return sorted(store.list(_VALUE, parent=_key(run_id, name)), key=_logged_at)


def value_with_id(store: Store, metric_id: str) -> Document:
    """Return a value with ``_runId`` and ``_name``, by its id.

    Raises:
        NotFound: There is none.
    """
    found = store.list(_VALUE, name=metric_id, limit=1)
    if not found:
        raise NotFound(f"There is no metric value '{metric_id}'")
    return found[0]


def _add(store: Store, run_id: str, name: str, value: Mapping[str, Any]) -> None:
    metric_id = value.get("metricId") or store.new_id()
    data = {column: _finite(cell) for column, cell in (value.get("data") or {}).items()}
    document = {
        "metricId": metric_id,
        "createdUtc": value.get("createdUtc") or store.clock.text(),
        "step": value.get("step"),
        "data": data,
        "_runId": run_id,
        "_name": name,
    }
    key = f"{run_id}/{metric_id}"
    if store.find(_VALUE, key) is None:
        store.insert(_VALUE, key, document, parent=_key(run_id, name), name=metric_id)


def _columns(known: Document | None, metric: Mapping[str, Any]) -> dict[str, str]:
    columns = dict(known["columns"]) if known else {}
    for column, kind in (metric.get("columns") or {}).items():
        before = columns.setdefault(column, kind)
        if (before, kind) in _WIDENS:
            columns[column] = "double"
        elif before != kind:
            raise BadRequest(
                f"Metric '{metric['name']}': column '{column}' holds {before}, so no {kind} goes in"
            )
    return columns


def _properties(known: Document | None, metric: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = metric.get("properties") or {}
    kind = properties.get("uxMetricType")
    before = known["properties"].get("uxMetricType") if known else kind
    if before != kind:
        raise BadRequest(f"Metric '{metric['name']}' is a {before}, so no {kind} goes in")
    return properties


def _finite(cell: Any) -> Any:
    """Return what JSON can hold: not a number and infinity as text, which clients read back."""
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NaN" if math.isnan(cell) else "Infinity" if cell > 0 else "-Infinity"
    return cell


def _logged_at(value: Document) -> str:
    return str(value["createdUtc"]).removesuffix("Z").removesuffix("+00:00")


def _key(run_id: str, name: str) -> str:
    return f"{run_id}/{name}"
