"""The v1 back end with the real SDK: what would be sent, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deploy_samples import (
    automl_catalog,
    automl_nodes,
    automl_parameters,
    automl_values,
    make,
    project_of,
)

from azureml_deploy.azureml_v1 import Resources, build_steps
from azureml_deploy.config import Environment
from azureml_deploy.deployment import prepare
from azureml_deploy.workspace.environments import build_environment

pytest.importorskip("azureml.pipeline.steps", reason="needs the azureml extra")

from azureml.core import Workspace
from azureml.core.authentication import ArmTokenAuthentication
from azureml.core.compute import AmlCompute
from azureml.data import OutputFileDatasetConfig
from azureml.data.azure_storage_datastore import AzureBlobDatastore
from azureml.data.dataset_factory import FileDatasetFactory, TabularDatasetFactory
from azureml.data.output_dataset_config import OutputTabularDatasetConfig
from azureml.pipeline.core import PipelineData
from azureml.pipeline.core.graph import PipelineParameter
from azureml.pipeline.core.pipeline_output_dataset import (
    PipelineOutputFileDataset,
    PipelineOutputTabularDataset,
)
from azureml.pipeline.steps import AutoMLStep, PythonScriptStep


@pytest.fixture(scope="module")
def workspace() -> Any:
    return Workspace(
        "sub",
        "group",
        "ws",
        auth=ArmTokenAuthentication("token"),
        _location="westeurope",
        _disable_service_check=True,
    )


def compute(workspace: Any, name: str) -> Any:
    scale = {
        "minNodeCount": 0,
        "maxNodeCount": 1,
        "nodeIdleTimeBeforeScaleDown": "PT1800S",
    }
    properties = {
        "vmSize": "STANDARD_D2_V2",
        "vmPriority": "Dedicated",
        "scaleSettings": scale,
        "subnet": None,
        "userAccountCredentials": {},
        "allocationState": "Steady",
        "nodeStateCounts": None,
        "currentNodeCount": 0,
        "targetNodeCount": 0,
        "errors": None,
        "allocationStateTransitionTime": "2026-01-01T00:00:00Z",
        "remoteLoginPortPublicAccess": "NotSpecified",
    }
    return AmlCompute.deserialize(
        workspace,
        {
            "id": f"/computes/{name}",
            "name": name,
            "location": "westeurope",
            "tags": None,
            "properties": {
                "computeType": "AmlCompute",
                "computeLocation": "westeurope",
                "description": None,
                "provisioningErrors": None,
                "provisioningState": "Succeeded",
                "resourceId": None,
                "createdOn": "2026-01-01T00:00:00Z",
                "modifiedOn": "2026-01-01T00:00:00Z",
                "isAttachedCompute": False,
                "properties": properties,
            },
        },
    )


@pytest.fixture(scope="module")
def resources(workspace: Any) -> Resources:
    datastore = AzureBlobDatastore(workspace, "store", "container", "account", account_key="a2V5")
    one, two = (
        build_environment(name, Environment(pip_packages=("kedro",))) for name in ("one", "two")
    )
    return Resources(
        {name: compute(workspace, name) for name in ("cpu", "big")},
        {"one": one, "two": two},
        {
            "raw": FileDatasetFactory.from_files("https://example.com/raw.csv", validate=False),
            "train": TabularDatasetFactory.from_parquet_files(
                "https://example.com/t.parquet", validate=False
            ),
        },
        datastore,
    )


@pytest.fixture
def build(values: dict[str, Any], resources: Resources, tmp_path: Path) -> Any:
    def built(changes: Any = None, nodes: Any = None, settings: Any = None) -> dict[str, Any]:
        parameters = automl_parameters()
        parameters["automl"] |= settings or {}
        project = project_of(
            tmp_path,
            nodes or automl_nodes(),
            {**automl_values(values), **(changes or {})},
            automl_catalog(),
            parameters,
        )
        return build_steps(prepare(project), resources, tmp_path / "snapshots")

    return built


def test_kinds_and_where_they_run(build: Any) -> None:
    steps = build()
    kinds = (PythonScriptStep, AutoMLStep, PythonScriptStep, PythonScriptStep)
    assert all(isinstance(*pair) for pair in zip(steps.values(), kinds, strict=True))
    first, fit, judge, register = steps.values()
    assert first._compute_target.name == "cpu"
    assert fit._automl_config.user_settings["compute_target"].name == "big"
    assert judge._runconfig.environment.name == "two"
    assert [first._allow_reuse, fit._allow_reuse, register._allow_reuse] == [True, True, False]
    assert register._script_name == "register_model.py"


def test_preparation_reads_the_registered_dataset_and_writes_datasets(build: Any) -> None:
    first = next(iter(build().values()))
    (raw,) = first._inputs
    assert (raw.name, raw.mode) == ("raw", "mount")
    by_name = {output.name: output for output in first._outputs}
    assert isinstance(by_name["train"], PipelineOutputFileDataset)
    assert isinstance(by_name["test"], PipelineData)
    assert Path(first._source_directory, "run_step.py").is_file()


def test_automl_gets_tables_settings_and_training_outputs(build: Any) -> None:
    fit = build(settings={"n_cross_validations": 3})["fit"]
    settings = fit._automl_config.user_settings
    training_data = settings["training_data"]
    assert isinstance(training_data, PipelineOutputTabularDataset)
    assert "ReadParquetFileBlock" in training_data._additional_transformations.to_json()
    assert settings["task_type"] == "classification"
    assert settings["label_column_name"] == "y"
    assert (settings["iterations"], settings["n_cross_validations"]) == (2, 3)
    outputs = {output.name: output for output in fit._outputs}
    assert outputs["model"]._pipeline_output_name == "model_output"
    assert outputs["metrics"]._pipeline_output_name == "metrics_output"
    assert outputs["model"]._training_output.type == "Model"
    assert outputs["metrics"]._training_output.type == "Metrics"
    assert (fit._enable_default_model_output, fit._enable_default_metrics_output) == (False, False)


def test_automl_runs_in_azures_own_environment(build: Any) -> None:
    from azureml.core.runconfig import RunConfiguration

    fit = build()["fit"]
    environment = fit._automl_config.user_settings["run_configuration"].environment
    unchanged = RunConfiguration().environment
    packages = environment.python.conda_dependencies.serialize_to_string()
    assert packages == unchanged.python.conda_dependencies.serialize_to_string()


def test_validation_data(build: Any, values: dict[str, Any]) -> None:
    nodes = automl_nodes()
    nodes[2] = make(
        "fit", ["train", "test", "params:automl"], ["model", "metrics"], tags="azureml.automl"
    )
    roles = {**automl_values(values)["roles"], "validation_data": "test"}
    settings = build({"roles": roles}, nodes)["fit"]._automl_config.user_settings
    assert isinstance(settings["validation_data"], PipelineOutputTabularDataset)


@pytest.mark.parametrize(
    ("settings", "metric"),
    [
        ({"task": "regression"}, "normalized_root_mean_squared_error"),
        (
            {"task": "forecasting", "time_column_name": "day", "forecast_horizon": 7},
            "normalized_root_mean_squared_error",
        ),
    ],
)
def test_other_tasks(build: Any, settings: dict[str, Any], metric: str) -> None:
    found = build(settings=settings)["fit"]._automl_config.user_settings
    assert found["primary_metric"] == metric
    assert found["task_type"] == "regression"
    assert bool(found.get("is_timeseries")) == (settings["task"] == "forecasting")


def test_registration_has_the_pipeline_parameter(build: Any) -> None:
    register = build()["register"]
    arguments = register._arguments
    assert arguments[0] == "--model_name"
    assert isinstance(arguments[1], PipelineParameter)
    assert (arguments[1].name, arguments[1].default_value) == ("model_name", "Model")
    assert arguments[2] == "--model_path"
    assert isinstance(arguments[3], PipelineData)
    assert arguments[3] in register._inputs
    assert isinstance(arguments, list)


def test_the_registered_dataset_route(build: Any, values: dict[str, Any]) -> None:
    datasets = {**automl_values(values)["datasets"], "train": {"name": "Data_prepared"}}
    steps = build({"datasets": datasets})
    first = next(iter(steps.values()))
    train = next(output for output in first._outputs if output.name == "train")
    assert train._registration_name == "Data_prepared"
    assert train._create_new_version is True


def test_the_registered_route_with_a_table(build: Any, values: dict[str, Any]) -> None:
    table = {"name": "Data_prepared", "type": "tabular", "description": "Prepared"}
    datasets = {**automl_values(values)["datasets"], "train": table}
    steps = build({"datasets": datasets})
    first = next(iter(steps.values()))
    train = next(output for output in first._outputs if output.name == "train")
    assert isinstance(train, OutputTabularDatasetConfig)
    assert (train._registration.name, train._registration.description) == (
        "Data_prepared",
        "Prepared",
    )
    settings = steps["fit"]._automl_config.user_settings
    assert isinstance(settings["training_data"], OutputTabularDatasetConfig)
    assert settings["training_data"].name == "train"


def test_what_is_sent_does_not_differ_by_random_ids(build: Any) -> None:
    sent = [
        build()["fit"]._automl_config.user_settings["training_data"]._additional_transformations
        for _ in range(2)
    ]
    assert sent[0].to_json() == sent[1].to_json()


def test_a_registered_dataset_is_read_by_name(build: Any, values: dict[str, Any]) -> None:
    datasets = {"train": {"name": "Data_prepared", "type": "tabular"}}
    steps = build({"datasets": datasets}, automl_nodes()[2:3])
    training_data = steps["fit"]._automl_config.user_settings["training_data"]
    assert type(training_data).__name__ == "TabularDataset"


def test_output_file_dataset_config(build: Any) -> None:
    steps = build({"intermediate_data": "OutputFileDatasetConfig"})
    first = next(iter(steps.values()))
    assert all(isinstance(output, OutputFileDatasetConfig) for output in first._outputs)
    settings = steps["fit"]._automl_config.user_settings
    assert type(settings["training_data"]).__name__ == "OutputTabularDatasetConfig"
    assert {type(i).__name__ for i in steps["judge"]._inputs} == {
        "PipelineData",
        "DatasetConsumptionConfig",
    }


def test_a_step_waits_for_what_it_reads_elsewhere(
    values: dict[str, Any], resources: Resources, tmp_path: Path
) -> None:
    values = {
        **automl_values(values),
        "steps": [{"nodes": "b", "compute_target": "big"}],
    }
    catalog = {"x": {"type": "pandas.CSVDataset", "filepath": "abfss://c@a.dfs/x.csv"}}
    project = project_of(tmp_path, [make("a", None, "x"), make("b", "x", "y")], values, catalog)
    steps = build_steps(prepare(project), resources, tmp_path / "snapshots")
    assert steps["b"].run_after_steps == [steps["a"]]


def test_environments() -> None:
    settings = Environment(
        docker_image="image:1",
        python_version="3.10",
        conda_packages=("numpy=1.23",),
        pip_packages=("kedro==1.7.0",),
        channels=("conda-forge",),
    )
    made = build_environment("mine", settings)
    dependencies = made.python.conda_dependencies
    assert made.docker.base_image == "image:1"
    assert dependencies.get_python_version() == "3.10"
    assert list(dependencies.pip_packages) == ["kedro==1.7.0"]
    assert "numpy=1.23" in list(dependencies.conda_packages)
    layered = build_environment("layered", Environment(curated="mine", pip_packages=("x",)), made)
    assert layered.name == "layered"
    assert set(layered.python.conda_dependencies.pip_packages) == {"kedro==1.7.0", "x"}
    assert build_environment("bare", Environment(curated="mine"), made) is made
