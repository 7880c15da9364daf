"""The pipelines service: modules and their hashes, graphs, runs and what the SDK reads of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pipeline_samples import Bench, log_of, read, steps, wait
from running_service import Service

from azureml_loopback.errors import Conflict, NotFound
from azureml_loopback.identity import Identity
from azureml_loopback.services.pipelines import entities, state
from azureml_loopback.store import Store


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench.of(workspace, tmp_path, request.node)


@pytest.fixture
def store() -> Store:
    return Store(":memory:")


def module(store: Store, **values: Any) -> str:
    info = {"Name": "step", "ModuleExecutionType": "escloud", **values}
    return str(entities.create_module(store, info)["Id"])


def graph(store: Store) -> str:
    """Keep a graph of one step, one parameter and one named output."""
    nodes = [{"Id": "a", "ModuleId": module(store)}]
    edges = [
        {
            "SourceOutputPort": {"NodeId": "a", "PortName": "out"},
            "DestinationInputPort": {"GraphPortName": "result"},
        }
    ]
    interface = {"Parameters": [{"Name": "rate", "DefaultValue": "1"}]}
    return entities.save_graph(store, {"ModuleNodes": nodes, "Edges": edges}, interface)


def test_a_module_is_found_by_the_hash_of_its_content(store: Store) -> None:
    with pytest.raises(NotFound):
        entities.module_by_hash(store, "abc")
    first = module(store, IdentifierHash="abc")
    module(store, IdentifierHash="other")
    assert entities.module_by_hash(store, "abc")["Id"] == first


def test_a_graph_names_modules_that_there_are(store: Store) -> None:
    with pytest.raises(NotFound, match="module 'nowhere'"):
        entities.save_graph(store, {"ModuleNodes": [{"Id": "a", "ModuleId": "nowhere"}]}, {})


def test_a_run_has_every_parameters_value(store: Store) -> None:
    graph_id = graph(store)
    default = state.create_run(store, "e", {}, graph_id)
    given = state.create_run(store, "e", {"ParameterAssignments": {"rate": "2"}}, graph_id)
    assert default["ParameterAssignments"] == {"rate": "1"}
    assert given["ParameterAssignments"] == {"rate": "2"}
    assert default["Status"]["StatusCode"] == "NotStarted"
    assert {n: s["StatusCode"] for n, s in state.nodes(store, default["Id"]).items()} == {
        "a": "NotStarted"
    }


def test_an_unknown_parameter_is_left_out(store: Store) -> None:
    info = {"ParameterAssignments": {"rte": "2"}}
    run = state.create_run(store, "e", info, graph(store))
    assert run["ParameterAssignments"] == {"rate": "1"}
    assert run["_unknownParameters"] == ["rte"]


def test_a_run_that_has_ended_stays_as_it_is(store: Store) -> None:
    run_id = state.create_run(store, "e", {}, graph(store))["Id"]
    state.set_run_status(store, run_id, "Failed", "why")
    again = state.set_run_status(store, run_id, "Finished")
    assert (again["Status"]["StatusCode"], again["Status"]["StatusDetail"]) == ("Failed", "why")


def test_named_outputs_and_what_is_not_there(store: Store) -> None:
    run_id = state.create_run(store, "e", {}, graph(store))["Id"]
    with pytest.raises(NotFound, match="has no output 'other'"):
        state.pipeline_output(store, run_id, "other")
    with pytest.raises(NotFound, match="is not there yet"):
        state.pipeline_output(store, run_id, "result")
    state.finish_node(store, run_id, "a", {"out": {"Hash": "h"}})
    assert state.pipeline_output(store, run_id, "result") == {"Hash": "h"}
    with pytest.raises(NotFound, match="has no node 'b'"):
        state.node(store, run_id, "b")
    with pytest.raises(NotFound, match="pipeline run 'other'"):
        state.node(store, "other", "a")


def test_the_newest_equal_node_is_found(store: Store) -> None:
    first = state.create_run(store, "e", {}, graph(store))["Id"]
    second = state.create_run(store, "e", {}, graph(store))["Id"]
    assert state.finished_node(store, "key") is None
    state.finish_node(store, first, "a", {}, "key")
    state.finish_node(store, second, "a", {}, "key")
    found = state.finished_node(store, "key")
    assert found is not None
    assert found["_pipelineRunId"] == second


def test_data_types_are_made_once(store: Store) -> None:
    entities.create_data_type(store, {"Id": "AnyFile"})
    with pytest.raises(Conflict, match="already exist"):  # the SDK knows it by these words
        entities.create_data_type(store, {"Id": "AnyFile"})


def test_the_sdk_finds_its_modules_again(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    from azureml.pipeline.core import Pipeline

    step = bench.step("found", "print('one')", allow_reuse=True)
    Pipeline(bench.workspace, steps=[step]).validate()
    bench.run([step])
    first = capsys.readouterr().out
    bench.run([bench.step("found", "print('one')")])
    second = capsys.readouterr().out
    bench.run([bench.step("found", "print('two')")])
    third = capsys.readouterr().out
    assert "This step will run and generate new outputs" in first
    assert "This step is eligible to reuse a previous run's output" in second
    assert "This step will run and generate new outputs" in third


def test_a_data_type_of_ones_own(workspace: Any) -> None:
    from azureml.pipeline.core.graph import DataType

    made = DataType.create_data_type(workspace, "Rows", "rows of numbers", is_directory=False)
    assert made.id in {known.id for known in DataType.list_data_types(workspace)}


def test_runs_are_listed_as_what_they_are(bench: Bench) -> None:
    from azureml.core import Experiment, Run
    from azureml.pipeline.core import PipelineRun, StepRun

    run = bench.run([bench.step("one", "pass"), bench.step("two", "pass")])
    experiment = Experiment(bench.workspace, bench.experiment)
    listed = list(experiment.get_runs())
    assert [type(found) for found in listed] == [PipelineRun]
    assert listed[0].id == run.id
    [one] = run.find_step_run("one")
    assert type(one) is StepRun
    assert one.pipeline_run_id == run.id
    assert run.find_step_run("three") == []
    assert type(Run.get(bench.workspace, one.id)) is StepRun
    assert PipelineRun.get(bench.workspace, run.id).get_status() == "Finished"
    details = run.get_details()
    assert details["status"] == "Completed"
    assert details["properties"]["azureml.runsource"] == "azureml.PipelineRun"
    assert details["properties"]["runSource"] == "SDK"
    assert one.get_details()["target"] == "cpu"
    assert "The pipeline run ends as Finished" in log_of(run)


def test_a_graph_comes_back_as_it_went(bench: Bench, tmp_path: Path) -> None:
    from azureml.core import Dataset
    from azureml.data import OutputFileDatasetConfig
    from azureml.pipeline.core import PipelineData, PipelineParameter

    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "x.txt").write_text("x")
    bench.datastore.upload(str(tmp_path / "x"), bench.experiment, show_progress=False)
    files = Dataset.File.from_files((bench.datastore, bench.experiment), validate=False)
    data = PipelineData("data", bench.datastore, pipeline_output_name="all")
    config = OutputFileDatasetConfig("config")
    rate = PipelineParameter("rate", default_value=2)
    code = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.parent.mkdir(parents=True); p.write_text('x')"
    one = bench.step(
        "one",
        code,
        arguments=[data, rate, config],
        inputs=[files.as_named_input("files").as_mount()],
        outputs=[data],
    )
    two = bench.step("two", "pass", inputs=[data])
    run = bench.run([two, one], pipeline_parameters={"rate": 3})
    graph_ = run.get_graph()
    assert {node.name for node in graph_.module_nodes} == {"one", "two"}
    assert graph_.params["rate"].default_value == "3"
    assert set(graph_._pipeline_outputs) == {"all"}
    assert {
        (e.source_port.name, e.dest_port.name)
        for e in graph_.edges
        if e.dest_port.node.name == "two"
    } == {("data", "data")}


def test_outputs_are_reached_from_run_step_and_name(bench: Bench, tmp_path: Path) -> None:
    from azureml.pipeline.core import PipelineData

    data = PipelineData("data", bench.datastore, pipeline_output_name="named")
    code = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.parent.mkdir(parents=True); p.write_text('made')"
    run = bench.run([bench.step("make", code, arguments=[data], outputs=[data])])
    step = steps(run)["make"]
    assert set(step.get_outputs()) == {"data"}
    reference = step.get_output("data").get_port_data_reference()
    assert reference.path_on_datastore == f"azureml/{step.id}/data"
    assert read(reference, tmp_path / "a") == "made"
    assert read(step.get_output_data("data"), tmp_path / "b") == "made"
    assert read(run.get_pipeline_output("named"), tmp_path / "c") == "made"
    logs = step.get_details_with_logs()["logFiles"]
    assert {"STDOUT", "STDERR", "JOBLOG", "azureml-logs/70_driver_log.txt"} <= set(logs)


def test_what_is_wrong_is_answered_with_its_name(loopback: Service, bench: Bench) -> None:
    run = bench.run([bench.step("one", "pass")])
    base = f"{Identity().services_url}/pipelines/v1.0/{Identity().arm_scope}"
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:

        def post(path: str, body: Any) -> tuple[int, str]:
            answer = client.post(f"{base}/{path}", json=body)
            return answer.status_code, answer.json()["message"]

        status, message = post(f"PipelineRuns/Submit/{run.id}", None)
        assert (status, "was submitted already" in message) == (409, True)
        status, message = post(f"PipelineRuns/{run.id}/Graph/Node/Status", ["nowhere"])
        assert (status, "has no node 'nowhere'" in message) == (404, True)
        status, message = post(f"PipelineRuns/{run.id}/Graph/Node/Status", ["a", "b"])
        assert (status, "the id of one node" in message) == (400, True)
        hyperdrive = {"Name": "tune", "ModuleExecutionType": "HyperDriveCloud"}
        status, message = post("Modules", hyperdrive)
        assert (status, "HyperDriveCloud" in message) == (501, True)
        status, message = post("DataSources", {"Name": "rows", "SqlQuery": "select 1"})
        assert (status, "SQL" in message) == (501, True)
        status, message = post("Modules", {"Name": "x", "Unheard": 1})
        assert (status, "Unheard" in message) == (501, True)


def test_a_run_that_was_not_submitted_is_canceled_at_once(loopback: Service, bench: Bench) -> None:
    run = bench.run([bench.step("one", "pass")])
    base = f"{Identity().services_url}/pipelines/v1.0/{Identity().arm_scope}/PipelineRuns"
    graphs = base.replace("PipelineRuns", "Graphs")
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:
        graph_id = client.get(f"{base}/{run.id}").json()["GraphId"]
        body = {"CreationInfo": {}, "Graph": client.get(f"{graphs}/{graph_id}").json()}
        made = client.post(
            f"{base}/Unsubmitted/CreationInfoWithGraph",
            params={"experimentName": bench.experiment},
            json=body,
        ).json()
        assert made["Status"]["StatusCode"] == "NotStarted"
        client.delete(f"{base}/{made['Id']}/Execution")
        assert client.get(f"{base}/{made['Id']}").json()["Status"]["StatusCode"] == "Canceled"
        assert client.post(f"{base}/Submit/{made['Id']}").status_code == 409


def test_a_run_below_another_run(bench: Bench) -> None:
    from azureml.core import Experiment
    from azureml.pipeline.core import Pipeline

    parent = bench.run([bench.step("parent", "pass")])
    pipeline = Pipeline(bench.workspace, steps=[bench.step("child", "pass")])
    child = pipeline.submit(bench.experiment, parent_run_id=parent.id)
    wait(child)
    assert child.parent.id == parent.id
    assert child.id in {
        found.id
        for found in Experiment(bench.workspace, bench.experiment).get_runs(include_children=True)
    }
