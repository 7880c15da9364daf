"""Scripts submitted by themselves, by `Experiment.submit(ScriptRunConfig(...))`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from azureml_loopback.identity import Identity

Submit = Callable[..., Any]

ENDED = {"Completed", "Failed", "Canceled"}


@pytest.fixture(scope="module")
def compute(workspace: Any) -> Any:
    from azureml.core.compute import AmlCompute, ComputeTarget

    settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    return ComputeTarget.create(workspace, "scripts-cpu", settings)


@pytest.fixture
def submit(workspace: Any, compute: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Submit:
    """Submit a script of these lines; its options are ScriptRunConfig's."""
    from azureml.core import Experiment, ScriptRunConfig

    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # the SDK's cache of snapshots

    def submit_(
        code: str,
        *,
        tags: dict[str, str] | None = None,
        references: Sequence[Any] = (),
        **options: Any,
    ) -> Any:
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / "script.py").write_text(dedent(code))
        given = {"script": "script.py", "compute_target": compute, **options}
        config = ScriptRunConfig(str(source), **given)
        config.run_config.data_references = {
            reference.data_reference_name: reference.to_config() for reference in references
        }
        return Experiment(workspace, "scripts").submit(config, tags=tags)

    return submit_


def wait(run: Any, *statuses: str) -> str:
    """Wait until a run has one of these statuses; by default, has ended."""
    deadline = time.monotonic() + 60
    while (status := run.get_status()) not in (set(statuses) or ENDED):
        assert time.monotonic() < deadline, f"still {status}\n{printed(run)}"
        time.sleep(0.1)
    return str(status)


def printed(run: Any) -> str:
    logs = run.get_details_with_logs()["logFiles"]
    return str(logs.get("azureml-logs/70_driver_log.txt", ""))


def test_a_script_runs_with_its_run_around_it(submit: Submit) -> None:
    run = submit(
        """
        import os, sys
        from pathlib import Path
        from azureml.core import Run
        run = Run.get_context()
        run.log("loss", 0.5)
        run.tag("seen", os.environ["WORD"])
        Path("outputs/model.txt").write_text("weights")
        print("arguments", sys.argv[1:], run.experiment.name, run.id)
        """,
        arguments=["--rate", 0.1, "--folds", 3],
        environment=environment(WORD="hello"),
        tags={"by": "test"},
    )
    assert run.type == "azureml.scriptrun"
    assert wait(run) == "Completed"
    assert f"arguments ['--rate', '0.1', '--folds', '3'] scripts {run.id}" in printed(run)
    assert run.get_metrics() == {"loss": 0.5}
    assert run.get_tags() == {"by": "test", "seen": "hello"}
    assert "outputs/model.txt" in run.get_file_names()
    details = run.get_details()
    assert details["runDefinition"]["script"] == "script.py"
    assert details["properties"]["ContentSnapshotId"] == run.get_snapshot_id()


def environment(**variables: str) -> Any:
    from azureml.core import Environment

    made = Environment("scripts")
    made.environment_variables = variables
    return made


def test_datasets_and_outputs_reach_a_script(
    workspace: Any, submit: Submit, tmp_path: Path
) -> None:
    from azureml.core import Dataset
    from azureml.data import OutputFileDatasetConfig

    datastore = workspace.get_default_datastore()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "people.csv").write_text("name,age\nBraund,22\nCumings,38\n")
    files = Dataset.File.upload_directory(
        str(tmp_path / "data"), (datastore, "scripts/people"), show_progress=False
    )
    table = Dataset.Tabular.from_delimited_files((datastore, "scripts/people/people.csv"))
    reference = datastore.path("scripts/people").as_mount()
    made = OutputFileDatasetConfig("made", (datastore, "scripts/made/{run-id}"))
    run = submit(
        """
        import sys
        from pathlib import Path
        from azureml.core import Run
        files, made, reference = map(Path, sys.argv[1:4])
        people = Run.get_context().input_datasets["people"].to_pandas_dataframe()
        assert (files / "people.csv").read_text() == (reference / "people.csv").read_text()
        (made / "ages.txt").write_text(str(people["age"].tolist()))
        """,
        arguments=[
            files.as_named_input("files").as_download(),
            made.register_on_complete("scripts-ages"),
            str(reference),
            table.as_named_input("people"),
        ],
        references=[reference],
    )
    assert wait(run) == "Completed", printed(run)
    ages = Dataset.get_by_name(workspace, "scripts-ages")
    (path,) = ages.download(str(tmp_path / "ages"))
    assert Path(path).read_text() == "[22, 38]"
    lineage = run.get_details()
    assert {one["consumptionDetails"]["inputName"] for one in lineage["inputDatasets"]} == {
        "files",
        "people",
    }
    assert [one["outputDetails"]["outputName"] for one in lineage["outputDatasets"]] == ["made"]


def test_a_command_runs_in_the_snapshot(submit: Submit) -> None:
    run = submit(
        "print('from the script')", script=None, command=["python script.py", "&& echo done"]
    )
    assert wait(run) == "Completed"
    assert {"from the script", "done"} <= set(printed(run).splitlines())


def test_a_script_that_fails_says_why(submit: Submit) -> None:
    run = submit("print('begun')\nraise KeyError('Cabin')")
    with pytest.raises(Exception, match="KeyError: 'Cabin'"):
        run.wait_for_completion()
    assert run.get_status() == "Failed"
    assert "KeyError: 'Cabin'" in run.get_details()["error"]["error"]["message"]
    log = printed(run)
    # output and error are two streams, and which comes first is nobody's promise
    assert "begun" in log
    assert "KeyError: 'Cabin'" in log


