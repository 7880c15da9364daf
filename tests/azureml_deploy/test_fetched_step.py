"""A step's definition and inputs: read from a run's details, brought from where they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.replay.fetched_step import FetchedStep, fetch_inputs
from azureml_deploy.runs.downloads import ContentCache, Progress
from azureml_deploy.runs.step_definition import (
    Place,
    StepInput,
    StepOutput,
    read_definition,
    substituted,
)
from azureml_deploy.service_errors import Patience

NO_PATIENCE = Patience(0)
RUN = "0a1b-2c3d"

# as a step's run in Azure tells it
DETAILS = {
    "runId": RUN,
    "runDefinition": {
        "script": "run_step.py",
        "arguments": ["--input", "rows", "DatasetConsumptionConfig:rows", "--n", 3],
        "dataReferences": {
            "earlier": {
                "dataStoreName": "workspaceblobstore",
                "mode": "Mount",
                "pathOnDataStore": "azureml/another-run/earlier",
                "pathOnCompute": None,
            },
            "made": {
                "dataStoreName": "workspaceblobstore",
                "mode": "Mount",
                "pathOnDataStore": f"azureml/{RUN}/made",
            },
        },
        "data": {
            "rows": {
                "dataLocation": {"dataset": {"id": "ds-1", "version": "1"}},
                "mechanism": "Mount",
            },
            "table": {"dataLocation": {"dataset": {"id": "ds-2"}}, "mechanism": "Direct"},
        },
        "outputData": {
            "report": {
                "outputLocation": {
                    "dataPath": {"datastoreName": "other", "relativePath": "reports/1"}
                }
            }
        },
        "environment": {
            "name": "kedro",
            "environmentVariables": {"THREADS": 2},
            "python": {
                "condaDependencies": {"dependencies": ["python=3.11", {"pip": ["kedro~=1.7.0"]}]}
            },
        },
    },
}


def test_a_steps_definition_is_read_from_its_details() -> None:
    found = read_definition(DETAILS)
    assert found.script == "run_step.py"
    assert found.arguments[-1] == "3"
    assert found.inputs == (
        StepInput("earlier", "mount", Place("workspaceblobstore", "azureml/another-run/earlier")),
        StepInput("rows", "mount", dataset_id="ds-1"),
        StepInput("table", "direct", dataset_id="ds-2"),
    )
    assert found.outputs == (
        StepOutput("made", Place("workspaceblobstore", f"azureml/{RUN}/made")),
        StepOutput("report", Place("other", "reports/1")),
    )
    assert found.variables == {"THREADS": "2"}
    assert found.packages == ("pip: kedro~=1.7.0", "python=3.11")


@pytest.mark.parametrize("definition", [None, {}, {"script": None}])
def test_a_step_that_has_not_started_tells_of_no_script(definition: Any) -> None:
    with pytest.raises(UsageError, match=f"Run {RUN} tells of no script: it has not started"):
        read_definition({"runId": RUN, "runDefinition": definition})


def test_paths_take_the_place_of_their_names() -> None:
    values = {"rows": "/here/rows", "report": "/here/report"}
    for text, wanted in (
        ("DatasetConsumptionConfig:rows", "/here/rows"),
        ("--to=$AZUREML_DATAREFERENCE_rows/x", "--to=/here/rows/x"),
        ("DatasetOutputConfig:report", "/here/report"),
        ("DatasetOutputConfig:unknown", "DatasetOutputConfig:unknown"),
        ("$HOME; rm -rf /", "$HOME; rm -rf /"),
    ):
        assert substituted(text, values) == wanted


@pytest.fixture
def put(workspace: Any) -> Any:
    """Writes blobs to the default datastore; each holds its own name."""
    datastore = workspace.get_default_datastore()

    def write(*names: str) -> Any:
        for name in names:
            blobs = datastore.blob_service
            client = blobs.get_blob_client(datastore.container_name, name)
            client.upload_blob(name.encode(), overwrite=True)
        return datastore

    return write


@contextmanager
def unseen(title: str, total: int) -> Iterator[Progress]:
    yield lambda _: None


def fetched(workspace: Any, folder: Path, given: StepInput) -> str:
    """Bring one input, and return what the script is given for it."""
    definition = read_definition(DETAILS)
    definition = type(definition)("x.py", (), {}, (given,), ())
    step = FetchedStep("step", None, None, "experiment", definition, folder)
    cache = ContentCache(folder / "cache")
    return fetch_inputs(workspace, step, folder / "in", cache, NO_PATIENCE, unseen)[given.name]


def dataset_of(workspace: Any, places: Any) -> str:
    """Save a file dataset of some places, and return its id."""
    from azureml.core import Dataset

    dataset = Dataset.File.from_files(places)
    return str(dataset._ensure_saved(workspace))


def test_a_folder_and_a_file_of_an_earlier_step(workspace: Any, put: Any, tmp_path: Path) -> None:
    name = put("azureml/r1/port/a.txt", "azureml/r1/port/b/c.txt", "azureml/r1/alone").name
    path = fetched(workspace, tmp_path, StepInput("port", "mount", Place(name, "azureml/r1/port")))
    assert path == str(tmp_path / "in/port")
    assert Path(path, "b/c.txt").read_text() == "azureml/r1/port/b/c.txt"
    path = fetched(workspace, tmp_path, StepInput("one", "mount", Place(name, "azureml/r1/alone")))
    assert Path(path).read_text() == "azureml/r1/alone"


def test_datasets_of_files_folders_and_several(workspace: Any, put: Any, tmp_path: Path) -> None:
    datastore = put("ds/x/1.csv", "ds/x/2.csv", "ds/y/3.csv", "ds/z.csv")
    several = dataset_of(workspace, [(datastore, "ds/x/1.csv"), (datastore, "ds/y/3.csv")])
    path = Path(fetched(workspace, tmp_path, StepInput("s", "mount", dataset_id=several)))
    assert sorted(p.relative_to(path).as_posix() for p in path.rglob("*.csv")) == [
        "x/1.csv",
        "y/3.csv",
    ]
    whole = dataset_of(workspace, (datastore, "ds/x/**"))
    path = Path(fetched(workspace, tmp_path, StepInput("w", "download", dataset_id=whole)))
    assert sorted(p.name for p in path.iterdir()) == ["1.csv", "2.csv"]
    single = dataset_of(workspace, (datastore, "ds/z.csv"))
    path = Path(fetched(workspace, tmp_path, StepInput("f", "mount", dataset_id=single)))
    assert path.read_text() == "ds/z.csv"
    direct = StepInput("d", "direct", dataset_id=single)
    assert fetched(workspace, tmp_path, direct) == single
    pattern = StepInput("p", "mount", dataset_id=dataset_of(workspace, (datastore, "ds/*/1.csv")))
    with pytest.raises(UsageError, match=r"Input 'p': a dataset of .*ds/\*/1\.csv cannot be br"):
        fetched(workspace, tmp_path, pattern)


def test_an_input_that_is_gone_is_named(workspace: Any, put: Any, tmp_path: Path) -> None:
    given = StepInput("port", "mount", Place(put().name, "azureml/long-ago/port"))
    with pytest.raises(ServiceError, match=r"Input .port. is gone: there is nothing at .*long-ago"):
        fetched(workspace, tmp_path, given)
