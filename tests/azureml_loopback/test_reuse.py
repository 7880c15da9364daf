"""Which steps run again and which have the outputs of an earlier run, and what the SDK sees of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pipeline_samples import Bench, log_of, printed, read, steps

from azureml_loopback.execution import reuse
from azureml_loopback.execution.step import DataLocation, StepInput

Submit = Callable[..., Any]

WRITE = """
import pathlib, sys
pathlib.Path(sys.argv[1]).parent.mkdir(parents=True, exist_ok=True)
pathlib.Path(sys.argv[1]).write_text('rate ' + sys.argv[2])
"""
READ = "import sys; print('read', open(sys.argv[1]).read())"


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench.of(workspace, tmp_path, request.node)


@pytest.fixture
def submit(bench: Bench) -> Submit:
    """Submits two steps, the second of which reads what the first writes."""
    from azureml.pipeline.core import PipelineData, PipelineParameter

    # a test's own word, or it would reuse another test's steps
    unique = f"\n# {bench.folder}\n"

    def submit(
        *,
        write: str = WRITE,
        reading: str = READ,
        allow_reuse: bool = True,
        variables: dict[str, str] | None = None,
        regenerate_outputs: bool = False,
        **parameters: Any,
    ) -> Any:
        from azureml.core import RunConfiguration

        config = RunConfiguration()
        config.environment_variables = variables or {}
        data = PipelineData("data", datastore=bench.datastore)
        rate = PipelineParameter("rate", default_value=1)
        first = bench.step(
            "write",
            write + unique,
            arguments=[data, rate],
            outputs=[data],
            allow_reuse=allow_reuse,
            runconfig=config,
        )
        second = bench.step("read", reading + unique, arguments=[data], inputs=[data])
        options = {"pipeline_parameters": parameters} if parameters else {}
        return bench.run([second, first], regenerate_outputs=regenerate_outputs, **options)

    return submit


def reused(run: Any) -> set[str]:
    return {name for name, step in steps(run).items() if step._is_reused}


def test_equal_steps_are_reused_and_say_so(submit: Submit, tmp_path: Path) -> None:
    first = submit()
    again = submit()
    third = submit()
    assert reused(first) == set()
    assert reused(again) == reused(third) == {"write", "read"}
    ran, has = steps(first)["write"], steps(third)["write"]
    assert has.id != ran.id
    assert has.get_status() == "Finished"
    details = has.get_details()
    assert details["status"] == "Completed"
    assert details["properties"]["azureml.isreused"] == "true"
    # the run that did the work, and not the one between that reused it too
    assert details["properties"]["azureml.reusedrunid"] == has._reused_run_id == ran.id
    assert (has._reused_pipeline_run_id, has._reused_node_id) == (first.id, ran._node_id)
    assert read(has.get_output_data("data"), tmp_path / "got") == "rate 1"
    assert "read rate 1" in printed(third, "read")
    assert f"Step 'write' reuses the outputs of run {ran.id}" in log_of(third)


def test_a_changed_script_runs_again_and_so_does_what_reads_it(submit: Submit) -> None:
    submit()
    assert reused(submit(reading=READ + "; print('more')")) == {"write"}
    assert reused(submit(write=WRITE + "print('the same bytes')")) == set()


def test_a_changed_parameter_runs_again(submit: Submit) -> None:
    submit()
    assert reused(submit(rate=2)) == set()
    assert reused(submit(rate=2)) == {"write", "read"}
    assert reused(submit()) == {"write", "read"}


def test_a_changed_run_configuration_runs_again(submit: Submit) -> None:
    submit()
    assert reused(submit(variables={"MORE": "1"})) == set()


def test_reuse_is_off_for_a_step_and_for_a_submit(submit: Submit) -> None:
    submit()
    assert reused(submit(regenerate_outputs=True)) == set()
    assert reused(submit()) == {"write", "read"}
    assert reused(submit(allow_reuse=False)) == set()
    assert reused(submit(allow_reuse=False)) == set()


def test_a_new_dataset_version_runs_again(bench: Bench) -> None:
    from azureml.core import Dataset

    def registered(text: str) -> Any:
        folder = bench.folder / text
        folder.mkdir()
        (folder / "x.csv").write_text(f"n\n{text}\n")
        bench.datastore.upload(str(folder), f"{bench.experiment}/{text}", show_progress=False)
        made = Dataset.Tabular.from_delimited_files(
            (bench.datastore, f"{bench.experiment}/{text}/x.csv"), validate=False
        )
        return made.register(bench.workspace, bench.experiment, create_new_version=True)

    def run() -> Any:
        latest = Dataset.get_by_name(bench.workspace, bench.experiment)
        code = "import os; print('id', os.environ['rows'])"
        return bench.run([bench.step("show", code, inputs=[latest.as_named_input("rows")])])

    registered("1")
    assert reused(run()) == set()
    assert reused(run()) == {"show"}
    second = registered("2")
    changed = run()
    assert reused(changed) == set()
    assert f"id {second.id}" in printed(changed, "show")


def test_the_key_is_of_what_the_step_does() -> None:
    node = {"Runconfig": '{"framework": "Python"}', "ModuleOutputSettings": []}
    module = {"Id": "1", "IsDeterministic": True, "IdentifierHash": "same"}
    given = {"data": StepInput("data", DataLocation("store", "a"))}
    key = reuse.key(node, module, {"rate": "1"}, given, {"data": "x"})
    assert key == reuse.key(
        {**node, "Id": "other"}, {**module, "Id": "2"}, {"rate": "1"}, given, {"data": "x"}
    )
    others = [
        reuse.key(node, {**module, "IdentifierHash": "other"}, {"rate": "1"}, given, {"data": "x"}),
        reuse.key(node, module, {"rate": "2"}, given, {"data": "x"}),
        reuse.key(node, module, {"rate": "1"}, given, {"data": "y"}),
        reuse.key(node, module, {"rate": "1"}, {}, {}),
        reuse.key({**node, "Runconfig": "{}"}, module, {"rate": "1"}, given, {"data": "x"}),
        reuse.key(
            {**node, "ModuleOutputSettings": [{"Name": "x"}]},
            module,
            {"rate": "1"},
            given,
            {"data": "x"},
        ),
    ]
    assert len({key, *others}) == len(others) + 1
    assert reuse.key(node, {**module, "IsDeterministic": False}, {}, {}, {}) is None


def test_the_random_ids_of_blocks_do_not_matter() -> None:
    module = {"Id": "1", "IsDeterministic": True}

    def key(block: dict[str, str]) -> str | None:
        dataflow = json.dumps({"blocks": [block]})
        given = StepInput("data", DataLocation("store", "a"), transformations=dataflow)
        setting = {"Name": "x", "DatasetRegistration": {"AdditionalTransformations": dataflow}}
        return reuse.key({"ModuleOutputSettings": [setting]}, module, {}, {"data": given}, {})

    parquet = {"type": "Microsoft.DPrep.ReadParquetFileBlock"}
    assert key({**parquet, "id": "1"}) == key({**parquet, "id": "2"})
    assert key({**parquet, "id": "1"}) != key({"type": "Microsoft.DPrep.ParseDelimitedBlock"})
