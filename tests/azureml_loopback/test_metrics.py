"""Metrics of each kind, logged and read back by the real SDK."""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azureml_loopback.errors import BadRequest
from azureml_loopback.services.metrics import state
from azureml_loopback.store import Store

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
MATRIX = {
    "schema_type": "confusion_matrix",
    "schema_version": "v1",
    "data": {"class_labels": ["died", "lived"], "matrix": [[50, 5], [7, 28]]},
}
TABLE = {
    "schema_type": "accuracy_table",
    "schema_version": "v1",
    "data": {"probability_tables": [], "percentile_tables": [], "class_labels": []},
}
RESIDUALS = {
    "schema_type": "residuals",
    "schema_version": "v1",
    "data": {"bin_edges": [0, 1], "bin_counts": [3], "mean": 0.5, "edges": [0, 1], "counts": [3]},
}


@pytest.fixture(scope="module", autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the folders for outputs and logs, which the SDK makes where it is, out of the project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        yield


@pytest.fixture
def run(workspace: Any) -> Iterator[Any]:
    from azureml.core import Experiment

    experiment = Experiment(workspace, "metrics")
    with experiment.start_logging(snapshot_directory=None) as started:
        yield started


def logged(run: Any, **wanted: Any) -> Any:
    run.flush()
    return run.get_metrics(**wanted)


def test_a_value_comes_back_as_what_it_was(run: Any) -> None:
    values = {"float": 0.5, "int": 3, "text": "gini", "flag": True, "big": 2**40, "whole": 1.0}
    for name, value in values.items():
        run.log(name, value)
    found = logged(run)
    assert found == values
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in values.items()
    }


def test_numpy_values_come_back_as_numbers(run: Any) -> None:
    import numpy as np

    run.log("float", np.float64(0.25))
    run.log("int", np.int32(7))
    assert logged(run) == {"float": 0.25, "int": 7}


def test_values_that_json_cannot_hold_come_back(run: Any) -> None:
    for value in (math.nan, math.inf, -math.inf):
        run.log("loss", value)
    nan, *infinite = logged(run)["loss"]
    assert math.isnan(nan)
    assert infinite == [math.inf, -math.inf]


def test_a_name_logged_again_becomes_a_list(run: Any) -> None:
    for epoch in range(120):  # the SDK sends them fifty at a time
        run.log("loss", 1 / (epoch + 1), step=epoch)
    assert logged(run, name="loss") == {"loss": [1 / (epoch + 1) for epoch in range(120)]}


def test_whole_numbers_and_fractions_go_together(run: Any) -> None:
    run.log("loss", 2)
    run.log("loss", 1.5)
    assert logged(run) == {"loss": [2.0, 1.5]}


def test_metrics_add_up_over_flushes(run: Any) -> None:
    run.log("loss", 0.5)
    assert logged(run) == {"loss": 0.5}
    run.log("loss", 0.25)
    assert logged(run) == {"loss": [0.5, 0.25]}


def test_lists_rows_and_tables(run: Any) -> None:
    run.log_list("ages", [22, 38, 26])
    run.log_row("passenger", who="Braund", age=22, fare=7.25)
    run.log_row("epochs", epoch=1, loss=0.5)
    run.log_row("epochs", epoch=2, loss=0.25)
    run.log_table("fares", {"class": [1, 2, 3], "mean": [84.2, 20.7, 13.7]})
    assert logged(run) == {
        "ages": [22, 38, 26],
        "passenger": {"who": "Braund", "age": 22, "fare": 7.25},
        "epochs": {"epoch": [1, 2], "loss": [0.5, 0.25]},
        "fares": {"class": [1, 2, 3], "mean": [84.2, 20.7, 13.7]},
    }


def test_charts_are_files_that_metrics_point_to(run: Any, tmp_path: Path) -> None:
    image = tmp_path / "dot.png"
    image.write_bytes(PNG)
    run.log_confusion_matrix("matrix", MATRIX)
    run.log_accuracy_table("table", TABLE)
    run.log_residuals("residuals", RESIDUALS)
    run.log_image("dot", plot=Plot())
    found = logged(run)
    place = f"aml://artifactId/ExperimentRun/dcid.{run.id}"
    assert found["matrix"] == f"{place}/matrix"
    assert found["dot"].startswith(f"{place}/dot_")
    contents = logged(run, populate=True)
    assert json.loads(contents["matrix"].data) == MATRIX
    assert json.loads(contents["table"].data) == TABLE
    assert json.loads(contents["residuals"].data) == RESIDUALS
    assert contents["dot"].data == PNG


