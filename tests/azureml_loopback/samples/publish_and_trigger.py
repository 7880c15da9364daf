"""Publish a pipeline, start it by REST with another parameter, and version it at an endpoint."""

from __future__ import annotations

import time
from pathlib import Path

import requests
from azureml.core import Experiment, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import (
    Pipeline,
    PipelineEndpoint,
    PipelineParameter,
    PipelineRun,
    PublishedPipeline,
)
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
if "cpu" not in ws.compute_targets:
    ComputeTarget.create(
        ws, "cpu", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    ).wait_for_completion()
Path("source").mkdir(exist_ok=True)
Path("source/say.py").write_text("import sys; print('said', sys.argv[1:])\n")
word = PipelineParameter("word", default_value="hello world; $HOME 'quoted'")
step = PythonScriptStep(
    "say.py",
    name="say",
    arguments=["--word", word],
    source_directory="source",
    compute_target="cpu",
)
pipeline = Pipeline(ws, [step])
published = pipeline.publish(
    name="Say", description="says a word", version="1.0", continue_on_step_failure=True
)
assert PublishedPipeline.get(ws, published.id).name == "Say"
assert published.id in [p.id for p in PublishedPipeline.list(ws)]

header = InteractiveLoginAuthentication().get_authentication_header()
answer = requests.post(
    published.endpoint,
    headers=header,
    json={"ExperimentName": "published", "ParameterAssignments": {"word": "by REST"}},
)
answer.raise_for_status()
run_id = answer.json()["Id"]
run = PipelineRun(Experiment(ws, "published"), run_id)
run.wait_for_completion(show_output=False)
(child,) = run.get_steps()
assert "by REST" in child.get_stdout_log(), child.get_stdout_log()

run = published.submit(ws, "published")
run.wait_for_completion(show_output=False)
(child,) = run.get_steps()
assert (
    """'hello world; $HOME \\'quoted\\''""" in child.get_stdout_log()
    or '''"hello world; $HOME 'quoted'"''' in child.get_stdout_log()
), child.get_stdout_log()

endpoint = PipelineEndpoint.publish(
    ws, name=f"Say-{int(time.time() * 1000)}", pipeline=published, description="versions"
)
second = pipeline.publish(name="Say", description="again", version="2.0")
endpoint.add_default(second)
assert endpoint.get_default_version() == "1"
assert PipelineEndpoint.get(ws, name=endpoint.name).get_pipeline("1").id == second.id
run = endpoint.submit("published_by_endpoint", pipeline_parameters={"word": "by endpoint"})
run.wait_for_completion(show_output=False)
(child,) = run.get_steps()
assert "by endpoint" in child.get_stdout_log()
published.disable()
assert PublishedPipeline.get(ws, published.id).status == "Disabled"
print("done")
