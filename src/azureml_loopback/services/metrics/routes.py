"""The metric service: batches of what is logged, and the whole of it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from azureml_loopback import odata, wire
from azureml_loopback.errors import NotImplementedHere, ServiceError
from azureml_loopback.paging import page
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.history import state as history
from azureml_loopback.services.metrics import history_routes, state

routes = Routes("/metric/v2.0/{scope}/runs/{run}")
services = [routes, history_routes.routes]

_NAMES_PAGE = 500
_VALUES_PAGE = 5000


@routes.post("batch")
def post(call: Call) -> Answer:
    """Take a batch of metrics; with ``reportErrors`` each one's error stands by itself."""
    body = wire.check("restclient.BatchMetricV2Dto", call.object())
    run_id = _run_id(call)
    errors = []
    for metric in body.get("values") or []:
        try:
            state.log(call.loopback.store, run_id, metric)
        except ServiceError as error:
            if not body.get("reportErrors"):
                raise
            errors.append({"metric": metric, "errorResponse": {"error": error.body()["error"]}})
    return Answer({"errors": errors}, status=207) if errors else Answer({})


@routes.post("list")
def names(call: Call) -> dict[str, Any]:
    """List the names of a run's metrics, with their columns."""
    body = wire.check("restclient.ListMetricsDto", call.object())
    if body.get("metricNamespace"):
        raise NotImplementedHere("Metric namespaces are not implemented")
    found = state.metrics(call.loopback.store, _run_id(call))
    part = page(found, _NAMES_PAGE, body.get("continuationToken"))
    values = [
        {"metricKey": {"namespace": "", "name": metric["name"]}, "columns": metric["columns"]}
        for metric in part.values
    ]
    return {"value": values, "continuationToken": part.token}


@routes.post("full")
def full(call: Call) -> dict[str, Any]:
    """Return a metric with its values."""
    body = wire.check("restclient.RetrieveFullFidelityMetricRequestDto", call.object())
    store, run_id, name = call.loopback.store, _run_id(call), str(body.get("metricName"))
    metric = state.get(store, run_id, name)
    found = list(filter(_between(body), state.values(store, run_id, name)))
    part = page(found, _VALUES_PAGE, body.get("continuationToken"))
    answer: dict[str, Any] = wire.answer(
        "restclient.MetricV2Dto",
        {
            **metric,
            "value": [wire.public(value) for value in part.values],
            "continuationToken": part.token,
        },
    )
    return answer


def _between(body: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:
    """Return what says whether a value was logged in the time that is asked for."""
    limits = {"ge": body.get("startTime"), "le": body.get("endTime")}
    terms = [f"createdUtc {verb} {time}" for verb, time in limits.items() if time]
    return odata.parse(" and ".join(terms), ("createdUtc",)).wants


def _run_id(call: Call) -> str:
    return str(history.get_run(call.loopback.store, call.parts["run"])["runId"])
