"""A failing step whose log names the error; a run that is cancelled; a step that goes on regardless."""

from __future__ import annotations

import time
from pathlib import Path

from azureml.core import Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
if "cpu" not in ws.compute_targets:
    ComputeTarget.create(
        ws, "cpu", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    ).wait_for_completion()
Path("source").mkdir(exist_ok=True)
Path("source/fail.py").write_text("print('before'); raise ValueError('no such passenger: Nemo')\n")
Path("source/after.py").write_text("print('never')\n")
Path("source/sleep.py").write_text("import time; print('asleep', flush=True); time.sleep(600)\n")

data = PipelineData("data", ws.get_default_datastore())
fail = PythonScriptStep(
    "fail.py",
    name="fail",
    outputs=[data],
    source_directory="source",
    compute_target="cpu",
    allow_reuse=False,
)
after = PythonScriptStep(
    "after.py", name="after", inputs=[data], source_directory="source", compute_target="cpu"
)
experiment = Experiment(ws, "failing")
run = experiment.submit(Pipeline(ws, [fail, after]))
run.wait_for_completion(show_output=False, raise_on_error=False)
assert run.get_status() == "Failed", run.get_status()
(step,) = run.find_step_run("fail")
assert step.get_status() == "Failed"
details = step.get_details()
assert "no such passenger: Nemo" in str(details["error"]), details
logs = step.get_details_with_logs()["logFiles"]
assert any("ValueError: no such passenger: Nemo" in text for text in logs.values()), logs
assert all(s.get_status() != "Finished" for s in run.find_step_run("after"))

sleeper = PythonScriptStep(
    "sleep.py", name="sleep", source_directory="source", compute_target="cpu", allow_reuse=False
)
run = experiment.submit(Pipeline(ws, [sleeper]))
deadline = time.time() + 60
while time.time() < deadline and not any(s.get_status() == "Running" for s in run.get_steps()):
    time.sleep(0.5)
run.cancel()
run.wait_for_completion(show_output=False, raise_on_error=False)
assert run.get_status() == "Canceled", run.get_status()
(step,) = run.get_steps()
assert step.get_status() == "Canceled", step.get_status()
print("done")