def test_a_script_is_followed_while_it_runs(
    submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    run = submit("import time\nprint('one', flush=True)\ntime.sleep(3)\nprint('two')")
    wait(run, "Running")
    deadline = time.monotonic() + 10
    while "one" not in printed(run):
        assert time.monotonic() < deadline
    assert "two" not in printed(run)
    details = run.wait_for_completion(show_output=True)
    assert details["status"] == "Completed"
    shown = capsys.readouterr().out
    assert "Streaming azureml-logs/70_driver_log.txt" in shown
    assert shown.index("one") < shown.index("two")


def test_a_script_is_stopped(submit: Submit) -> None:
    run = submit("import time\nprint('begun', flush=True)\ntime.sleep(600)")
    wait(run, "Running")
    run.cancel()
    assert wait(run) == "Canceled"
    run.cancel()
    assert run.get_status() == "Canceled"


def test_a_script_can_have_a_parent(
    workspace: Any, submit: Submit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azureml.core import Experiment, ScriptRunConfig

    monkeypatch.chdir(tmp_path)  # the SDK makes folders for outputs and logs where it is
    parent = Experiment(workspace, "scripts").start_logging(snapshot_directory=None)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "script.py").write_text(
        "from azureml.core import Run; Run.get_context().parent.log('seen', 1)"
    )
    config = ScriptRunConfig(str(tmp_path / "source"), "script.py", compute_target="scripts-cpu")
    child = parent.submit_child(config)
    assert wait(child) == "Completed", printed(child)
    assert [run.id for run in parent.get_children()] == [child.id]
    assert parent.get_metrics() == {"seen": 1}
    parent.complete()


def test_the_status_of_what_the_service_runs_is_its_own(submit: Submit) -> None:
    run = submit("import time; time.sleep(600)")
    for tell in (run.complete, lambda: run.fail("no")):
        with pytest.raises(Exception, match="not permitted to update the status"):
            tell()
    run.cancel()
    assert wait(run) == "Canceled"


def test_a_target_that_is_not_there(submit: Submit) -> None:
    with pytest.raises(Exception, match="There is no compute target 'nowhere'"):
        submit("print()", compute_target="nowhere")


def test_a_local_run_is_run_from_its_snapshot(submit: Submit) -> None:
    code = """
    import sys
    from azureml.core import Run
    Run.get_context().log("n", int(sys.argv[1]))
    """
    run = submit(code, arguments=[5], compute_target="local", tags={"where": "here"})
    assert wait(run) == "Completed"
    assert run.get_metrics() == {"n": 5}
    details = run.get_details()
    assert (details["target"], details["runDefinition"]["script"]) == ("local", "script.py")
    assert details["properties"]["ContentSnapshotId"] == run.get_snapshot_id()
    assert run.get_tags() == {"where": "here"}
    failed = submit("raise SystemExit('not today')", compute_target="local")
    assert wait(failed) == "Failed"
    assert "not today" in json.dumps(failed.get_details()["error"])


def test_a_local_run_without_a_snapshot_is_refused(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Experiment, ScriptRunConfig

    (tmp_path / "script.py").write_text("")
    config = ScriptRunConfig(str(tmp_path), "script.py")
    config.run_config.history.snapshot_project = False
    with pytest.raises(Exception, match="A local run without a snapshot is not implemented"):
        Experiment(workspace, "scripts").submit(config)


@pytest.mark.parametrize("form", [b"", b"--x\r\n\r\nno form", b"[]"])
def test_a_local_run_needs_a_definition(loopback: Any, form: bytes) -> None:
    place = f"{Identity().arm_scope}/experiments/scripts/localrun?runId=none"
    headers = {"Authorization": f"Bearer {loopback.token()}", "Content-Type": "multipart/form-data"}
    with loopback.client(**headers) as client:
        answer = client.post(f"{Identity().services_url}/execution/v1.0/{place}", content=form)
    assert answer.status_code == 400
    assert "definition.json" in answer.json()["error"]["message"]


def test_several_processes_are_refused(submit: Submit) -> None:
    from azureml.core.runconfig import MpiConfiguration

    run = submit("print()", distributed_job_config=MpiConfiguration(node_count=2))
    assert wait(run) == "Failed"
    assert "Distributed runs" in json.dumps(run.get_details()["error"])


SUBMIT = """
import sys
from azureml.core import Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
workspace = Workspace.from_config()
settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
ComputeTarget.create(workspace, "cpu", settings)
config = ScriptRunConfig(sys.argv[1], "script.py", [sys.argv[2]], compute_target="cpu")
print(Experiment(workspace, "killed").submit(config).id)
"""


def test_a_killed_service_runs_its_scripts_again(
    own_service: Callable[..., Any], tmp_path: Path
) -> None:
    service, begun = own_service(), tmp_path / "begun"
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "script.py").write_text(
        "import pathlib, sys, time\n"
        "begun = pathlib.Path(sys.argv[1])\n"
        "if not begun.exists():\n"
        "    begun.touch()\n"
        "    time.sleep(600)\n"
        "print('again')\n"
    )
    submitted = service.run(SUBMIT, str(tmp_path / "source"), str(begun), cwd=tmp_path)
    assert submitted.returncode == 0, submitted.stderr
    run_id = submitted.stdout.split()[-1]
    wait_for(begun.exists)
    service.kill()
    again = own_service()
    scope = Identity().arm_scope
    url = f"https://loopback.api.azureml.ms/history/v1.0/{scope}/runs/{run_id}"
    with again.client(Authorization=f"Bearer {again.token()}") as client:
        wait_for(lambda: client.get(url).json()["status"] == "Completed")


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)
