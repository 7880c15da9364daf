"""AutoML: settings in the protocol's names, steps of pipelines, and experiments by themselves."""

from __future__ import annotations

import json
import pickle
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pipeline_samples import Bench, read, steps, told, wait

from azureml_loopback.services.jasmine.settings import read_settings


def sent(**settings: Any) -> dict[str, Any]:
    """Settings as the SDK sends them, with all of its defaults."""
    from azureml.train.automl import AutoMLConfig
    from azureml.train.automl._azureautomlsettings import AzureAutoMLSettings

    config = AutoMLConfig(compute_target="cpu", **settings)
    fit = config._get_fit_params()
    chosen = {name: value for name, value in config.user_settings.items() if name not in fit}
    values: dict[str, Any] = AzureAutoMLSettings(None, **chosen).as_serializable_dict()
    return values


@pytest.fixture(autouse=True)
def _beside_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the SDK writes its logs where it is


QUICK = {
    "iterations": 2,
    "n_cross_validations": 2,
    "experiment_timeout_hours": 0.25,
    "debug_log": "automl.log",
    "enable_early_stopping": False,
}


def table(rows: int = 120) -> pd.DataFrame:
    """Rows whose label `y` follows `x`, by day."""
    x = np.random.default_rng(7).normal(size=rows)
    days = pd.date_range("2025-01-01", periods=rows).astype("datetime64[ns]")
    return pd.DataFrame({"day": days, "x": x, "y": (x > 0).astype(int), "amount": x * 3 + 1})


def config(bench: Bench, **settings: Any) -> Any:
    from azureml.core.compute import ComputeTarget
    from azureml.train.automl import AutoMLConfig

    target = ComputeTarget(bench.workspace, "cpu")
    return AutoMLConfig(path=str(bench.folder), compute_target=target, **{**QUICK, **settings})


def automl_step(bench: Bench, name: str, outputs: list[Any], **settings: Any) -> Any:
    from azureml.core.runconfig import RunConfiguration
    from azureml.pipeline.steps import AutoMLStep

    settings["run_configuration"] = RunConfiguration()
    return AutoMLStep(name=name, automl_config=config(bench, **settings), outputs=outputs)


def registered(bench: Bench, frame: pd.DataFrame) -> Any:
    """Return a tabular dataset of a table's Parquet file on the datastore."""
    from azureml.core import Dataset

    (bench.folder / "upload").mkdir()
    frame.to_parquet(bench.folder / "upload" / "table.parquet")
    bench.datastore.upload(
        str(bench.folder / "upload"), target_path=bench.experiment, show_progress=False
    )
    path = (bench.datastore, f"{bench.experiment}/table.parquet")
    return Dataset.Tabular.from_parquet_files(path).register(bench.workspace, bench.experiment)


