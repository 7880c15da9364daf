"""What is not implemented reaches the user of the SDK as one clear sentence, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pipeline_samples import Bench, steps

SECONDS = 10


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench.of(workspace, tmp_path, request.node)


def soon(match: str, action: Callable[[], Any]) -> None:
    """Expect an error that says so, without minutes of trying again."""
    start = time.monotonic()
    with pytest.raises(Exception, match=match):
        action()
    assert time.monotonic() - start < SECONDS


def sweep(bench: Bench) -> Any:
    """A search over one parameter."""
    from azureml.core import ScriptRunConfig
    from azureml.train.hyperdrive import (
        HyperDriveConfig,
        PrimaryMetricGoal,
        RandomParameterSampling,
        uniform,
    )

    (bench.folder / "train.py").write_text("")
    return HyperDriveConfig(
        run_config=ScriptRunConfig(str(bench.folder), "train.py", compute_target="cpu"),
        hyperparameter_sampling=RandomParameterSampling({"--rate": uniform(0.1, 1)}),
        primary_metric_name="accuracy",
        primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
        max_total_runs=2,
    )


def test_a_parallel_run_step(bench: Bench) -> None:
    from azureml.core import Dataset, Environment
    from azureml.data import OutputFileDatasetConfig
    from azureml.pipeline.steps import ParallelRunConfig, ParallelRunStep

    (bench.folder / "score.py").write_text("def run(batch): return batch")
    data = Dataset.File.from_files((bench.datastore, "batch"), validate=False)
    config = ParallelRunConfig(
        source_directory=str(bench.folder),
        entry_script="score.py",
        error_threshold=1,
        output_action="append_row",
        environment=Environment("plain"),
        compute_target=bench.workspace.compute_targets["cpu"],
        node_count=1,
    )
    step = ParallelRunStep(
        name="score",
        parallel_run_config=config,
        inputs=[data.as_named_input("batch")],
        output=OutputFileDatasetConfig("scores"),
    )
    soon("A ParallelRunStep is not implemented", lambda: bench.submit([step]))


def test_a_search_over_parameters(bench: Bench) -> None:
    from azureml.core import Experiment
    from azureml.pipeline.steps import HyperDriveStep

    experiment = Experiment(bench.workspace, bench.experiment)
    soon(
        r"POST /hyperdrive/v1.0/\.\.\./experiments/\w+/runs is not implemented",
        lambda: experiment.submit(sweep(bench)),
    )
    step = HyperDriveStep("sweep", sweep(bench))
    soon("A HyperDriveStep is not implemented", lambda: bench.submit([step]))


def test_data_by_hdfs(bench: Bench) -> None:
    from azureml.core import Dataset

    data = Dataset.File.from_files((bench.datastore, "hdfs"), validate=False)
    given = data.as_named_input("files").as_hdfs()
    step = bench.step("read", "", arguments=[given], allow_reuse=False)
    run = bench.run([step], expect="Failed")
    error = steps(run)["read"].get_details()["error"]["error"]
    assert error["message"] == "Input 'files': mode 'hdfs' is not implemented"


def test_several_nodes_by_a_parameter(bench: Bench) -> None:
    from azureml.pipeline.core import PipelineParameter

    nodes = {"NodeCount": PipelineParameter("nodes", default_value=1)}
    step = bench.step("train", "", runconfig_pipeline_params=nodes, allow_reuse=False)
    bench.run([step])
    run = bench.run([step], expect="Failed", pipeline_parameters={"nodes": 2})
    error = steps(run)["train"].get_details()["error"]["error"]
    assert error["message"].startswith("Distributed runs (communicator None, 2 nodes) are not")


def test_a_service_principal(workspace: Any) -> None:
    from azureml.core import Workspace
    from azureml.core.authentication import ServicePrincipalAuthentication

    me = ServicePrincipalAuthentication(
        tenant_id="00000000-0000-4000-8000-00000000000a",
        service_principal_id="00000000-0000-4000-8000-00000000000b",
        service_principal_password="a secret",
    )
    soon(
        "a service principal is not implemented by the loopback service: leave auth out",
        lambda: Workspace.get(
            workspace.name,
            auth=me,
            subscription_id=workspace.subscription_id,
            resource_group=workspace.resource_group,
        ),
    )


def test_what_is_deployed(workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from azureml.core import Environment, Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice, Webservice

    assert workspace.webservices == workspace.images == {}
    with pytest.raises(Exception, match="WebserviceNotFound"):
        Webservice(workspace, "titanic")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "score.py").write_text("def init(): ...\ndef run(data): return data")
    model = Model.register(workspace, "score.py", "deployed")
    how = InferenceConfig(entry_script="score.py", environment=Environment("plain"))
    where = AciWebservice.deploy_configuration()
    soon(
        r"POST /modelmanagement/v1.0/\.\.\./services is not implemented",
        lambda: Model.deploy(workspace, "titanic", [model], how, where),
    )
    soon(
        r"POST /modelmanagement/v1.0/\.\.\./packages is not implemented",
        lambda: Model.package(workspace, [model], how),
    )
