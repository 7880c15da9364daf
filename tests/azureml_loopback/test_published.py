"""Published pipelines and pipeline endpoints, with the real SDK and by REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pipeline_samples import Bench, printed, wait

SAY = "import sys; print('said', sys.argv[1:])"


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    bench = Bench(workspace, tmp_path, request.node.originalname)
    bench.cluster("cpu", 4)
    return bench


@pytest.fixture
def pipeline(bench: Bench) -> Any:
    """One step that prints the pipeline parameter ``word``."""
    from azureml.pipeline.core import Pipeline, PipelineParameter

    word = PipelineParameter("word", default_value="default")
    return Pipeline(bench.workspace, [bench.step("say", SAY, arguments=[word])])


def publish(pipeline: Any, name: str = "Say", **options: Any) -> Any:
    return pipeline.publish(name=name, description="says a word", version="1.0", **options)


def post(loopback: Any, url: str, body: dict[str, Any], token: str | None = None) -> Any:
    with loopback.client(Authorization=f"Bearer {token or loopback.token()}") as client:
        return client.post(url, json=body)


def run_of(bench: Bench, run_id: str) -> Any:
    from azureml.core import Experiment
    from azureml.pipeline.core import PipelineRun

    return PipelineRun(Experiment(bench.workspace, bench.experiment), run_id)


def test_a_published_pipeline_is_found_again(bench: Bench, pipeline: Any) -> None:
    from azureml.pipeline.core import PublishedPipeline

    published = publish(pipeline, continue_on_step_failure=True)
    found = PublishedPipeline.get(bench.workspace, published.id)
    assert (found.name, found.version, found.description) == ("Say", "1.0", "says a word")
    assert (found.status, found.total_run_steps) == ("Active", 1)
    assert found.continue_on_step_failure is True
    assert found.id in [other.id for other in PublishedPipeline.list(bench.workspace)]
    assert [node.name for node in found.get_graph().module_nodes] == ["say"]


def test_it_runs_with_other_parameters(bench: Bench, pipeline: Any) -> None:
    from azureml.pipeline.core import PipelineRun

    published = publish(pipeline)
    first = published.submit(bench.workspace, bench.experiment)
    second = published.submit(bench.workspace, bench.experiment, pipeline_parameters={"word": "hi"})
    assert (wait(first), wait(second)) == ("Finished", "Finished")
    assert "said ['default']" in printed(first, "say")
    assert "said ['hi']" in printed(second, "say")
    runs = PipelineRun.get_pipeline_runs(bench.workspace, published.id)
    assert [run.id for run in runs] == [first.id, second.id]


def test_rest_starts_it_with_a_bearer_token(bench: Bench, pipeline: Any, loopback: Any) -> None:
    published = publish(pipeline)
    body = {"ExperimentName": bench.experiment, "ParameterAssignments": {"word": 6}}
    answer = post(loopback, published.endpoint, body)
    assert answer.status_code == 200, answer.text
    run = run_of(bench, answer.json()["Id"])
    assert wait(run) == "Finished"
    assert "said ['6']" in printed(run, "say")
    assert post(loopback, published.endpoint, body, token="not.ours").status_code == 401


def test_rest_sets_a_data_path(bench: Bench, loopback: Any) -> None:
    from azureml.data.datapath import DataPath, DataPathComputeBinding
    from azureml.pipeline.core import Pipeline, PipelineParameter

    for name in ("one", "two"):
        folder = bench.folder / "upload" / name
        folder.mkdir(parents=True)
        (folder / "text.txt").write_text(f"text {name}")
    bench.datastore.upload(
        str(bench.folder / "upload"), target_path=bench.experiment, show_progress=False
    )
    path = DataPath(bench.datastore, f"{bench.experiment}/one")
    given = (PipelineParameter("folder", default_value=path), DataPathComputeBinding(mode="mount"))
    code = "import sys, pathlib; print((pathlib.Path(sys.argv[1]) / 'text.txt').read_text())"
    pipeline = Pipeline(
        bench.workspace, [bench.step("read", code, arguments=[given], inputs=[given])]
    )
    published = publish(pipeline, "Read")
    other = {"DataStoreName": bench.datastore.name, "RelativePath": f"{bench.experiment}/two"}
    body = {"ExperimentName": bench.experiment, "DataPathAssignments": {"folder": other}}
    answer = post(loopback, published.endpoint, body)
    assert answer.status_code == 200, answer.text
    run = run_of(bench, answer.json()["Id"])
    assert wait(run) == "Finished"
    assert "text two" in printed(run, "read")


def test_rest_says_what_is_wrong(pipeline: Any, loopback: Any) -> None:
    body = {"ParameterAssignments": {"word": "1"}}
    answer = post(loopback, publish(pipeline).endpoint, body)
    assert answer.status_code == 400
    assert "needs an experiment name" in answer.json()["error"]["message"]


def test_a_parameter_that_the_pipeline_has_not_is_left_out_with_a_warning(
    bench: Bench, pipeline: Any, loopback: Any
) -> None:
    body = {"ExperimentName": bench.experiment, "ParameterAssignments": {"wrod": "1"}}
    answer = post(loopback, publish(pipeline).endpoint, body)
    assert answer.status_code == 200, answer.text
    (warning,) = run_of(bench, answer.json()["Id"]).get_details()["warnings"]
    assert warning["message"].startswith("The pipeline has no parameter wrod, which was left out;")


def test_a_field_that_is_not_known_is_refused_by_name(pipeline: Any, loopback: Any) -> None:
    answer = post(loopback, publish(pipeline).endpoint, {"ExperimentName": "x", "Color": "red"})
    assert answer.status_code == 501
    assert "Color" in answer.json()["error"]["message"]


def test_a_disabled_pipeline_does_not_run(bench: Bench, pipeline: Any, loopback: Any) -> None:
    from azureml.pipeline.core import PublishedPipeline

    published = publish(pipeline)
    published.disable()
    assert PublishedPipeline.get(bench.workspace, published.id).status == "Disabled"
    assert published.id not in [p.id for p in PublishedPipeline.list(bench.workspace)]
    every = PublishedPipeline.list(bench.workspace, active_only=False)
    assert published.id in [other.id for other in every]
    answer = post(loopback, published.endpoint, {"ExperimentName": bench.experiment})
    assert answer.status_code == 400
    assert "is Disabled and cannot be submitted" in answer.json()["error"]["message"]
    with pytest.raises(Exception, match="is Disabled and cannot be submitted"):
        published.submit(bench.workspace, bench.experiment)
    published.enable()
    assert wait(published.submit(bench.workspace, bench.experiment)) == "Finished"


def test_a_run_can_be_published(bench: Bench, pipeline: Any) -> None:
    from azureml.core import Experiment

    run = Experiment(bench.workspace, bench.experiment).submit(
        pipeline, pipeline_parameters={"word": "once"}
    )
    wait(run)
    published = run.publish_pipeline(name="From a run", description="again", version="2")
    again = published.submit(bench.workspace, bench.experiment)
    assert wait(again) == "Finished"
    assert "said ['default']" in printed(again, "say")


def test_an_endpoint_has_versions(bench: Bench, pipeline: Any, loopback: Any) -> None:
    from azureml.pipeline.core import PipelineEndpoint

    ws, first, second = bench.workspace, publish(pipeline, "First"), publish(pipeline, "Second")
    endpoint = PipelineEndpoint.publish(ws, name="Versions", description="two", pipeline=first)
    assert (endpoint.status, endpoint.get_default_version()) == ("Active", "0")
    endpoint.add(second)
    endpoint = PipelineEndpoint.get(ws, name="Versions")
    assert {v.version: v.pipeline.name for v in endpoint.list_versions()} == {
        "0": "First",
        "1": "Second",
    }
    endpoint.set_default_version("1")
    assert PipelineEndpoint.get(ws, id=endpoint.id).get_pipeline().id == second.id
    by_default = endpoint.submit(bench.experiment, pipeline_parameters={"word": "of the default"})
    by_version = endpoint.submit(
        bench.experiment, pipeline_parameters={"word": "of the first"}, pipeline_version="0"
    )
    assert (wait(by_default), wait(by_version)) == ("Finished", "Finished")
    assert "of the default" in printed(by_default, "say")
    assert by_version.id in [run.id for run in type(by_version).get_pipeline_runs(ws, first.id)]
    by_name = endpoint.endpoint.replace(f"Id/{endpoint.id}", "Name/Versions")
    by_query = endpoint.endpoint.replace(f"Id/{endpoint.id}", "Name?name=Versions")
    for url in (endpoint.endpoint, by_name, by_query):
        answer = post(loopback, url, {"ExperimentName": bench.experiment})
        assert answer.json()["PipelineId"] == second.id
        wait(run_of(bench, answer.json()["Id"]))
    answer = post(loopback, f"{by_name}?pipelineVersion=7", {"ExperimentName": bench.experiment})
    assert answer.status_code == 400
    assert "has no version 7; it has 0, 1" in answer.text
    answer = post(loopback, by_query.partition("?")[0], {"ExperimentName": bench.experiment})
    assert (answer.status_code, "add ?name=ENDPOINT" in answer.text) == (400, True)


def test_an_endpoint_is_renamed_and_disabled(bench: Bench, pipeline: Any, loopback: Any) -> None:
    from azureml.pipeline.core import PipelineEndpoint

    ws, published = bench.workspace, publish(pipeline)
    endpoint = PipelineEndpoint.publish(ws, name="Before", description="one", pipeline=published)
    endpoint.set_name("After")
    found = PipelineEndpoint.get(ws, name="After")
    assert (found.id, found.description) == (endpoint.id, "one")
    with pytest.raises(ValueError, match="already exists"):
        PipelineEndpoint.publish(ws, name="After", description="", pipeline=published)
    assert [p.id for p in found.list_pipelines()] == [published.id]
    found.disable()
    assert "After" not in [e.name for e in PipelineEndpoint.list(ws)]
    assert "After" in [e.name for e in PipelineEndpoint.list(ws, active_only=False)]
    answer = post(loopback, found.endpoint, {"ExperimentName": bench.experiment})
    assert (answer.status_code, "'After' is Disabled" in answer.text) == (400, True)
    assert len(PipelineEndpoint.list(ws, active_only=False, max_results=1)) == 1
