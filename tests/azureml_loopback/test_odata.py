"""Filters and orders in the words of the SDK."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_loopback import odata
from azureml_loopback.errors import BadRequest, NotImplementedHere

FIELDS = (
    "runId",
    "rootRunId",
    "parentRunId",
    "status",
    "name",
    "tags",
    "properties",
    "runTypeV2",
    "createdUtc",
    "runNumber",
    "hidden",
)
RUN: dict[str, Any] = {
    "runId": "abc",
    "rootRunId": "top",
    "parentRunId": None,
    "status": "Completed",
    "name": "my metric (x)",
    "tags": {"fold": "3", "two words": "x", "bare": None, "odd": 'a "b" and (c) or d'},
    "properties": {"azureml.runsource": "azureml.StepRun", "a/b": "1"},
    "runTypeV2": {"orchestrator": "External", "traits": ["unspecified"]},
    "createdUtc": "2026-11-24T13:00:00.000000+00:00",
    "runNumber": 12,
    "hidden": False,
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, True),
        ("  ", True),
        ("RunId eq abc", True),
        ("RunId ne abc", False),
        ("RunId eq x or RunId eq abc", True),
        ("((RootRunId eq top and (Status eq Completed)) and RunId ne top)", True),
        # "and" binds closer than "or"
        ("RunId eq abc or RunId eq x and Status eq Failed", True),
        ("(RunId eq abc or RunId eq x) and Status eq Failed", False),
        ('(Tags/fold eq "3")', True),
        ("(Tags/fold eq '3')", True),
        ('(Tags/two words eq "x")', True),
        ('((Tags/odd eq "a "b" and (c) or d") and (ParentRunId eq null))', True),
        ("(Tags/bare eq null)", True),
        ("(Tags/bare ne null or Tags/bare eq null)", True),
        # what is not there is neither null nor something
        ("(Tags/gone ne null or Tags/gone eq null)", False),
        ("(Properties/a/b eq 1)", True),
        ("(RunType eq x or Properties/azureml.runsource eq azureml.StepRun)", None),
        ("(Properties/azureml.runsource eq azureml.StepRun)", True),
        ("(RunTypeV2/Orchestrator eq External)", True),
        ("(RunTypeV2/Traits/unspecified ne null) or (RunTypeV2/Traits/unspecified eq null)", True),
        ("(RunTypeV2/Traits/other ne null) or (RunTypeV2/Traits/other eq null)", False),
        ("(ParentRunId eq null)", True),
        ("(ParentRunId ne null)", False),
        ("(RunId ne null)", True),
        ("name eq my metric (x)", True),
        ("(RunId eq abc and name eq my metric (x))", True),
        ("(CreatedUtc ge 2026-11-24 12:00:00)", True),
        ("(CreatedUtc ge 2026-11-24 15:00:00+02:00)", True),
        ("(CreatedUtc gt 2026-11-24T13:00:00.000000Z)", False),
        ("(CreatedUtc eq 2026-11-24T13:00:00.0000000Z)", True),
        ("(CreatedUtc gt 2026-11-24T12:59:59.99911Z)", True),
        ("(CreatedUtc gt 2026-11-24T13:00:00.001Z)", False),
        ("RunNumber gt 9", True),
        ("RunNumber lt 9", False),
        ("Hidden eq False", True),
    ],
)
def test_filters(text: str | None, wanted: bool | None) -> None:
    if wanted is None:
        with pytest.raises(NotImplementedHere, match="RunType"):
            odata.parse(text, FIELDS)
    else:
        assert odata.parse(text, FIELDS).wants(RUN) is wanted


def test_a_filter_tells_what_to_look_up() -> None:
    pinned = odata.parse("(RootRunId eq top and (Tags/a eq 1) and RunId ne x)", FIELDS).pinned
    assert pinned == {"rootRunId": "top"}
    assert odata.parse("(ParentRunId eq null)", FIELDS).pinned == {"parentRunId": None}
    assert odata.parse("RunId eq a or RunId eq b", FIELDS).pinned == {}


@pytest.mark.parametrize("text", ["RunId", "(RunId eq a", "RunId eq a)", "RunId like a", "and"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="filter"):
        odata.parse(text, FIELDS)


def test_depth_is_limited() -> None:
    with pytest.raises(BadRequest, match="parentheses"):
        odata.parse("(" * 60 + "RunId eq a" + ")" * 60, FIELDS)


def test_orders() -> None:
    documents = [
        {"runId": "a", "createdUtc": "1"},
        {"runId": "b", "createdUtc": None},
        {"runId": "c", "createdUtc": "2"},
        {"runId": "d", "createdUtc": "2"},
    ]

    def ids(order: str | None) -> str:
        return "".join(one["runId"] for one in odata.ordered(documents, order, FIELDS))

    assert ids(None) == "abcd"
    assert ids("CreatedUtc") == ids("CreatedUtc asc") == "bacd"
    assert ids("CreatedUtc desc") == "dcab"  # of equal ones the one made last comes first
    with pytest.raises(BadRequest, match="sideways"):
        ids("CreatedUtc sideways")
    with pytest.raises(NotImplementedHere, match="Mood"):
        ids("Mood asc")
