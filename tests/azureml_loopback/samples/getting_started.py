"""Steps in parallel and in sequence, intermediate data, validation, outputs, a rerun that reuses."""

from __future__ import annotations

import sys
from pathlib import Path

from azureml.core import Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.runconfig import CondaDependencies, DockerConfiguration, RunConfiguration
from azureml.data.data_reference import DataReference
from azureml.pipeline.core import Pipeline, PipelineData, StepSequence
from azureml.pipeline.steps import PythonScriptStep

SCRIPTS = {
    "train.py": """
import argparse, pathlib
parser = argparse.ArgumentParser("train")
parser.add_argument("--input_data"); parser.add_argument("--output_train")
args = parser.parse_args()
text = pathlib.Path(args.input_data).read_text()
folder = pathlib.Path(args.output_train); folder.mkdir(parents=True, exist_ok=True)
(folder / "model.txt").write_text(f"learned from {len(text.split())} words")
print("In train.py: trained")
""",
    "extract.py": """
import argparse, pathlib
parser = argparse.ArgumentParser("extract")
parser.add_argument("--input_extract"); parser.add_argument("--output_extract")
args = parser.parse_args()
folder = pathlib.Path(args.output_extract); folder.mkdir(parents=True, exist_ok=True)
for source in sorted(pathlib.Path(args.input_extract).rglob("*.txt")):
    (folder / source.name).write_text(source.read_text().upper())
""",
    "compare.py": """
import argparse, pathlib
parser = argparse.ArgumentParser("compare")
parser.add_argument("--compare_data1"); parser.add_argument("--compare_data2")
parser.add_argument("--output_compare"); parser.add_argument("--pipeline_param", type=int)
args = parser.parse_args()
one, two = (pathlib.Path(p) / "model.txt" for p in (args.compare_data1, args.compare_data2))
assert two.read_text() == one.read_text().upper(), (one.read_text(), two.read_text())
folder = pathlib.Path(args.output_compare); folder.mkdir(parents=True, exist_ok=True)
(folder / "result.txt").write_text(f"same, param {args.pipeline_param}")
""",
}
source = Path("source")
source.mkdir(exist_ok=True)
for name, text in SCRIPTS.items():
    (source / name).write_text(text)

ws = Workspace.from_config()
blob_store = ws.get_default_datastore()
Path("words.txt").write_text("to be or not to be")
blob_store.upload_files(["words.txt"], target_path="words", overwrite=True, show_progress=False)

try:
    aml_compute = AmlCompute(workspace=ws, name="aml-compute")
    print("found existing compute target")
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(
        vm_size="STANDARD_D2_V2", min_nodes=1, max_nodes=4
    )
    aml_compute = ComputeTarget.create(ws, "aml-compute", config)
    aml_compute.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)

run_config = RunConfiguration()
run_config.docker = DockerConfiguration(use_docker=True)
run_config.environment.python.user_managed_dependencies = False
run_config.environment.python.conda_dependencies = CondaDependencies.create(
    conda_packages=["scikit-learn"]
)

words = DataReference(
    datastore=blob_store, data_reference_name="words", path_on_datastore="words/words.txt"
)
from azureml.pipeline.core.graph import PipelineParameter

pipeline_param = PipelineParameter(name="pipeline_arg", default_value=10)
processed1 = PipelineData("processed_data1", datastore=blob_store)
processed2 = PipelineData("processed_data2", datastore=blob_store)
compared = PipelineData("compared", datastore=blob_store, pipeline_output_name="comparison")

train = PythonScriptStep(
    name="train_step",
    script_name="train.py",
    arguments=["--input_data", words, "--output_train", processed1],
    inputs=[words],
    outputs=[processed1],
    compute_target=aml_compute,
    source_directory="source",
    runconfig=run_config,
)
extract = PythonScriptStep(
    name="extract_step",
    script_name="extract.py",
    arguments=["--input_extract", processed1, "--output_extract", processed2],
    inputs=[processed1],
    outputs=[processed2],
    compute_target=aml_compute,
    source_directory="source",
    runconfig=run_config,
)
compare = PythonScriptStep(
    name="compare_step",
    script_name="compare.py",
    arguments=[
        "--compare_data1",
        processed1,
        "--compare_data2",
        processed2,
        "--output_compare",
        compared,
        "--pipeline_param",
        pipeline_param,
    ],
    inputs=[processed1, processed2],
    outputs=[compared],
    compute_target=aml_compute,
    source_directory="source",
    runconfig=run_config,
)
pipeline = Pipeline(workspace=ws, steps=StepSequence(steps=[train, extract, compare]))
pipeline.validate()
print("Pipeline validation complete")

experiment = Experiment(ws, "getting_started")
run = experiment.submit(pipeline, regenerate_outputs=False, pipeline_parameters={"pipeline_arg": 7})
assert run.wait_for_completion(show_output=False) == "Finished", run.get_status()
steps = {step.name: step for step in run.get_steps()}
assert set(steps) == {"train_step", "extract_step", "compare_step"}, steps
assert "trained" in steps["train_step"].get_stdout_log(), steps["train_step"].get_stdout_log()
assert steps["train_step"].get_status() == "Finished"

output = run.get_pipeline_output("comparison")
output.download("downloaded", show_progress=False)
(result,) = Path("downloaded").rglob("result.txt")
assert result.read_text() == "same, param 7", result.read_text()

again = experiment.submit(pipeline, pipeline_parameters={"pipeline_arg": 8})
again.wait_for_completion(show_output=False)
reused = {step.name: step.get_properties().get("azureml.isreused") for step in again.get_steps()}
print("reused", reused)
assert reused["train_step"] == reused["extract_step"] == "true", reused
assert reused["compare_step"] != "true", reused
print("done", file=sys.stderr)
