"""The scorer: a pipeline in memory, asked by several threads at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Pipeline, node

from azureml_deploy.remote.scorer import RequestError, Scorer, ScoringError, read_request

unpacked: list[str] = []


def unpack(model: dict[str, float]) -> float:
    unpacked.append("once")
    return model["factor"]


def spoil(rows: pd.DataFrame, factor: float) -> pd.DataFrame:
    rows["x"] *= factor  # in place, which must not reach the other node
    return rows


def answer(rows: pd.DataFrame, scaled: pd.DataFrame) -> pd.DataFrame:
    table = rows.assign(y=scaled["x"], when=pd.Timestamp("2020-01-02"), none=float("nan"))
    return table.sort_values("key")


def lose(scaled: pd.DataFrame) -> pd.DataFrame:
    return scaled.drop(columns="key")


def draw(rows: pd.DataFrame) -> None:
    raise AssertionError("nothing that the response does not need may run")


PIPELINE = Pipeline(
    [
        node(unpack, "model", "factor", name="unpack"),
        node(spoil, ["rows", "factor"], "scaled", name="spoil"),
        node(answer, ["rows", "scaled"], "answers", name="answer"),
        node(lose, "scaled", "lost", name="lose"),
        node(draw, "rows", "picture", name="draw"),
    ]
)
SCHEMA = pa.DataFrameSchema({"x": pa.Column(float, pa.Check.ge(0), coerce=True)})


def catalog(validator: Any = None) -> DataCatalog:
    entry = {"type": "pandas.CSVDataset", "filepath": "nowhere.csv"}
    if validator:
        entry["validator"] = validator
    found = DataCatalog.from_config({"rows": entry})
    found["model"] = MemoryDataset({"factor": 10.0})
    return found


def scorer(**options: Any) -> Scorer:
    names: dict[str, Any] = {"request": "rows", "response": "answers", **options}
    return Scorer(PIPELINE, names.pop("catalog", catalog()), **names)


def test_rows_are_answered_in_the_requests_order() -> None:
    records = [{"key": key, "x": x} for key, x in (("c", 1), ("a", 2.5), ("b", 0))]
    found = scorer(row_key="key").score(records)
    assert [(row["key"], row["x"], row["y"]) for row in found] == [
        ("c", 1.0, 10.0),
        ("a", 2.5, 25.0),
        ("b", 0.0, 0.0),
    ]
    assert [row["key"] for row in scorer().score(records)] == ["a", "b", "c"]


def test_the_answer_is_json() -> None:
    (row,) = scorer().score([{"key": "a", "x": 1}])
    assert json.loads(json.dumps(row)) == {
        "key": "a", "x": 1, "y": 10.0, "when": "2020-01-02 00:00:00", "none": None
    }  # fmt: skip


def test_what_is_the_same_for_all_requests_runs_once() -> None:
    unpacked.clear()
    ready = scorer()
    for _ in range(3):
        ready.score([{"key": "a", "x": 1}])
    assert unpacked == ["once"]


def test_requests_at_the_same_time_do_not_see_each_other() -> None:
    ready = scorer(row_key="key")
    asked = [[{"key": f"{n}-{row}", "x": n} for row in range(n % 7 + 1)] for n in range(200)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ready.score, asked))
    for n, (records, rows) in enumerate(zip(asked, answers, strict=True)):
        assert [row["key"] for row in rows] == [record["key"] for record in records]
        assert {row["y"] for row in rows} == {10.0 * n}


def test_a_row_key_must_tell_rows_apart() -> None:
    for records in ([{"key": 1, "x": 1}] * 2, [{"other": 1, "x": 1}]):
        with pytest.raises(RequestError, match="cannot be told apart") as refused:
            scorer(row_key="key").score(records)
        assert refused.value.violations[0]["column"] == "key"
    with pytest.raises(ScoringError, match="row_key key of 'lost' does not tell"):
        scorer(row_key="key", response="lost").score([{"key": 1, "x": 1}])


@pytest.mark.parametrize(
    ("records", "violation"),
    [
        ([{"x": [1]}], {"column": "x", "row": 1, "value": "[1]", "must": "text, a number, true, false or null"}),
        ([{"x": 1}, 7], {"column": None, "row": 2, "value": "7", "must": "an object of column to value"}),
        ([{"x": {"a": 1}}], {"column": "x", "row": 1, "value": '{"a": 1}', "must": "text, a number, true, false or null"}),
    ],
)  # fmt: skip
def test_what_is_no_table_is_named(records: Any, violation: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as refused:
        scorer().score(records)
    assert refused.value.status == 422
    assert refused.value.body()["error"]["violations"] == [violation]


def test_a_pandera_schema_is_a_contract_too() -> None:
    ready = scorer(catalog=catalog(f"{__name__}.SCHEMA"))
    with pytest.raises(RequestError) as refused:
        ready.score([{"key": "a", "x": 1}, {"key": "b", "x": -3}])
    must = "greater_than_or_equal_to(0)"
    assert refused.value.violations == ({"column": "x", "row": 2, "value": "-3.0", "must": must},)
    assert ready.score([{"key": "a", "x": "3"}])[0]["y"] == 30.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "with a row"),
        (b"{}", "with a row"),
        (b'{"data": 1}', "with a row"),
        (b"1", "with a row"),
    ],
)
def test_a_body_that_is_no_list_is_refused(text: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says) as refused:
        read_request(text)
    assert refused.value.status == 400


def test_both_forms_of_a_body_are_read() -> None:
    assert read_request('{"data": [{"a": 1}]}') == read_request('[{"a": 1}]') == [{"a": 1}]


def test_a_pipeline_that_cannot_be_served_says_why() -> None:
    with pytest.raises(ScoringError, match=r"'raw' is no dataset .* \(it reads .*: model, rows\)"):
        scorer(request="raw")
    with pytest.raises(
        ScoringError, match=r"'result' is no dataset that the scoring pipeline makes"
    ):
        scorer(response="result")
    with pytest.raises(ScoringError, match="'factor' is made without 'rows'"):
        scorer(response="factor")
    broken = catalog()
    broken["model"] = MemoryDataset()
    with pytest.raises(ScoringError, match=r"'model' cannot be loaded: .*not been saved"):
        scorer(catalog=broken)
    with pytest.raises(DatasetError):
        broken.load("model")
