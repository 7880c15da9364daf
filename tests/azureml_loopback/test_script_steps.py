"""What a script step gets and leaves: arguments, variables, data in all modes, its run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pipeline_samples import Bench, printed, read, steps


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench.of(workspace, tmp_path, request.node)


@pytest.fixture
def table(bench: Bench) -> Any:
    """A folder on the datastore with a CSV of three rows in it."""
    folder = bench.folder / "upload"
    folder.mkdir()
    pd.DataFrame({"n": [1, 2, 3], "word": ["a", "b", "c"]}).to_csv(folder / "rows.csv", index=False)
    bench.datastore.upload(str(folder), target_path=bench.experiment, show_progress=False)
    return (bench.datastore, bench.experiment)


SHOW = "import sys, json; print('SHOWN', json.dumps(sys.argv[1:]))"


def shown(run: Any, name: str) -> Any:
    line = next(x for x in printed(run, name).splitlines() if x.startswith("SHOWN "))
    return json.loads(line.removeprefix("SHOWN "))


def test_arguments_arrive_one_by_one_as_they_are(bench: Bench) -> None:
    given = ["--text", "a b;c $HOME 'q' \"d\"", "ünïcode", "", "-3", "x=1,y=2"]
    run = bench.run([bench.step("show", SHOW, arguments=given)])
    assert shown(run, "show") == given


def test_a_pipeline_parameter_is_the_one_of_the_submit(bench: Bench) -> None:
    from azureml.pipeline.core import PipelineParameter

    rate = PipelineParameter("rate", default_value=0.5)
    word = PipelineParameter("word", default_value="default")
    code = SHOW + "\nimport os; print(os.environ['AML_PARAMETER_rate'])"
    show = bench.step("show", code, arguments=["--rate", rate, "--word", word])
    run = bench.run([show], pipeline_parameters={"rate": 0.25})
    assert shown(run, "show") == ["--rate", "0.25", "--word", "default"]
    assert "\n0.25\n" in printed(run, "show")


def test_pipeline_data_goes_from_step_to_step_as_file_and_as_folder(
    bench: Bench, tmp_path: Path
) -> None:
    from azureml.pipeline.core import PipelineData

    file = PipelineData("file", datastore=bench.datastore)
    folder = PipelineData("folder", bench.datastore, is_directory=True, pipeline_output_name="all")
    write = bench.step(
        "write",
        """
        import os, pathlib, sys
        file, folder = map(pathlib.Path, sys.argv[1:])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('one')
        (folder / 'deep').mkdir(parents=True)
        (folder / 'deep' / 'two.txt').write_text('two')
        """,
        arguments=[file, folder],
        outputs=[file, folder],
    )
    show = bench.step(
        "show",
        """
        import os, pathlib, sys
        file, folder = map(pathlib.Path, sys.argv[1:])
        assert os.environ['AZUREML_DATAREFERENCE_file'] == str(file)
        print(file.read_text(), (folder / 'deep' / 'two.txt').read_text())
        """,
        arguments=[file, folder],
        inputs=[file, folder],
    )
    run = bench.run([show, write])
    assert "one two" in printed(run, "show")
    assert read(run.get_pipeline_output("all"), tmp_path / "all") == "two"
    assert read(steps(run)["write"].get_output_data("file"), tmp_path / "one") == "one"


def test_pipeline_data_by_upload_and_download(bench: Bench) -> None:
    from azureml.pipeline.core import InputPortBinding, PipelineData

    data = PipelineData(
        "data",
        bench.datastore,
        output_mode="upload",
        output_path_on_compute="results/here",
        output_overwrite=True,
    )
    write = bench.step(
        "write",
        """
        import os
        os.makedirs('results/here')
        open('results/here/x.txt', 'w').write('uploaded')
        """,
        outputs=[data],
    )
    given = InputPortBinding("given", bind_object=data, bind_mode="download")
    show = bench.step(
        "show",
        "import os, sys; print(open(os.path.join(sys.argv[1], 'x.txt')).read())",
        arguments=[given],
        inputs=[given],
    )
    run = bench.run([show, write])
    assert "uploaded" in printed(run, "show")


@pytest.mark.parametrize("mode", ["mount", "download"])
def test_a_data_reference_is_brought(bench: Bench, table: Any, mode: str) -> None:
    from azureml.data.data_reference import DataReference

    reference = DataReference(table[0], "rows", table[1], mode=mode)
    code = "import os, sys; print(os.listdir(sys.argv[1]), os.environ['AZUREML_DATAREFERENCE_rows'] == sys.argv[1])"
    show = bench.step("show", code, arguments=[reference], inputs=[reference])
    run = bench.run([show])
    assert "['rows.csv'] True" in printed(run, "show")


def test_a_data_path_changed_at_submit(bench: Bench, table: Any) -> None:
    from azureml.data.datapath import DataPath, DataPathComputeBinding
    from azureml.pipeline.core import PipelineParameter

    default = DataPath(bench.datastore, "nowhere")
    given = (PipelineParameter("path", default), DataPathComputeBinding(mode="mount"))
    code = "import os, sys; print(os.listdir(sys.argv[1]))"
    show = bench.step("show", code, arguments=[given], inputs=[given])
    run = bench.run([show], pipeline_parameters={"path": DataPath(*table)})
    assert "['rows.csv']" in printed(run, "show")


def test_datasets_by_name_in_every_mode(bench: Bench, table: Any) -> None:
    from azureml.core import Dataset

    rows = Dataset.Tabular.from_delimited_files((table[0], f"{table[1]}/rows.csv"))
    folder = Dataset.File.from_files(table, validate=False)
    file = Dataset.File.from_files((table[0], f"{table[1]}/rows.csv"))
    code = """
    import os, sys
    from azureml.core import Run
    given = Run.get_context().input_datasets
    print('ROWS', given['rows'].to_pandas_dataframe()['n'].sum())
    print('ARGUMENT', sys.argv[1] == given['rows'].id, sys.argv[2:] == [given['mounted'], given['one']])
    print('FOLDER', os.listdir(given['mounted']), os.listdir(os.environ['downloaded']))
    print('FILE', open(given['one']).readline().strip())
    """
    show = bench.step(
        "show",
        code,
        arguments=[
            rows.as_named_input("rows"),
            folder.as_named_input("mounted").as_mount(),
            file.as_named_input("one").as_mount(),
        ],
        inputs=[folder.as_named_input("downloaded").as_download()],
    )
    run = bench.run([show])
    text = printed(run, "show")
    assert "ROWS 6" in text
    assert "ARGUMENT True True" in text
    assert "FOLDER ['rows.csv'] ['rows.csv']" in text
    assert "FILE n,word" in text  # a mounted dataset of one file is that file, as in Azure
    assert "The mount of 'mounted' is emulated by a download" in text
    lineage = steps(run)["show"].get_details()["inputDatasets"]
    read_ = {given["consumptionDetails"]["inputName"] for given in lineage}
    assert read_ == {"rows", "mounted", "one", "downloaded"}


def test_a_dataset_changed_at_submit(bench: Bench, table: Any) -> None:
    from azureml.core import Dataset
    from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
    from azureml.pipeline.core import PipelineParameter

    (bench.folder / "other").mkdir()
    (bench.folder / "other" / "other.csv").write_text("n\n40\n2\n")
    bench.datastore.upload(str(bench.folder / "other"), f"{table[1]}_other", show_progress=False)
    first = Dataset.Tabular.from_delimited_files((table[0], f"{table[1]}/rows.csv"))
    other = Dataset.Tabular.from_delimited_files((table[0], f"{table[1]}_other/other.csv"))
    given = DatasetConsumptionConfig("rows", PipelineParameter("rows_to_read", first))
    code = """
    from azureml.core import Run
    print('SUM', Run.get_context().input_datasets['rows'].to_pandas_dataframe()['n'].sum())
    """
    show = bench.step("show", code, arguments=[given], inputs=[given])
    run = bench.run([show], pipeline_parameters={"rows_to_read": other})
    assert "SUM 42" in printed(run, "show")
    assert "SUM 6" in printed(bench.run([show]), "show")


def test_outputs_that_become_datasets(bench: Bench) -> None:
    from azureml.core import Dataset
    from azureml.data import LinkFileOutputDatasetConfig, OutputFileDatasetConfig
    from azureml.pipeline.core import PipelineData

    linked = LinkFileOutputDatasetConfig("linked").register_on_complete("linked_files")
    place = (bench.datastore, "made/{run-id}/{output-name}")
    mounted = OutputFileDatasetConfig("mounted", destination=place).register_on_complete(
        "made_files"
    )
    rows = OutputFileDatasetConfig("rows").as_upload(overwrite=True, source_globs=["**/*.csv"])
    rows = rows.read_delimited_files()
    promoted = PipelineData("promoted", bench.datastore).as_dataset()
    promoted = promoted.register("promoted_files", create_new_version=True)
    write = bench.step(
        "write",
        """
        import os, pathlib, sys
        import pandas as pd
        from azureml.core import Dataset, Run
        mounted, rows, promoted = map(pathlib.Path, sys.argv[1:4])
        store = Run.get_context().experiment.workspace.get_default_datastore()
        elsewhere = Dataset.File.from_files((store, 'elsewhere'), validate=False)
        Run.get_context().output_datasets['linked'].link(elsewhere)
        assert Run.get_context().output_datasets['rows'] == str(rows)
        (mounted / 'note.txt').write_text('mounted')
        frame = pd.DataFrame({'n': [20, 22]})
        frame.to_csv(rows / 'rows.csv', index=False)
        (rows / 'not_this.txt').write_text('left out by the pattern')
        promoted.mkdir(parents=True)
        frame.to_parquet(promoted / 'part.parquet')
        """,
        arguments=[mounted, rows, promoted, linked],
        outputs=[promoted],
    )
    show = bench.step(
        "show",
        """
        import os
        from azureml.core import Run
        given = Run.get_context().input_datasets
        print('FILES', os.listdir(given['files']), os.listdir(given['promoted']))
        rows = given['table'].to_pandas_dataframe()['n']  # of text: no column types were set
        print('SUMS', rows.astype(int).sum(), given['parsed'].to_pandas_dataframe()['n'].sum())
        """,
        inputs=[
            mounted.as_input("files").as_mount(),
            rows.as_input("table"),
            promoted,
            promoted.parse_parquet_files().as_named_input("parsed"),
        ],
    )
    run = bench.run([show, write])
    assert "FILES ['note.txt'] ['part.parquet']" in printed(run, "show")
    assert "SUMS 42 42" in printed(run, "show")
    write_run = steps(run)["write"]
    made = Dataset.get_by_name(bench.workspace, "made_files")
    assert made.to_path() == ["/note.txt"]
    assert f"made/{write_run.id}/mounted" in str(made._dataflow._to_yaml_string())
    assert Dataset.get_by_name(bench.workspace, "promoted_files").to_path() == ["/part.parquet"]
    linked_files = Dataset.get_by_name(bench.workspace, "linked_files")
    assert "paths/elsewhere" in str(linked_files._dataflow._to_yaml_string())
    written = {o["outputDetails"]["outputName"] for o in write_run.get_details()["outputDatasets"]}
    assert written == {"mounted", "rows", "linked"}


def test_a_script_registers_a_dataset_of_its_own(bench: Bench, table: Any) -> None:
    from azureml.core import Dataset

    code = f"""
    from azureml.core import Dataset, Run
    workspace = Run.get_context().experiment.workspace
    rows = Dataset.Tabular.from_delimited_files(
        (workspace.get_default_datastore(), '{table[1]}/rows.csv')
    )
    rows.register(workspace, 'made_inside')
    """
    run = bench.run([bench.step("register", code)])
    made = Dataset.get_by_name(bench.workspace, "made_inside")
    (lineage,) = steps(run)["register"].get_details()["outputDatasets"]
    assert lineage["identifier"]["savedId"] == made.id


def test_a_script_knows_its_run_and_its_pipeline(bench: Bench, tmp_path: Path) -> None:
    from azureml.core import Model

    code = """
    import os
    from azureml.core import Model, Run
    run = Run.get_context()
    run.log('score', 0.5)
    run.parent.log('total', 7)
    run.tag('said', 'yes')
    with run.child_run('part') as child:
        child.log('piece', 1)
    open('given.txt', 'w').write('by name')
    run.upload_file('outputs/given.txt', 'given.txt')
    open('outputs/left.txt', 'w').write('left')
    os.makedirs('logs/own')
    open('logs/own/x.log', 'w').write('logged')
    open('model.txt', 'w').write('model')
    Model.register(run.experiment.workspace, 'model.txt', 'step_model', tags={'run': run.id})
    print('PARENT', run.parent.id, type(run.parent).__name__)
    """
    run = bench.run([bench.step("talk", code)])
    step = steps(run)["talk"]
    assert f"PARENT {run.id} PipelineRun" in printed(run, "talk")
    assert step.get_metrics() == {"score": 0.5}
    assert run.get_metrics() == {"total": 7}
    assert step.get_tags()["said"] == "yes"
    [child] = list(step.get_children())
    assert child.name == "talk>part"
    assert (child.get_metrics(), child.get_status()) == ({"piece": 1}, "Completed")
    names = set(step.get_file_names())
    assert {"outputs/given.txt", "outputs/left.txt", "logs/own/x.log"} <= names
    step.download_file("outputs/left.txt", str(tmp_path / "left.txt"))
    assert (tmp_path / "left.txt").read_text() == "left"
    assert Model(bench.workspace, "step_model").tags == {"run": step.id}


def test_the_run_configuration_reaches_the_script(bench: Bench, table: Any) -> None:
    from azureml.core import RunConfiguration
    from azureml.data.data_reference import DataReference

    config = RunConfiguration()
    config.data_references = {"rows": DataReference(table[0], "rows", table[1]).to_config()}
    config.environment_variables = {"FROM_RUN": "one"}
    config.environment.environment_variables = {"FROM_ENVIRONMENT": "two"}
    code = """
    import os
    print(os.environ['FROM_RUN'], os.environ['FROM_ENVIRONMENT'], 'AZUREML_RUN_ID' in os.environ)
    print(os.listdir(os.environ['AZUREML_DATAREFERENCE_rows']))
    """
    run = bench.run([bench.step("show", code, runconfig=config)])
    assert "one two True\n['rows.csv']\n" in printed(run, "show")
    definition = steps(run)["show"].get_details()["runDefinition"]
    assert (definition["script"], definition["target"]) == ("script.py", "cpu")


def test_a_command_step_runs_a_shell_command(bench: Bench) -> None:
    from azureml.core import ScriptRunConfig
    from azureml.pipeline.steps import CommandStep

    source = bench.folder / "command"
    source.mkdir()
    (source / "word.txt").write_text("said")
    config = ScriptRunConfig(
        str(source),
        command="cat word.txt && python -c 'import os; print(os.environ[\"AZUREML_ARM_WORKSPACE_NAME\"])'",
    )
    step = CommandStep(
        name="say",
        runconfig=config.run_config,
        source_directory=str(source),
        command=config.command,
        compute_target=("cpu", "AmlCompute"),
    )
    items = ["ls", ".", "&& cp word.txt", "a copy", "; cat 'a copy'"]
    copy = CommandStep(items, "copy", ("cpu", "AmlCompute"), source_directory=str(source))
    run = bench.run([step, copy])
    assert printed(run, "say").endswith(f"said{bench.workspace.name}\n")
    assert printed(run, "copy").endswith("word.txt\nsaid")
