"""What goes wrong on purpose, and what a killed service still knows when it is started again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from azureml_loopback.identity import Identity


@pytest.fixture
def fault(loopback: Any) -> Iterator[Callable[..., None]]:
    """Lets something go wrong, until the test is over."""

    def add(**values: Any) -> None:
        answer = loopback.control("POST", "faults", values)
        assert answer.status_code == 200, answer.text

    yield add
    loopback.control("DELETE", "faults")


def statuses(loopback: Any, before: int, part: str) -> list[int]:
    return [r["status"] for r in loopback.requests()[before:] if part in r["path"]]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_sdk_tries_again_after_an_error_for_a_while(
    loopback: Any, workspace: Any, fault: Callable[..., None], status: int
) -> None:
    from azureml.core import Datastore

    before = len(loopback.requests())
    fault(kind="status", where="GET .*/datastores/", value=status, times=2)
    assert Datastore.get(workspace, "workspaceblobstore").name == "workspaceblobstore"
    assert statuses(loopback, before, "/datastores/workspaceblobstore") == [status, status, 200]


def test_an_error_for_longer_reaches_the_caller_by_name(
    workspace: Any, fault: Callable[..., None]
) -> None:
    from azureml.core import Datastore

    fault(kind="status", where="GET .*/datastores/", value=400, times=100)
    with pytest.raises(Exception, match="was told to answer 400"):
        Datastore.get(workspace, "workspaceblobstore")


def test_the_sdk_tries_again_after_a_dropped_connection(
    workspace: Any, fault: Callable[..., None]
) -> None:
    from azureml.core import Experiment

    fault(kind="drop", where="api.azureml.ms", times=2)
    run = Experiment(workspace, "dropped").start_logging(snapshot_directory=None)
    run.log("x", 1)
    run.complete()
    assert run.get_metrics() == {"x": 1}


def test_a_client_that_does_not_try_again_sees_the_connection_end(
    loopback: Any, fault: Callable[..., None]
) -> None:
    address = "https://management.azure.com/subscriptions"
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:
        assert client.get(address).status_code == 200  # and the connection stays open
        fault(kind="drop", where="management")
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(address)
        assert client.get(address).status_code == 200


def test_slow_blobs_are_slow_and_whole(
    workspace: Any, fault: Callable[..., None], tmp_path: Path
) -> None:
    from azureml.core import Dataset

    data = os.urandom(300_000)
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "data.bin").write_bytes(data)
    datastore = workspace.get_default_datastore()
    target = (datastore, "slow")
    Dataset.File.upload_directory(str(tmp_path / "up"), target, show_progress=False)
    fault(kind="slow", where="blob", value=200_000)
    start = time.monotonic()
    datastore.download(str(tmp_path / "down"), prefix="slow", show_progress=False)
    assert time.monotonic() - start >= 1.5
    assert (tmp_path / "down" / "slow" / "data.bin").read_bytes() == data


def test_a_step_fails_on_demand(workspace: Any, fault: Callable[..., None], tmp_path: Path) -> None:
    from azureml.core import Experiment
    from azureml.core.compute import AmlCompute, ComputeTarget
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import PythonScriptStep

    if "cpu" not in workspace.compute_targets:
        cluster = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=1)
        ComputeTarget.create(workspace, "cpu", cluster).wait_for_completion()
    (tmp_path / "step.py").write_text("print('fine')")
    step = PythonScriptStep(
        "step.py", name="doomed", source_directory=str(tmp_path), compute_target="cpu"
    )
    fault(kind="fail_step", where="^doomed$")
    pipeline = Pipeline(workspace, [step])
    run = Experiment(workspace, "doomed").submit(pipeline)
    assert run.wait_for_completion(show_output=False, raise_on_error=False) == "Failed"
    assert "told to let step 'doomed' fail" in run.get_details()["error"]["error"]["message"]
    again = Experiment(workspace, "doomed").submit(pipeline)
    assert again.wait_for_completion(show_output=False, raise_on_error=False) == "Finished"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "flood"}, "allowed: status, drop, slow, fail_step"),
        ({"kind": "status", "value": 200}, "allowed for status: 400 to 599"),
        ({"kind": "slow"}, "allowed for slow: bytes a second"),
        ({"kind": "drop", "times": 0}, "a number from 1 on"),
        ({"kind": "drop", "where": "("}, "a pattern"),
    ],
)
def test_a_fault_that_is_none_is_refused(
    loopback: Any, values: dict[str, Any], message: str
) -> None:
    answer = loopback.control("POST", "faults", values)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def command(service: Any, *words: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "azureml_loopback", "--home", str(service.home.folder), *words]
    return subprocess.run(whole, capture_output=True, text=True, check=False)


def test_faults_and_the_clock_are_set_by_command(loopback: Any) -> None:
    asked = "https://management.azure.com/subscriptions"
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:
        done = command(loopback, "fault", "status", "--where", "GET /subs", "--value", "507")
        assert done.returncode == 0, done.stderr
        assert [client.get(asked).status_code for _ in range(2)] == [507, 200]
        command(
            loopback, "fault", "status", "--where", "GET /subs", "--value", "507", "--times", "9"
        )
        assert client.get(asked).status_code == 507
        assert command(loopback, "fault", "clear").returncode == 0
        assert client.get(asked).status_code == 200
    wrong = command(loopback, "fault", "slow")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("Error: value: found 0, allowed for slow")
    before = loopback.control("POST", "clock", {"seconds": 0}).json()["time"]
    done = command(loopback, "clock", "advance", "2.5")
    assert done.stdout.strip().removeprefix("It is ") > before


def test_a_command_to_a_stopped_service_says_how_to_start_it(tmp_path: Path) -> None:
    whole = [sys.executable, "-m", "azureml_loopback", "--home", str(tmp_path), "fault", "clear"]
    done = subprocess.run(whole, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "python -m azureml_loopback start" in done.stderr


# kill -9

SUBMIT = """
from azureml.core import Dataset, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep
ws = Workspace.from_config()
cluster = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=1)
ComputeTarget.create(ws, "cpu", cluster).wait_for_completion()
store = ws.get_default_datastore()
Dataset.File.upload_directory("source", (store, "kept"), show_progress=False)
Dataset.File.from_files((store, "kept")).register(ws, "kept")
made = PipelineData("made")
first = PythonScriptStep("first.py", name="first", source_directory="source", arguments=[made],
                         outputs=[made], compute_target="cpu")
