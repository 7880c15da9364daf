"""Which steps run when, what a failure or a cancel does, and what a killed service goes on with."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from pipeline_samples import Bench, printed, steps, wait
from running_service import Service, start_service

from azureml_loopback import processes
from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.execution import process_group
from azureml_loopback.execution.scheduler import Scheduler
from azureml_loopback.execution.step import StepCanceled, StepFailed
from azureml_loopback.services.history import state as history
from azureml_loopback.services.pipelines import entities
from azureml_loopback.services.pipelines import state as pipelines
from azureml_loopback.services.pipelines.graph import check_order, parameters, read_graph
from azureml_loopback.store import Store


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench.of(workspace, tmp_path, request.node)


def graph_of(*edges: str) -> dict[str, Any]:
    """Return a GraphEntity of edges such as ``a>b``."""
    pairs = [edge.split(">") for edge in edges]
    return {
        "ModuleNodes": [{"Id": node} for node in sorted({node for pair in pairs for node in pair})],
        "Edges": [
            {
                "SourceOutputPort": {"NodeId": a, "PortName": "out"},
                "DestinationInputPort": {"NodeId": b, "PortName": f"from_{a}"},
            }
            for a, b in pairs
        ],
    }


@pytest.mark.parametrize(
    ("done", "ready"),
    [("", "a"), ("a", "bc"), ("ab", "c"), ("abc", "d"), ("abcd", "")],
)
def test_a_step_is_ready_when_all_before_it_are_done(done: str, ready: str) -> None:
    graph = read_graph(graph_of("a>b", "a>c", "b>d", "c>d"))
    statuses = {step: "Finished" if step in done else "NotStarted" for step in "abcd"}
    assert graph.ready(statuses) == list(ready)


@pytest.mark.parametrize("code", ["Failed", "Canceled", "Running", "Queued"])
def test_nothing_is_ready_behind_what_is_not_done(code: str) -> None:
    graph = read_graph(graph_of("a>b"))
    assert graph.ready({"a": code, "b": "NotStarted"}) == []


def test_steps_that_wait_for_each_other_are_named() -> None:
    check_order(read_graph(graph_of("a>b", "a>c", "b>c")))
    with pytest.raises(BadRequest, match=r"wait for each other: .*b.* -> "):
        check_order(read_graph(graph_of("a>b", "b>c", "c>b")))


def test_parameters_come_from_the_node_the_module_and_the_run() -> None:
    default = {"Name": "kept", "DefaultValue": "default"}
    module = {
        "StructuredInterface": {
            "Parameters": [default, {"Name": "script", "DefaultValue": None}, {"Name": "rate"}],
            "MetadataParameters": [{"Name": "TargetType", "DefaultValue": "mlc"}],
        }
    }
    node = {
        "ModuleParameters": [
            {"Name": "script", "Value": "a.py", "ValueType": "0"},
            {"Name": "rate", "Value": "of the run", "ValueType": "1"},
        ]
    }
    assert parameters(node, module, {"of the run": "0.5"}) == {
        "kept": "default",
        "script": "a.py",
        "rate": "0.5",
        "TargetType": "mlc",
    }


MEET = """
import pathlib, sys, time
here = pathlib.Path(sys.argv[1])
(here / sys.argv[2]).touch()
until = time.monotonic() + 20
while len(list(here.iterdir())) < int(sys.argv[3]):
    assert time.monotonic() < until, 'nobody else came'
    time.sleep(0.02)
"""


def test_steps_run_at_the_same_time(bench: Bench, tmp_path: Path) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    names = ["one", "two", "three"]
    bench.run([bench.step(n, MEET, arguments=[str(meeting), n, "3"]) for n in names])


def test_a_compute_of_one_node_runs_one_step_after_the_other(bench: Bench, tmp_path: Path) -> None:
    bench.cluster("single", 1)
    code = """
    import os, sys, time
    lock = sys.argv[1]
    os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
    time.sleep(0.2)
    os.unlink(lock)
    """
    lock = str(tmp_path / "lock")
    bench.run([bench.step(n, code, compute="single", arguments=[lock]) for n in ("a", "b", "c")])


def test_run_after_is_heeded(bench: Bench, tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    late = bench.step("late", "import sys; open(sys.argv[1])", arguments=[mark])
    code = "import sys, time; time.sleep(0.3); open(sys.argv[1], 'w')"
    late.run_after(bench.step("early", code, arguments=[mark]))
    run = bench.run([late])
    assert set(steps(run)) == {"early", "late"}


FAIL = """
def deep():
    raise ValueError('no such column: Age')
