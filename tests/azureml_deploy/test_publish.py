"""`kedro azureml publish` and `trigger`: versions, a default, and REST, on the real SDK."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from foreign_project import AZUREML, edit, run, write_project
from loopback_service import Loopback
from submits import Done, step_output
from waiting import completed

from azureml_deploy.errors import UsageError
from azureml_deploy.runs.following import read_state
from azureml_deploy.runs.publishing import assignments, find_endpoint, trigger
from azureml_deploy.service_errors import Patience

ENDPOINT = "apple-picking"


def azureml(project: Path, loopback: Loopback, *arguments: str) -> Done:
    return run(project, "-m", "kedro", "azureml", *arguments, "--loopback", **loopback.variables)


@pytest.fixture(scope="module")
def project(loopback: Loopback, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The orchard, its endpoint with two versions, of which the first is the default."""
    project = write_project(tmp_path_factory.mktemp("publish") / "orchard")
    first = azureml(project, loopback, "publish", "--endpoint", ENDPOINT)
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"endpoint       {ENDPOINT} version 0, the default, created" in first.stdout
    parameters = project / "conf/base/parameters.yml"
    edit(project, "conf/base/parameters.yml", parameters.read_text().replace("Hello", "Howdy"))
    second = azureml(project, loopback, "publish", "--endpoint", ENDPOINT, "--no-default")
    assert second.returncode == 0, second.stdout + second.stderr
    assert f"endpoint       {ENDPOINT} version 1\n" in second.stdout
    return project


def started(workspace: Any, done: Done) -> Any:
    from azureml.pipeline.core import PipelineRun

    found = re.search(r"^run +(\S+) started", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    return PipelineRun.get(workspace, found[1])


def test_the_default_version_runs_with_parameters(
    project: Path, loopback: Loopback, workspace: Any, tmp_path: Path
) -> None:
    greeting = 'it\'s; "quoted" größer'
    given = ("--pipeline-parameter", "factor=150", "--pipeline-parameter", f"greeting={greeting}")
    done = azureml(project, loopback, "trigger", ENDPOINT, "--wait", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Completed: 2 steps ran, 0 reused" in done.stdout
    found = started(workspace, done)
    assert found.experiment.name == "orchard"
    names = step_output(found, "harvest", "fruit_names", tmp_path).read_text(encoding="utf-8")
    assert names == f"{greeting} Boskoop"


def test_a_version_runs_by_its_number_and_nothing_is_reused(
    project: Path, workspace: Any, tmp_path: Path
) -> None:
    endpoint = find_endpoint(workspace, ENDPOINT, Patience(0))
    asked: dict[str, Any] = {"experiment_name": "by-number", "parameters": {}, "version": "1"}
    for folder in ("first", "again"):
        found = completed(trigger(workspace, endpoint, Patience(0), **asked))
        steps = read_state(found, ()).steps
        assert [(step.status, step.reused) for step in steps] == [("Completed", False)] * 2
        names = step_output(found, "harvest", "fruit_names", tmp_path / folder).read_text()
        assert names.splitlines()[0] == "Howdy Boskoop"


def test_a_new_default_is_what_runs(project: Path, loopback: Loopback, workspace: Any) -> None:
    from azureml.pipeline.core import PipelineEndpoint

    done = azureml(project, loopback, "publish", "--endpoint", "other", "--pipelines", "harvest")
    assert done.returncode == 0, done.stderr
    done = azureml(project, loopback, "publish", "--endpoint", "other", "--pipelines", "harvest")
    assert "endpoint       other version 1, the default\n" in done.stdout
    endpoint = PipelineEndpoint.get(workspace, name="other")
    assert endpoint.default_version == "1"
    assert endpoint.description == "Orchard, published by kedro azureml"
    assert len(endpoint.list_versions()) == 2


def test_what_is_not_there_is_named(project: Path, workspace: Any) -> None:
    endpoint = find_endpoint(workspace, ENDPOINT, Patience(0))
    for options, message in (
        ({"parameters": {"facto": "1"}}, "no such parameter; did you mean 'factor'? (it has: factor, greeting)"),
        ({"version": "7"}, "has no version 7 (it has: 0, 1; the default is 0)"),
    ):  # fmt: skip
        asked: dict[str, Any] = {"experiment_name": "x", "parameters": {}, **options}
        with pytest.raises(UsageError, match=re.escape(message)):
            trigger(workspace, endpoint, Patience(0), **asked)
    with pytest.raises(UsageError, match="no pipeline endpoint 'aple-picking'; did you mean"):
        find_endpoint(workspace, "aple-picking", Patience(0))


def test_a_disabled_endpoint_does_not_start(project: Path, workspace: Any) -> None:
    endpoint = find_endpoint(workspace, ENDPOINT, Patience(0))
    endpoint.disable()
    try:
        disabled = find_endpoint(workspace, ENDPOINT, Patience(0))
        with pytest.raises(UsageError, match=f"'{ENDPOINT}' is Disabled"):
            trigger(workspace, disabled, Patience(0), experiment_name="x", parameters={})
    finally:
        endpoint.enable()


def test_errors_of_the_commands_are_one_message(project: Path, loopback: Loopback) -> None:
    broken = azureml(project, loopback, "trigger", "nowhere")
    assert broken.returncode == 2
    assert "make one with: kedro azureml publish" in broken.stderr
    assert "Traceback" not in broken.stderr
    before = (project / "conf/base/azureml.yml").read_text()
    edit(project, "conf/base/azureml.yml", AZUREML.replace("datasets:", "datasets: {} #"))
    found = azureml(project, loopback, "publish")
    edit(project, "conf/base/azureml.yml", before)
    assert found.returncode == 1
    assert "AML103 error dataset apples" in found.stdout
    assert "published" not in found.stdout


@pytest.mark.parametrize("text", ["factor", "=1", ""])
def test_parameters_are_names_and_values(text: str) -> None:
    with pytest.raises(UsageError, match="write NAME=VALUE"):
        assignments([text])
    assert assignments(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