second = PythonScriptStep("second.py", name="second", source_directory="source", arguments=[made],
                          inputs=[made], compute_target="cpu")
print(Experiment(ws, "killed").submit(Pipeline(ws, [first, second])).id)
"""

RESUME = """
import os, sys, time
from azureml.core import Dataset, Experiment, Workspace
from azureml.pipeline.core import PipelineRun
ws = Workspace.from_config()
run = PipelineRun(Experiment(ws, "killed"), sys.argv[1])
while run.get_status() not in ("Finished", "Failed"):
    time.sleep(0.2)
steps = sorted(step.name for step in run.get_steps())
files = len(Dataset.get_by_name(ws, "kept").download("down"))
print("RESULT", run.get_status(), *steps, files)
"""

FIRST = """
import os, sys
open(os.environ["MARKS"] + "/first", "a").write("ran\\n")
os.makedirs(sys.argv[1])
open(sys.argv[1] + "/file", "w").write("made by first")
"""

SECOND = """
import os, sys, time
assert open(sys.argv[1] + "/file").read() == "made by first"
open(os.environ["MARKS"] + "/second", "a").write(f"{os.getpid()}\\n")
while not os.path.exists(os.environ["MARKS"] + "/go"):
    time.sleep(0.05)
"""


def wait_for(path: Path, lines: int = 1) -> list[str]:
    for _ in range(600):
        if path.exists() and len(path.read_text().splitlines()) >= lines:
            return path.read_text().splitlines()
        time.sleep(0.05)
    raise TimeoutError(path)


def test_a_killed_service_goes_on_where_it_was(
    own_service: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, source = tmp_path / "marks", tmp_path / "client" / "source"
    marks.mkdir()
    source.mkdir(parents=True)
    (source / "first.py").write_text(FIRST)
    (source / "second.py").write_text(SECOND)
    monkeypatch.setenv("MARKS", str(marks))  # steps inherit the service's environment
    service = own_service()
    submitted = service.run(SUBMIT, cwd=tmp_path / "client")
    assert submitted.returncode == 0, submitted.stderr
    run_id = submitted.stdout.split()[-1]
    (running,) = wait_for(marks / "second")
    before = service.home.server()
    service.kill()

    again = own_service()
    assert again.environment == service.environment  # the same port, so clients need not know
    assert again.home.server()["pid"] != before["pid"]
    assert not psutil.pid_exists(before["azurite_pid"])
    wait_for(marks / "second", lines=2)
    assert not psutil.pid_exists(int(running))  # what the killed service had started has ended
    (marks / "go").touch()
    resumed = again.run(RESUME, run_id, cwd=tmp_path / "client")
    assert resumed.returncode == 0, resumed.stderr
    assert "RESULT Finished first second 2" in resumed.stdout
    assert (marks / "first").read_text().splitlines() == ["ran"]  # finished, so not run again


def test_nothing_that_was_acknowledged_is_lost(own_service: Callable[..., Any]) -> None:
    """Killed in the midst of writing, over and over."""
    known: list[str] = []
    for _ in range(2):
        service = own_service()
        scope = f"https://{Identity().services_host}/pipelines/v1.0/{Identity().arm_scope}"
        with service.client(Authorization=f"Bearer {service.token()}") as client:
            found = {one["Id"] for one in client.get(f"{scope}/DataTypes").json()}
            assert found >= set(known)
            for _ in range(50):
                name = f"type{len(known)}"
                answer = client.post(f"{scope}/DataTypes", json={"Id": name, "Name": name})
                assert answer.status_code == 200
                known.append(name)
            service.kill()