deep()
"""


def test_a_failed_step_says_its_last_line_and_stops_the_pipeline(bench: Bench) -> None:
    failing = bench.step("failing", FAIL)
    behind = bench.step("behind", "print('never')")
    behind.run_after(failing)
    run = bench.run([behind], expect="Failed")
    assert set(steps(run)) == {"failing"}
    step = steps(run)["failing"]
    assert step.get_status() == "Failed"
    error = step.get_details()["error"]["error"]
    assert (error["code"], error["message"]) == ("UserError", "ValueError: no such column: Age")
    trace = step.get_stderr_log()
    assert 'File "script.py", line 3, in deep' in trace
    assert "in_step.py" not in trace
    assert "Step 'failing' failed: ValueError: no such column: Age" in step.get_job_log()
    whole = run.get_details()["error"]["error"]["message"]
    assert "Pipeline has some failed steps" in whole
    assert "'failing': ValueError: no such column: Age" in whole
    codes = run._pipeline_run_provider.get_node_statuses(run.id)
    assert sorted(status.status_code for status in codes.values()) == ["Failed", "NotStarted"]


REASONS = {
    "import sys; sys.exit('bad input: rows.csv')": "bad input: rows.csv",
    "import sys; sys.exit(3)": "The script ended with exit status 3",
    "import os; os.kill(os.getpid(), 9)": "The script was ended by signal SIGKILL",
    "import missing_package": "ModuleNotFoundError: No module named 'missing_package'",
    "x = (": "SyntaxError: '(' was never closed",
}


def test_every_end_has_its_reason(loopback: Service, bench: Bench) -> None:
    from azureml.core import RunConfiguration

    quick = RunConfiguration()
    quick.max_run_duration_seconds = 1
    loopback.control("POST", "faults", {"kind": "fail_step", "where": "unlucky", "times": 1})
    failing = {f"reason{i}": bench.step(f"reason{i}", code) for i, code in enumerate(REASONS)}
    failing["slow"] = bench.step("slow", "import time; time.sleep(60)", runconfig=quick)
    failing["lost"] = bench.step("lost", "pass", compute="nowhere")
    failing["unlucky"] = bench.step("unlucky", "print('ran')")
    run = bench.run(list(failing.values()), expect="Failed", continue_on_step_failure=True)
    said = {n: s.get_details()["error"]["error"]["message"] for n, s in steps(run).items()}
    assert [said[f"reason{i}"] for i in range(len(REASONS))] == list(REASONS.values())
    assert said["slow"] == "The step was ended: it may take 1 seconds, and took longer"
    assert "There is no compute 'nowhere'" in said["lost"]
    assert said["unlucky"] == "The loopback was told to let step 'unlucky' fail"
    again = bench.run([bench.step("unlucky", "print('ran')")])
    assert "ran" in printed(again, "unlucky")


def test_the_other_branches_go_on_if_the_pipeline_may(bench: Bench) -> None:
    failing = bench.step("failing", FAIL)
    behind = bench.step("behind", "print('never')")
    behind.run_after(failing)
    early = bench.step("early", "import time; time.sleep(0.5)")
    late = bench.step("late", "print('still')")
    late.run_after(early)
    run = bench.run([behind, late], expect="Failed", continue_on_step_failure=True)
    ended = {name: step.get_status() for name, step in steps(run).items()}
    assert ended == {"failing": "Failed", "early": "Finished", "late": "Finished"}


def test_a_failure_ends_what_runs_beside_it(bench: Bench, tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    wait_ = "import sys, time, pathlib; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    beside = bench.step("beside", wait_, arguments=[mark])
    code = "import sys, time, os\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.02)\n1 / 0"
    run = bench.run([beside, bench.step("failing", code, arguments=[mark])], expect="Failed")
    assert steps(run)["beside"].get_status() == "Canceled"


CHILDREN = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}')
time.sleep(60)
"""