@pytest.fixture
def bench(workspace: Any, loopback: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    bench = Bench(workspace, tmp_path, request.node.originalname)
    bench.cluster("cpu", 4)
    loopback.control("POST", "clock", {"seconds": 10})  # AutoML wants a cluster that is ready
    return bench


def test_settings_in_the_protocols_names() -> None:
    job = read_settings(
        sent(
            task="classification",
            label_column_name="Survived",
            primary_metric="AUC_weighted",
            iterations=2,
            iteration_timeout_minutes=10,
            experiment_timeout_hours=0.25,
            n_cross_validations=3,
            featurization="auto",
            blocked_models=["SVM"],
        )
    )
    assert job.settings == {
        "task": "classification",
        "label_column_name": "Survived",
        "primary_metric": "AUC_weighted",
        "iterations": 2,
        "iteration_timeout_minutes": 10,
        "experiment_timeout_hours": 0.25,
        "n_cross_validations": 3,
        "featurization": "auto",
        "enable_early_stopping": True,
        "enable_dnn": False,
        "max_concurrent_iterations": 1,
        "blocked_models": ["SVM"],
        "enable_voting_ensemble": False,  # the SDK's own choice for two iterations
        "enable_stack_ensemble": False,
        "verbosity": 20,
    }
    assert job.not_honoured == ()


def test_forecasting_is_told_from_regression() -> None:
    series = {"time_column_name": "t", "forecast_horizon": 3, "time_series_id_column_names": ["id"]}
    job = read_settings(
        sent(task="forecasting", label_column_name="y", n_cross_validations=3, **series)
    )
    assert job.settings["task"] == "forecasting"
    assert {name: job.settings[name] for name in series} == series
    assert read_settings(sent(task="regression", label_column_name="y")).settings["task"] == (
        "regression"
    )


def test_what_was_not_chosen_is_left_to_the_command() -> None:
    job = read_settings(sent(task="regression", label_column_name="y", n_cross_validations="auto"))
    assert "iterations" not in job.settings
    assert "n_cross_validations" not in job.settings


def test_what_the_protocol_has_no_name_for_is_named() -> None:
    from azureml.automl.core.featurization import FeaturizationConfig

    job = read_settings(
        sent(
            task="regression",
            label_column_name="y",
            weight_column_name="w",
            validation_size=0.2,
            featurization=FeaturizationConfig(blocked_transformers=["LabelEncoder"]),
        )
    )
    assert job.settings["featurization"] == "auto"
    assert job.not_honoured == (
        "weight_column_name='w'",
        "validation_size=0.2",
        "featurization=FeaturizationConfig(…)",
    )


def test_a_step_trains_on_what_a_step_before_wrote(bench: Bench) -> None:
    from azureml.core import Experiment
    from azureml.pipeline.core import Pipeline, PipelineData, TrainingOutput
    from azureml.pipeline.steps import AutoMLStepRun

    source = registered(bench, table())
    prepared = PipelineData("prepared", datastore=bench.datastore).as_dataset()
    code = """
        import os, sys
        from azureml.core import Run
        frame = Run.get_context().input_datasets["rows"].to_pandas_dataframe()
        os.makedirs(sys.argv[1])
        frame[["x", "amount", "y"]].to_parquet(sys.argv[1] + "/part-0.parquet")
        frame[["x", "amount", "y"]].to_parquet(sys.argv[1] + "/part-1.parquet")
    """
    prepare = bench.step(
        "prepare",
        code,
        arguments=[prepared],
        inputs=[source.as_named_input("rows")],
        outputs=[prepared],
    )

    def output(name: str, kind: str) -> Any:
        made = TrainingOutput(type=kind)
        return PipelineData(
            name, bench.datastore, pipeline_output_name=f"{name}_output", training_output=made
        )

    train = automl_step(
        bench,
        "train it",
        [output("metrics", "Metrics"), output("model", "Model")],
        task="classification",
        primary_metric="AUC_weighted",
        label_column_name="y",
        training_data=prepared.parse_parquet_files(file_extension=None).drop_columns("amount"),
        allowed_models=["LogisticRegression"],
    )
    pipeline = Pipeline(bench.workspace, [prepare, train])
    run = Experiment(bench.workspace, bench.experiment).submit(pipeline)
    assert wait(run) == "Finished", told(run)

    # the pipeline's outputs are files, as the how-to reads them
    metrics = run.get_pipeline_output("metrics_output")
    frame = pd.DataFrame(json.loads(read(metrics, bench.folder / "a")))
    assert list(frame.columns) == ["0", "1"]
    assert frame.loc["AUC_weighted", "0"][0] > 0.9
    model = run.get_pipeline_output("model_output")
    assert model.download(str(bench.folder / "b")) == 1
    fitted = pickle.loads((bench.folder / "b" / model._path_on_datastore).read_bytes())
    # it learned from x alone: amount was dropped after the step that wrote it
    assert list(fitted.predict(pd.DataFrame({"x": [-2.0, 2.0]}))) == [0, 1]

    # default outputs, children and the best one, as AutoMLStepRun has them
    step = AutoMLStepRun(steps(run)["train it"])
    assert step.get_details()["target"] == "cpu"
    default = step.get_default_model_output().get_port_data_reference()
    assert default.download(str(bench.folder / "c")) == 1
    default = step.get_default_metrics_output().get_port_data_reference()
    assert json.loads(read(default, bench.folder / "d")) == json.loads(frame.to_json())
    children = {child.id: child for child in step.get_children()}
    assert sorted(children) == [f"{step.id}_0", f"{step.id}_1"]
    first = children[f"{step.id}_0"]
    assert (first.properties["iteration"], first.properties["run_algorithm"]) == (
        "0",
        "LogisticRegression",
    )
    assert first.get_metrics()["accuracy"] == frame.loc["accuracy", "0"][0]
    best = step.get_best_child()
    scores = {name: child.get_metrics()["AUC_weighted"] for name, child in children.items()}
    assert scores[best.id] == max(scores.values())
    assert "outputs/model.pkl" in best.get_file_names()
    assert step.get_metrics()["AUC_weighted"] == scores[best.id]
    assert step.summary() == [["LogisticRegression", 2, max(scores.values())]]
    assert '"iteration": 1' in steps(run)["train it"].get_stdout_log()

    # nothing changed, so nothing is trained again
    again = Experiment(bench.workspace, bench.experiment).submit(pipeline)
    assert wait(again) == "Finished"
    assert steps(again)["train it"].get_properties()["azureml.isreused"] == "true"


def ended(run: Any) -> str:
    return wait(run, "Completed", "Failed", "Canceled")


def test_experiments_train_regression_and_forecasting(bench: Bench) -> None:
    from azureml.core import Experiment
    from azureml.train.automl.run import AutoMLRun

    data = registered(bench, table())
    experiment = Experiment(bench.workspace, bench.experiment)
    settings = {
        "training_data": data,
        "label_column_name": "amount",
        "allowed_models": ["ElasticNet"],
    }
    validated = {**settings, "validation_data": data, "n_cross_validations": None}
    regression = experiment.submit(config(bench, task="regression", **validated))
    time = {"time_column_name": "day", "forecast_horizon": 3}
    forecasting = experiment.submit(config(bench, task="forecasting", **settings, **time))
    assert isinstance(regression, AutoMLRun)
    metric = "normalized_root_mean_squared_error"
    for run in (regression, forecasting):
        assert ended(run) == "Completed", run.get_details()
        best, _ = run.get_output()
        scores = [child.get_metrics()[metric] for child in run.get_children()]
        assert best.get_metrics()[metric] == min(scores)
        best_by_r2 = run.get_best_child(metric="r2_score").get_metrics()["r2_score"]
        assert best_by_r2 == max(child.get_metrics()["r2_score"] for child in run.get_children())
        registered_model = run.register_model(model_name=run.properties["display_task_type"])
        assert registered_model.version == 1
        assert best.get_environment().name == "AzureML-AutoML"
    assert forecasting.properties["display_task_type"] == "forecasting"
    assert {type(run) for run in experiment.get_runs()} == {AutoMLRun}


def test_the_best_child_has_what_a_service_needs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azureml.core import Environment, Experiment

    data = registered(bench, table())
    settings = {"task": "classification", "allowed_models": ["LogisticRegression"]}
    settings |= {"label_column_name": "y", "experiment_exit_score": 0.99}
    run = Experiment(bench.workspace, bench.experiment).submit(
        config(bench, training_data=data, **settings)
    )
    assert ended(run) == "Completed", run.get_details()
    (warning,) = run.get_details()["warnings"]
    assert warning["message"] == "AutoML here does not honour experiment_exit_score=0.99"
    best = run.get_best_child()
    name = best.properties["model_name"]
    assert name == "".join(run.id.split("-"))[:16].replace("_", "") + best.properties["iteration"]
    assert run.register_model(model_name=name).name == run.model_id == name

    best.download_file("outputs/conda_env_v_1_0_0.yml", "env.yml")
    declared = Environment.from_conda_specification("scoring", "env.yml")
    assert "scikit-learn==1.5.2" in list(declared.python.conda_dependencies.pip_packages)

    best.download_file("outputs/scoring_file_v_1_0_0.py", "score.py")
    best.download_file("outputs/model.pkl", "served/1/model.pkl")
    monkeypatch.setenv("AZUREML_MODEL_DIR", "served/1")
    service: dict[str, Any] = {}
    exec(Path("score.py").read_text(), service)
    service["init"]()
    rows = {"data": [{"day": "2025-01-01", "x": x, "amount": 3 * x + 1} for x in (-2.0, 2.0)]}
    assert json.loads(service["run"](json.dumps(rows))) == {"result": [0, 1]}
    assert service["run"](json.dumps({"Inputs": rows})) == {"Results": [0, 1]}


COMMAND = """
import argparse, json, pathlib, sys, time
parser = argparse.ArgumentParser()
for option in ("--settings", "--training-data", "--validation-data", "--output"):
    parser.add_argument(option, type=pathlib.Path)
options = parser.parse_args()
settings = json.loads(options.settings.read_text())
line = {"iteration": 0, "learner": "Mine", "metric": "accuracy", "value": 0.5, "best": 0.5}
print(json.dumps(line), flush=True)
if settings["label_column_name"] == "slow":
    time.sleep(600)
if settings["label_column_name"] == "wrong":
    print("a warning", file=sys.stderr)
    sys.exit("error: the label is wrong")
if settings["label_column_name"] == "y":
    options.output.mkdir()
    (options.output / "model.pkl").write_text("mine")
    (options.output / "metrics.json").write_text(json.dumps({"0": {"accuracy": [0.5], "who": ["me"]}}))
"""


SCRIPT = """
import json, time
from azureml.core import Dataset, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.train.automl import AutoMLConfig

ws = Workspace.from_config()
store = ws.get_default_datastore()
store.upload_files(["table.csv"], show_progress=False)
data = Dataset.Tabular.from_delimited_files((store, "table.csv"))
size = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
cpu = ComputeTarget.create(ws, "cpu", size)
cpu.wait_for_completion()
runs = {
    label: Experiment(ws, "mine").submit(AutoMLConfig(
        task="classification", label_column_name=label, training_data=data, compute_target=cpu,
        experiment_timeout_hours=0.25, debug_log="automl.log",
    ))
    for label in ("y", "wrong", "silent", "slow")
}
while not list(runs["slow"].get_children()):
    time.sleep(0.2)
runs["slow"].cancel()
told = {}
for label, run in runs.items():
    while run.get_status() not in ("Completed", "Failed", "Canceled"):
        time.sleep(0.2)
    told[label] = [run.get_status(), run.get_details().get("error", {}).get("error", {}).get("message")]
runs["y"].get_best_child().download_file("outputs/model.pkl", "model")
print("TOLD", json.dumps({**told, "metrics": runs["y"].get_metrics(), "model": open("model").read()}))
"""


def test_another_command_trains_fails_and_is_stopped(own_service: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(COMMAND)
    table(10).to_csv(tmp_path / "table.csv", index=False)
    command = shlex.join([sys.executable, str(tmp_path / "mine.py")])
    done = own_service("--automl-command", command).run(SCRIPT, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    assert json.loads(line.removeprefix("TOLD ")) == {
        "y": ["Completed", None],
        "wrong": ["Failed", "the label is wrong"],
        "silent": ["Failed", "The AutoML command left no model.pkl and no metrics.json"],
        "slow": ["Canceled", None],
        "metrics": {"accuracy": 0.5},
        "model": "mine",
    }


def test_what_cannot_be_left_at_an_output_is_said_before_training(bench: Bench) -> None:
    from azureml.pipeline.core import PipelineData, TrainingOutput

    third = TrainingOutput(type="Model", iteration=3)
    step = automl_step(
        bench,
        "train",
        [PipelineData("third", bench.datastore, training_output=third)],
        task="regression",
        label_column_name="amount",
        training_data=registered(bench, table(10)),
    )
    run = bench.run([step], expect="Failed")
    message = steps(run)["train"].get_details()["error"]["error"]["message"]
    assert message.startswith("Output 'third': TrainingOutput(iteration=3) is not implemented")
