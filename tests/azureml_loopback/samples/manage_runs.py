"""Runs on this machine: submitted, with children of their own, tagged, queried, cancelled."""

from __future__ import annotations

import time
from pathlib import Path

from azureml.core import Experiment, Run, ScriptRunConfig, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication

ws = Workspace.from_config(auth=InteractiveLoginAuthentication())
experiment = Experiment(ws, "explore-runs")
ws.get_default_keyvault().set_secret("greeting", "hello from the vault")

Path("source").mkdir(exist_ok=True)
Path("source/.amlignore").write_text("/ignored\n")
Path("source/ignored").mkdir(exist_ok=True)
Path("source/ignored/large.bin").write_text("not to be sent")
Path("source/hello.py").write_text("""
import os, sys
from azureml.core import Run, ScriptRunConfig
assert not os.path.exists("ignored")
run = Run.get_context()
print(run.get_secret("greeting"))
run.log("depth", float(sys.argv[1]), description="how deep")
run.log_row("grid", x=1, y=0.5); run.log_row("grid", x=2, y=0.25)
for number, child in enumerate(run.create_children(count=2)):
    child.log("number", number)
    child.complete()
if sys.argv[1] == "0":
    config = ScriptRunConfig(source_directory=".", script="hello.py", arguments=["1"])
    run.submit_child(config).wait_for_completion(show_output=False)
""")
Path("source/wait.py").write_text("import time; print('waiting', flush=True); time.sleep(600)")

# a run on the target 'local', which is what a configuration without one says
run = experiment.submit(ScriptRunConfig("source", "hello.py", arguments=["0"]))
run.wait_for_completion(show_output=True)
assert run.get_metrics() == {"depth": 0, "grid": {"x": [1, 2], "y": [0.5, 0.25]}}, run.get_metrics()
texts = run.get_details_with_logs()["logFiles"].values()
assert any("hello from the vault" in text for text in texts)
children = list(run.get_children())
submitted = next(child for child in children if child.get_metrics().get("depth") == 1)
assert (len(children), len(list(run.get_children(recursive=True)))) == (3, 5)
assert submitted.parent.id == run.id

# properties are written once, tags as often as one likes; runs are found by both
run.add_properties({"author": "someone"})
refusal = ""
try:
    run.add_properties({"author": "someone else"})
except Exception as error:
    refusal = str(error)
assert "written once" in refusal, refusal
run.tag("quality", "great")
run.tag("quality", "fantastic")
run.tag("worth another look")
found = experiment.get_runs(properties={"author": "someone"}, tags={"quality": "fantastic"})
assert [other.id for other in found] == [run.id]
assert run.id in [other.id for other in experiment.get_runs(tags="worth another look")]

# a run that is cancelled, one that fails, and the script that was run
waiting = experiment.submit(ScriptRunConfig("source", "wait.py"))
while waiting.get_status() != "Running":
    time.sleep(0.1)
waiting.cancel()
while waiting.get_status() not in {"Canceled", "Failed", "Completed"}:
    time.sleep(0.1)
assert waiting.get_status() == "Canceled"
with experiment.start_logging(snapshot_directory=None) as failing:
    failing.fail(error_details="no data today")
assert failing.get_details()["error"]["error"]["message"] == "no data today"

assert Path(run.restore_snapshot(path="snapshots")).exists()
assert failing.id in {other.id for other in Run.list(experiment, status="Failed")}
print("done")
