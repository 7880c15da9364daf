"""File and tabular datasets as inputs, OutputFileDatasetConfig, registration on completion."""

from __future__ import annotations

from pathlib import Path

from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
datastore = ws.get_default_datastore()
if "cpu" not in ws.compute_targets:
    ComputeTarget.create(
        ws, "cpu", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    ).wait_for_completion()

Path("source").mkdir(exist_ok=True)
Path("source/prepare.py").write_text("""
import argparse, os
import pandas as pd
from azureml.core import Run
parser = argparse.ArgumentParser()
parser.add_argument("--out"); parser.add_argument("--files"); parser.add_argument("--table")
args = parser.parse_args()
run = Run.get_context()
frame = run.input_datasets["numbers"].to_pandas_dataframe()
assert sorted(os.listdir(args.files)) == ["a.txt", "b.txt"], os.listdir(args.files)
assert run.input_datasets["texts"] == args.files
run.log("rows", len(frame))
run.parent.log("rows_of_child", len(frame))
os.makedirs(args.out, exist_ok=True)
frame.assign(twice=frame["x"] * 2).to_csv(os.path.join(args.out, "part.csv"), index=False)
os.makedirs("outputs", exist_ok=True)
with open("outputs/note.txt", "w") as f: f.write("kept with the run")
""")
Path("source/check.py").write_text("""
import sys
from azureml.core import Run
run = Run.get_context()
frame = run.input_datasets["prepared"].to_pandas_dataframe()
# a table read from files that do not exist yet has no types to be told: it is text
assert [int(v) for v in frame["twice"]] == [2, 4, 6], frame
with open("summary.txt", "w") as f: f.write(f"{len(frame)} rows")
run.upload_file("summary.txt", "summary.txt")
run.log_list("twice", [int(v) for v in frame["twice"]])
""")
for name, text in {
    "data/x.csv": "x,y\n1,a\n2,b\n3,c\n",
    "texts/a.txt": "A",
    "texts/b.txt": "B",
}.items():
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)
Dataset.File.upload_directory("texts", (datastore, "texts"), overwrite=True, show_progress=False)
datastore.upload("data", "data", overwrite=True, show_progress=False)
table = Dataset.Tabular.from_delimited_files((datastore, "data/x.csv"))
table = table.register(ws, "numbers", create_new_version=True, tags={"kind": "sample"})
files = Dataset.File.from_files((datastore, "texts")).register(ws, "texts", create_new_version=True)

configuration = RunConfiguration()
configuration.target = "cpu"
configuration.environment = Environment.get(ws, "AzureML-Tutorial")
prepared = OutputFileDatasetConfig("prepared", destination=(datastore, "prepared/{run-id}"))
prepared = prepared.register_on_complete("prepared_files")

dataset_parameter = PipelineParameter("table", default_value=table)
from azureml.data.dataset_consumption_config import DatasetConsumptionConfig

table_input = DatasetConsumptionConfig("numbers", dataset_parameter)
files_input = files.as_named_input("texts").as_download()
prepare = PythonScriptStep(
    "prepare.py",
    name="prepare",
    source_directory="source",
    arguments=["--out", prepared, "--files", files_input, "--table", table_input],
    inputs=[table_input],
    allow_reuse=False,
    compute_target="cpu",
    runconfig=configuration,
)
check = PythonScriptStep(
    "check.py",
    name="check",
    source_directory="source",
    inputs=[prepared.read_delimited_files().as_input("prepared")],
    compute_target="cpu",
    runconfig=configuration,
)
run = Experiment(ws, "datasets_and_outputs").submit(Pipeline(ws, [prepare, check]))
run.wait_for_completion(show_output=False)
step = run.find_step_run("prepare")[0]
assert step.get_metrics() == {"rows": 3}, step.get_metrics()
assert run.get_metrics()["rows_of_child"] == 3, run.get_metrics()
step.download_file("outputs/note.txt", "note.txt")
assert Path("note.txt").read_text() == "kept with the run"
last = run.find_step_run("check")[0]
assert last.get_metrics() == {"twice": [2, 4, 6]}, last.get_metrics()
last.download_file("summary.txt", "summary_back.txt")
assert Path("summary_back.txt").read_text() == "3 rows"
registered = Dataset.get_by_name(ws, "prepared_files")
(part,) = registered.download("prepared_back", overwrite=True)
assert Path(part).read_text().splitlines()[0] == "x,y,twice"
print("done")
