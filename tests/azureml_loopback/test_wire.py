"""The wire's models: unknown fields named, wrong types refused, any letter case taken."""

from __future__ import annotations

import pytest

from azureml_loopback import wire
from azureml_loopback.errors import BadRequest, NotImplementedHere


def test_fields_are_spelled_as_the_model_spells_them() -> None:
    body = {"experimentname": "e", "PARAMETERASSIGNMENTS": {"Word": "x"}}
    checked = wire.check("aeva.PipelineSubmissionInfo", body)
    assert checked == {"ExperimentName": "e", "ParameterAssignments": {"Word": "x"}}


def test_an_unknown_field_is_named_by_its_place() -> None:
    body = {"Graph": {"ModuleNodes": [{"Id": "1", "Colour": "red"}]}}
    with pytest.raises(NotImplementedHere, match=r"Graph\.ModuleNodes\.Colour is a field"):
        wire.check("aeva.PipelineRunCreationInfoWithGraph", body)


def test_a_wrong_type_is_refused() -> None:
    with pytest.raises(BadRequest, match="no CreateRunDto"):
        wire.check("restclient.CreateRunDto", {"startTimeUtc": "yesterday"})


def test_an_answer_has_no_field_that_a_client_cannot_read() -> None:
    assert wire.answer("restclient.ExperimentDto", {"name": "e", "_kept": 1}) == {"name": "e"}
    with pytest.raises(TypeError, match=r"ExperimentDto\.colour"):
        wire.answer("restclient.ExperimentDto", {"name": "e", "colour": "red"})