class Plot:
    """What `log_image` wants of matplotlib.pyplot."""

    @staticmethod
    def savefig(stream: Any, format: str) -> None:
        stream.write(PNG)


def test_metrics_of_a_tree_of_runs(run: Any) -> None:
    run.log("accuracy", 0.8)
    with run.child_run("fold") as fold:
        fold.log("accuracy", 0.7)
        with fold.child_run("inner") as inner:
            inner.log("accuracy", 0.6)
    assert logged(run, recursive=True) == {
        run.id: {"accuracy": 0.8},
        fold.id: {"accuracy": 0.7},
        inner.id: {"accuracy": 0.6},
    }
    assert logged(fold, recursive=True) == {
        fold.id: {"accuracy": 0.7},
        inner.id: {"accuracy": 0.6},
    }
    assert logged(run, name="accuracy") == {"accuracy": 0.8}
    assert logged(run, name="recall") == {}


def test_metrics_between_two_times(run: Any) -> None:
    from datetime import datetime, timedelta, timezone

    run.log("loss", 0.5)
    run.flush()
    now = datetime.now(timezone.utc)
    client = run._client.metrics
    assert client.get_metrics_for_run_v2(start_time=now - timedelta(hours=1)) == {"loss": 0.5}
    assert client.get_metrics_for_run_v2(start_time=now + timedelta(hours=1)) == {}
    assert client.get_metrics_for_run_v2(end_time=now - timedelta(hours=1)) == {}


def test_a_long_metric_comes_in_parts_that_lose_nothing(run: Any, loopback: Any) -> None:
    values = [{"metricId": str(uuid.uuid4()), "data": {"x": index}} for index in range(5001)]
    metric = {"name": "x", "columns": {"x": "int"}, "value": values, "properties": SCALAR}
    scope = run.experiment.workspace.service_context._get_workspace_scope()
    url = f"https://loopback.api.azureml.ms/metric/v2.0{scope}/runs/{run.id}/batch"
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:
        for _ in range(2):  # a client that lost the answer sends it again
            assert client.post(url, json={"values": [metric]}).status_code == 200
    assert logged(run)["x"] == list(range(5001))


def test_the_older_routes_hold_the_same_metrics(run: Any) -> None:
    from azureml.core._metrics import ListMetric, RowMetric, ScalarMetric, TableMetric

    older = run._client.metrics
    for metric in (
        ScalarMetric("accuracy", 0.5),
        ListMetric("ages", [22, 38]),
        RowMetric("passenger", {"age": 22, "fare": 7.25}),
        TableMetric("fares", {"class": [1, 2], "mean": [84.2, 20.7]}),
    ):
        older.log(metric)
    run.log("accuracy", 0.75)
    wanted = {
        "accuracy": [0.5, 0.75],
        "ages": [22, 38],
        "passenger": {"age": 22, "fare": 7.25},
        "fares": {"class": [1, 2], "mean": [84.2, 20.7]},
    }
    run.flush()
    assert older.get_all_metrics() == wanted
    assert run.get_metrics() == wanted
    assert older.get_all_metrics(run_ids=[run.id], name="ages") == {run.id: {"ages": [22, 38]}}


SCALAR = {"uxMetricType": "azureml.v1.scalar"}


class TestState:
    @pytest.mark.parametrize(
        "second",
        [
            {"columns": {"x": "string"}, "properties": SCALAR},
            {"columns": {"x": "double"}, "properties": {"uxMetricType": "azureml.v1.table"}},
        ],
    )
    def test_a_name_keeps_its_kind(self, second: dict[str, Any]) -> None:
        store = Store(":memory:")
        first = {"name": "x", "columns": {"x": "double"}, "properties": SCALAR}
        state.log(store, "run", {**first, "value": [{"data": {"x": 0.5}}]})
        with pytest.raises(BadRequest, match="'x'"):
            state.log(store, "run", {"name": "x", **second, "value": [{"data": {"x": "?"}}]})
        assert [value["data"] for value in state.values(store, "run", "x")] == [{"x": 0.5}]