def pids(path: Path) -> list[int]:
    deadline = time.monotonic() + 30
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [int(pid) for pid in path.read_text().split()]


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_canceled_run_ends_its_processes_and_their_children(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    running = bench.step("running", CHILDREN, arguments=[str(file)])
    behind = bench.step("behind", "print('never')")
    behind.run_after(running)
    run = bench.submit([behind])
    started = pids(file)
    run.cancel()
    assert wait(run) == "Canceled"
    assert all(map(gone, started))
    assert {name: step.get_status() for name, step in steps(run).items()} == {"running": "Canceled"}
    assert run.get_details()["status"] == "Canceled"
    assert steps(run)["running"].get_details()["status"] == "Canceled"
    run.cancel()  # once more changes nothing
    assert run.get_status() == "Canceled"


def test_a_step_waits_for_a_node_and_may_be_canceled_there(bench: Bench, tmp_path: Path) -> None:
    from azureml.core.compute import ComputeTarget

    bench.cluster("none", 0)
    run = bench.submit([bench.step(n, "print('ran')", compute="none") for n in ("a", "b")])
    while len(steps(run)) < 2:
        time.sleep(0.1)
    assert steps(run)["a"].get_status() == "Queued"
    steps(run)["a"].cancel()
    assert wait(steps(run)["a"]) == "Canceled"
    ComputeTarget(bench.workspace, "none").update(max_nodes=1)
    assert wait(run) == "Canceled"
    assert "ran" in printed(run, "b")


def test_a_step_is_canceled_by_itself(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    run = bench.submit([bench.step("running", CHILDREN, arguments=[str(file)])])
    pids(file)
    steps(run)["running"].cancel()
    assert wait(run) == "Canceled"


def test_a_run_that_the_service_cannot_go_on_with_fails() -> None:
    store = Store(":memory:")
    module = entities.create_module(store, {"Name": "one", "ModuleExecutionType": "escloud"})
    graph_id = entities.save_graph(
        store, {"ModuleNodes": [{"Id": "a", "ModuleId": module["Id"]}]}, {}
    )
    run = pipelines.create_run(store, "e", {}, graph_id)
    loopback = SimpleNamespace(store=store, engine=SimpleNamespace(submit=lambda run_id: None))
    pipelines.submit(loopback, run["Id"])  # type: ignore[arg-type]
    store.delete(entities.GRAPH, graph_id)
    scheduler = Scheduler(loopback, lambda plan, canceled: None)  # type: ignore[arg-type]
    with pytest.raises(NotFound) as lost:
        scheduler.submitted(run["Id"])
    scheduler.give_up(run["Id"], lost.value)
    assert pipelines.get_run(store, run["Id"])["Status"]["StatusCode"] == "Failed"
    error = history.get_run(store, run["Id"])["error"]["error"]
    assert error["code"] == "ServiceError"
    assert "There is no graph" in error["message"]


def run_command(code: str, folder: Path, canceled: threading.Event, **options: Any) -> int:
    sink: list[bytes] = []
    return process_group.run(
        ["sh", "-c", code],
        cwd=folder,
        environment=dict(os.environ),
        output=sink.append,
        error=sink.append,
        canceled=canceled,
        **options,
    )


def test_a_command_in_a_group(tmp_path: Path) -> None:
    canceled = threading.Event()
    assert run_command("exit 7", tmp_path, canceled) == 7
    assert run_command("kill -9 $$", tmp_path, canceled) == 128 + 9
    with pytest.raises(StepFailed, match=r"may take 0.2 seconds"):
        run_command("sleep 60", tmp_path, canceled, seconds=0.2)
    started = time.monotonic()
    run_command("sleep 60 & echo $! > pid", tmp_path, canceled)
    assert time.monotonic() - started < process_group.GRACE_SECONDS + 3
    assert gone(int((tmp_path / "pid").read_text()))
    threading.Timer(0.2, canceled.set).start()
    with pytest.raises(StepCanceled):
        run_command("trap '' TERM; sleep 60", tmp_path, canceled)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Service, Bench]]:
    """A service of the test's own, which it may kill."""
    from azureml.core import Workspace
    from running_service import write_config

    service = start_service(tmp_path / "home")
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)
    workspace = Workspace.from_config(str(write_config(tmp_path)))
    bench = Bench(workspace, tmp_path, "killed")
    bench.cluster("cpu", 2)
    yield service, bench
    processes.stop(service.home)


def test_a_killed_service_goes_on_where_it_was(own: tuple[Service, Bench], tmp_path: Path) -> None:
    service, bench = own
    counted = tmp_path / "counted"
    done = bench.step(
        "done", "import sys; open(sys.argv[1], 'a').write('x')", arguments=[str(counted)]
    )
    file, go_on = tmp_path / "pids", tmp_path / "go_on"
    waiting = "while not os.path.exists(sys.argv[2]): time.sleep(0.05)\n"
    code = CHILDREN.replace("time.sleep(60)\n", waiting)
    running = bench.step("running", code, arguments=[str(file), str(go_on)])
    running.run_after(done)
    behind = bench.step("behind", "print('at last')")
    behind.run_after(running)
    run = bench.submit([behind])
    started = pids(file)
    ids = {name: step.id for name, step in steps(run).items()}
    found = service.home.server()
    assert found
    os.kill(found["pid"], signal.SIGKILL)
    assert all(map(gone, started))  # no step outlives its service
    go_on.touch()
    processes.start(service.home)
    assert wait(run) == "Finished"
    assert counted.read_text() == "x"
    assert "at last" in printed(run, "behind")
    assert {name: step.id for name, step in steps(run).items() if name in ids} == ids
