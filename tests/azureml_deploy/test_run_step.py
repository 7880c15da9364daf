"""The parts of the scripts on the cluster that need no run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from foreign_project import run

from azureml_deploy import remote
from azureml_deploy.remote.run_step import (
    StepError,
    mounted_file,
    numbers,
    read_parameters,
    read_value,
    registered_name,
)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"auc": 0.9, "n": 3}, {"auc": 0.9, "n": 3.0}),
        ({"auc": {"value": 0.9, "low": 0.8}}, {"auc.value": 0.9, "auc.low": 0.8}),
        ({"auc": 0.9, "name": "x"}, {}),
        ({"edges": [1, 2]}, {}),
        ({"deep": {"name": "x"}, "n": 1}, {}),
        ({"flag": True}, {}),
        ([1, 2], {}),
        ({}, {}),
    ],
)
def test_a_mapping_of_numbers_is_metrics(data: Any, found: dict[str, float]) -> None:
    assert numbers(data) == found


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("1", "int", 1), ("1e-3", "float", 0.001), ("True", "bool", True), ("1", "str", "1")],
)
def test_values_keep_their_type(text: str, kind: str, value: Any) -> None:
    found = read_value(text, kind, "p")
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("text", "kind"), [("x", "int"), ("x", "float"), ("yes", "bool")])
def test_wrong_values_are_named(text: str, kind: str) -> None:
    with pytest.raises(StepError, match=f"pipeline parameter p: found '{text}'"):
        read_value(text, kind, "p")


def test_parameters_are_nested_and_the_step_stays_as_it_is() -> None:
    step = {
        "runtime_params": {"a": {"b": 1}},
        "parameters": {"c": {"path": "a.c", "type": "int"}},
    }
    before = json.dumps(step)
    assert read_parameters(step, [["c", "2"]]) == {"a": {"b": 1, "c": 2}}
    assert json.dumps(step) == before


def test_the_registered_name_is_the_parameters() -> None:
    registry = {"parameter": "names.model", "model_name": "Default"}
    step = {"registry": registry}
    assert registered_name(step, {}) == "Default"
    assert registered_name(step, {"names": {"model": "Given"}}) == "Given"
    assert registered_name({"registry": None}, {}) is None


def test_mounted_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    assert mounted_file(tmp_path, "a.csv") == tmp_path / "a.csv"
    assert mounted_file(tmp_path / "a.csv", "other.csv") == tmp_path / "a.csv"
    assert mounted_file(tmp_path, "other.csv") == tmp_path / "a.csv"
    (tmp_path / "b.csv").touch()
    assert mounted_file(tmp_path, "other.csv") == tmp_path / "other.csv"
    assert mounted_file(tmp_path, "") == tmp_path


def test_the_scripts_import_nothing_of_the_package() -> None:
    for script in Path(remote.__file__).parent.glob("*.py"):
        assert "import azureml_deploy" not in script.read_text()
        assert "from azureml_deploy" not in script.read_text()


def test_a_step_json_of_another_version_is_refused(tmp_path: Path) -> None:
    script = Path(remote.__file__).with_name("run_step.py")
    (tmp_path / "run_step.py").write_text(script.read_text())
    (tmp_path / "step.json").write_text('{"version": 99}')
    done = run(tmp_path, "run_step.py")
    assert done.returncode != 0
    assert "step.json has version 99, this script reads 1" in done.stderr
