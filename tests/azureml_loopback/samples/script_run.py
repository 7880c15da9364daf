"""A script run on a compute target, outside any pipeline: ScriptRunConfig."""

from __future__ import annotations

from pathlib import Path

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget

ws = Workspace.from_config()
if "cpu" not in ws.compute_targets:
    ComputeTarget.create(
        ws, "cpu", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    ).wait_for_completion()
Path("source").mkdir(exist_ok=True)
Path("source/train.py").write_text("""
import os, sys
from azureml.core import Run
run = Run.get_context()
run.log("n", int(sys.argv[2]))
os.makedirs("outputs", exist_ok=True)
open("outputs/model.txt", "w").write("model")
print("training said", sys.argv)
""")
config = ScriptRunConfig(
    source_directory="source",
    script="train.py",
    arguments=["--n", 5],
    compute_target="cpu",
    environment=Environment.get(ws, "AzureML-Tutorial"),
)
run = Experiment(ws, "script_run").submit(config)
run.wait_for_completion(show_output=True)
assert run.get_metrics() == {"n": 5}, run.get_metrics()
assert "outputs/model.txt" in run.get_file_names(), run.get_file_names()
model = run.register_model("from_script", model_path="outputs/model.txt")
print("done", model.version)
