"""A shared module's versions, as steps and out of YAML; a data path given by REST."""

from __future__ import annotations

import time
from pathlib import Path

import requests
from azureml.core import Experiment, RunConfiguration, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter, PipelineRun
from azureml.pipeline.core.graph import InputPortDef, OutputPortDef
from azureml.pipeline.core.module import Module
from azureml.pipeline.steps import CommandStep, ModuleStep

ws = Workspace.from_config()
datastore = ws.get_default_datastore()
if "cpu" not in ws.compute_targets:
    ComputeTarget.create(
        ws, "cpu", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    ).wait_for_completion()
for folder, number in {"two": 2, "forty": 40}.items():
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "number.txt").write_text(str(number))
    datastore.upload(folder, f"numbers/{folder}", overwrite=True, show_progress=False)

Path("calc").mkdir(exist_ok=True)
Path("calc/first.py").write_text("""
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--number", type=int); parser.add_argument("--result")
args = parser.parse_args()
os.makedirs(args.result, exist_ok=True)
with open(os.path.join(args.result, "number.txt"), "w") as f: f.write(str(args.number))
""")
Path("calc/duplicate.py").write_text(
    "import shutil, sys; shutil.copytree(sys.argv[2], sys.argv[4])"
)
Path("calc/add.py").write_text("""
import os, sys
from azureml.core import Run
numbers = [int(open(os.path.join(folder, "number.txt")).read()) for folder in sys.argv[1:]]
Run.get_context().parent.log("sum", sum(numbers))
""")

# Versions of a module -----------------------------------------------------------------------------
name = f"Calculate-{int(time.time() * 1000)}"
module = Module.create(ws, name=name, description="makes a number, or adds numbers")
result = OutputPortDef("result", default_datastore_name=datastore.name)
makes_one = module.publish_python_script(
    "first.py",
    "makes a number",
    inputs=[],
    outputs=[result],
    params={"number": 1},
    version="1",
    source_directory="calc",
)
module.publish_python_script(
    "add.py",
    "adds two",
    inputs=[InputPortDef("left"), InputPortDef("right")],
    outputs=[],
    version="2",
    is_default=True,
    source_directory="calc",
)
assert [v.version for v in Module.get_versions(ws, name)] == ["1", "2"]
assert Module.get(ws, name=name).get_default().description == "adds two"

# As steps, with a command between them ------------------------------------------------------------
number = PipelineParameter("number", default_value=17)
made, same = PipelineData("made", datastore=datastore), PipelineData("same", datastore=datastore)
first = ModuleStep(
    module_version=makes_one,
    outputs_map={"result": made},
    arguments=["--number", number, "--result", made],
    runconfig=RunConfiguration(),
    compute_target="cpu",
)
copy = CommandStep(
    name="copy",
    command=["python duplicate.py --from", made, "--to", same],
    inputs=[made],
    outputs=[same],
    source_directory="calc",
    compute_target="cpu",
)
add = ModuleStep(
    module=module,
    inputs_map={"left": made, "right": same},
    arguments=[made, same],
    runconfig=RunConfiguration(),
    compute_target="cpu",
)
run = Experiment(ws, "modules").submit(
    Pipeline(ws, [add, copy]), pipeline_parameters={"number": 21}
)
run.wait_for_completion(show_output=False)
assert run.get_metrics() == {"sum": 42}, run.get_metrics()

# Out of YAML, published, with a data path given by REST -------------------------------------------
Path("pipeline.yml").write_text(f"""
pipeline:
    description: adds a number and one of the datastore's
    parameters:
        Number:
            type: string
            default: "2"
        Folder:
            type: datapath
            default:
                datastore: {datastore.name}
                path_on_datastore: numbers/two
    default_compute: cpu
    steps:
        First:
            type: ModuleStep
            name: {name}
            version: "1"
            arguments:
            - --number
            - parameter:number
            - --result
            - output:result
            parameters:
                number:
                    source: Number
            outputs:
                result:
                    destination: made
                    datastore: {datastore.name}
                    bind_mode: mount
        Add:
            type: ModuleStep
            name: {name}
            arguments:
            - input:left
            - input:right
            inputs:
                left:
                    source: made
                    bind_mode: mount
                right:
                    source: Folder
                    bind_mode: download
""")
published = Pipeline.load_yaml(ws, "pipeline.yml").publish(name="Sum", description="of two")
forty = {"DataStoreName": datastore.name, "RelativePath": "numbers/forty"}
answer = requests.post(
    published.endpoint,
    headers=InteractiveLoginAuthentication().get_authentication_header(),
    json={"ExperimentName": "modules", "DataPathAssignments": {"Folder": forty}},
)
answer.raise_for_status()
run = PipelineRun(Experiment(ws, "modules"), answer.json()["Id"])
run.wait_for_completion(show_output=False)
assert run.get_metrics() == {"sum": 42}, run.get_metrics()
print("done")
