"""A schedule by recurrence: made, listed, disabled. Usage: schedule.py; the caller moves the clock."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from azureml.core import Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import Pipeline, PipelineParameter, Schedule, ScheduleRecurrence
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
if "cpu" not in ws.compute_targets:
    ComputeTarget.create(
        ws, "cpu", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    ).wait_for_completion()
Path("source").mkdir(exist_ok=True)
Path("source/say.py").write_text("import sys; print('said', sys.argv[1:])\n")
word = PipelineParameter("word", default_value="default")
step = PythonScriptStep(
    "say.py", name="say", arguments=[word], source_directory="source", compute_target="cpu"
)
published = Pipeline(ws, [step]).publish(name="Scheduled", description="runs by the clock")

recurrence = ScheduleRecurrence(frequency="Hour", interval=1)
schedule = Schedule.create(
    workspace=ws,
    name="Hourly",
    pipeline_id=published.id,
    experiment_name="scheduled",
    recurrence=recurrence,
    pipeline_parameters={"word": "on time"},
    wait_for_provisioning=True,
    description="every hour",
)
assert schedule.status == "Active", schedule.status
assert schedule.id in [s.id for s in Schedule.list(ws)]
print("schedule", schedule.id, flush=True)
sys.stdin.readline()  # the caller moves the service's clock by an hour
deadline = time.time() + 60
while time.time() < deadline and schedule.get_last_pipeline_run() is None:
    time.sleep(0.5)
run = schedule.get_last_pipeline_run()
assert run is not None
run.wait_for_completion(show_output=False)
(child,) = run.get_steps()
assert "on time" in child.get_stdout_log(), child.get_stdout_log()
schedule.disable(wait_for_provisioning=True)
assert Schedule.get(ws, schedule.id).status == "Disabled"
print("done")
