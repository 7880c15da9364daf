"""Modules that are shared by name: versions, and steps that run them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pipeline_samples import Bench

WRITE = """
import os, sys
print('write', sys.argv[1::2], sys.argv[4])
os.makedirs(os.path.dirname(sys.argv[2]), exist_ok=True)
open(sys.argv[2], 'w').write(sys.argv[4])
"""
READ = "import sys; print('read', open(sys.argv[1]).read())"


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench.of(workspace, tmp_path, request.node)


@pytest.fixture
def module(bench: Bench) -> Any:
    """A module whose version ``1`` writes and whose version ``2`` reads."""
    from azureml.core.runconfig import RunConfiguration
    from azureml.pipeline.core import Module
    from azureml.pipeline.core.graph import InputPortDef, OutputPortDef

    for name, code in {"write": WRITE, "read": READ}.items():
        (bench.folder / name).mkdir()
        (bench.folder / name / "script.py").write_text(code)
    made = Module.create(bench.workspace, bench.experiment, "writes or reads")
    store = bench.datastore.name
    out = OutputPortDef("out", default_datastore_name=store, default_datastore_mode="mount")
    given = InputPortDef("given", default_datastore_mode="mount")
    made.publish_python_script(
        "script.py",
        "writes",
        inputs=[],
        outputs=[out],
        params={"text": "default"},
        version="1",
        is_default=True,
        source_directory=str(bench.folder / "write"),
        arguments=["--out", out, "--text", "published"],
        runconfig=RunConfiguration(),
    )
    made.publish_python_script(
        "script.py",
        "reads",
        inputs=[given],
        outputs=[],
        source_directory=str(bench.folder / "read"),
        version="2",
        arguments=[given],
    )
    return made


def test_a_module_has_versions(bench: Bench, module: Any) -> None:
    from azureml.pipeline.core import Module, ModuleVersion

    found = Module.get(bench.workspace, name=bench.experiment)
    versions = Module.get_versions(bench.workspace, bench.experiment)
    assert (found.id, found.description, found.status) == (module.id, "writes or reads", "Active")
    assert ([v.version for v in versions], found.default_version) == (["1", "2"], "1")
    assert found.resolve("2").description == "reads"
    assert found.get_default().module_version_id == versions[0].module_version_id
    found.set_default_version("2")
    found.set_description("reads, mostly")
    found.resolve("1").disable()
    again = Module.get(bench.workspace, module_id=module.id)
    assert (again.default_version, again.description) == ("2", "reads, mostly")
    first = ModuleVersion.get(bench.workspace, versions[0].module_version_id)
    assert (first.status, first.version, first.module_id) == ("Disabled", "1", module.id)


def test_names_and_versions_are_taken_once(bench: Bench, module: Any) -> None:
    from azureml.pipeline.core import Module

    with pytest.raises(Exception, match=f"There is a module '{bench.experiment}' already"):
        Module.create(bench.workspace, bench.experiment, "again")
    with pytest.raises(Exception, match="There is no module 'nonsense'"):
        Module.get(bench.workspace, name="nonsense")


def test_steps_run_versions(bench: Bench, module: Any) -> None:
    from azureml.core.runconfig import RunConfiguration
    from azureml.pipeline.core import PipelineData, PipelineParameter
    from azureml.pipeline.steps import ModuleStep

    written = PipelineData("written", datastore=bench.datastore)
    write = ModuleStep(
        module=module,
        outputs_map={"out": written},
        arguments=["--out", written, "--text", PipelineParameter("text", "default")],
        compute_target=("cpu", "AmlCompute"),
        runconfig=RunConfiguration(),
    )
    read = ModuleStep(
        module=module,
        version="2",
        inputs_map={"given": written},
        arguments=[written],
        compute_target=("cpu", "AmlCompute"),
    )
    as_published = ModuleStep(
        module=module,
        version="1",
        outputs_map={"out": PipelineData("other", datastore=bench.datastore)},
        compute_target=("cpu", "AmlCompute"),
    )
    steps = [write, read, as_published]
    run = bench.run(steps, pipeline_parameters={"text": "$HOME 'a text'"})
    # a step's own name is not sent: all three have the module's
    said = [step.get_stdout_log().strip() for step in run.get_steps()]
    assert sorted(said) == [
        "read $HOME 'a text'",
        "write ['--out', '--text'] $HOME 'a text'",
        "write ['--out', '--text'] published",
    ]
    run.save(str(bench.folder / "pipeline.yml"))
    assert f"id: {module.id}" in (bench.folder / "pipeline.yml").read_text()
