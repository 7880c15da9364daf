"""Datasets by the SDK: made, saved, registered in versions, read; and data versions of v2."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from azureml_loopback.identity import Identity
from azureml_loopback.services.datasets import saved, state
from azureml_loopback.services.datasets.dataflows import StepOutput, output_dataflow
from azureml_loopback.store import Store

CSV = {
    "a.csv": "n,s,day\n1,x,2020-01-01\n2,y,2020-01-02\n3,,\n",
    "b.csv": "n,s,day\n4,z,2021-05-06\n",
}


@pytest.fixture(scope="module")
def folder(workspace: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """A folder of the default datastore with CSV, Parquet and JSON lines."""
    import pandas as pd
    from azureml.core import Dataset

    here = tmp_path_factory.mktemp("data")
    for name, text in CSV.items():
        (here / name).write_text(text)
    frame = pd.DataFrame({"n": [1, 2], "s": ["x", None]})
    frame.to_parquet(here / "c.parquet")
    frame.to_json(here / "d.jsonl", orient="records", lines=True)
    target = (workspace.get_default_datastore(), "samples")
    Dataset.File.upload_directory(str(here), target, show_progress=False)
    return target


def delimited(folder: tuple[Any, str], pattern: str = "*.csv") -> Any:
    from azureml.core import Dataset

    return Dataset.Tabular.from_delimited_files((folder[0], f"{folder[1]}/{pattern}"))


def test_delimited_files_become_a_frame(folder: tuple[Any, str]) -> None:
    frame = delimited(folder).to_pandas_dataframe()
    assert frame["n"].tolist() == [1, 2, 3, 4]
    assert str(frame["day"].dtype) == "datetime64[ns]"
    assert frame["s"].isna().tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("reader", "file"), [("from_parquet_files", "c.parquet"), ("from_json_lines_files", "d.jsonl")]
)
def test_other_files_become_a_frame(folder: tuple[Any, str], reader: str, file: str) -> None:
    from azureml.core import Dataset

    dataset = getattr(Dataset.Tabular, reader)((folder[0], f"{folder[1]}/{file}"))
    assert dataset.to_pandas_dataframe()["n"].tolist() == [1, 2]


def test_rows_and_columns_are_chosen_before_reading(folder: tuple[Any, str]) -> None:
    dataset = delimited(folder)
    assert dataset.take(2).to_pandas_dataframe()["n"].tolist() == [1, 2]
    assert dataset.skip(3).to_pandas_dataframe()["n"].tolist() == [4]
    assert list(dataset.keep_columns(["s"]).to_pandas_dataframe()) == ["s"]
    assert list(dataset.drop_columns(["s"]).to_pandas_dataframe()) == ["n", "day"]
    assert dataset.filter(dataset["n"] > 2).to_pandas_dataframe()["n"].tolist() == [3, 4]
    left, right = dataset.random_split(0.5, seed=1)
    both = left.to_pandas_dataframe()["n"].tolist() + right.to_pandas_dataframe()["n"].tolist()
    assert sorted(both) == [1, 2, 3, 4]


def test_a_frame_is_registered(workspace: Any, folder: tuple[Any, str]) -> None:
    import pandas as pd
    from azureml.core import Dataset

    frame = pd.DataFrame({"n": [7, 8]})
    Dataset.Tabular.register_pandas_dataframe(frame, (folder[0], "frames"), "a frame")
    assert Dataset.get_by_name(workspace, "a frame").to_pandas_dataframe()["n"].tolist() == [7, 8]


def test_versions_count_up_while_the_definition_changes(
    workspace: Any, folder: tuple[Any, str]
) -> None:
    from azureml.core import Dataset

    first = delimited(folder).register(workspace, "counted", "all", tags={"k": "v"})
    assert (first.version, first.description, first.tags) == (1, "all", {"k": "v"})
    same = delimited(folder).register(workspace, "counted", create_new_version=True)
    assert (same.version, same.id, same.description) == (1, first.id, "all")
    second = delimited(folder, "a.csv").register(
        workspace, "counted", "one file", create_new_version=True
    )
    assert second.version == 2
    assert second.id != first.id

    latest = Dataset.get_by_name(workspace, "counted")
    assert (latest.version, latest.description, latest.tags) == (2, "one file", {})
    assert len(latest.to_pandas_dataframe()) == 3
    old = Dataset.get_by_name(workspace, "counted", version=1)
    assert (old.version, old.tags) == (1, {"k": "v"})
    assert len(old.to_pandas_dataframe()) == 4
    assert Dataset.get_by_id(workspace, first.id).version == 1


def test_registering_an_old_version_again_makes_it_the_latest(
    workspace: Any, folder: tuple[Any, str]
) -> None:
    first = delimited(folder).register(workspace, "back again", "first")
    delimited(folder, "a.csv").register(workspace, "back again", create_new_version=True)
    third = first.register(workspace, "back again", "third", create_new_version=True)
    assert (third.version, third.description) == (3, "third")
    again = first.register(workspace, "back again", "still third", create_new_version=True)
    assert (again.version, again.description) == (3, "still third")


def test_a_taken_name_needs_a_new_version(workspace: Any, folder: tuple[Any, str]) -> None:
    from azureml.exceptions import UserErrorException

    delimited(folder).register(workspace, "taken")
    with pytest.raises(UserErrorException, match="Specify `create_new_version=True`"):
        delimited(folder, "a.csv").register(workspace, "taken")


def test_one_saved_dataset_has_one_name(workspace: Any, folder: tuple[Any, str]) -> None:
    from azureml.exceptions import UserErrorException

    dataset = delimited(folder, "b.csv").register(workspace, "only name")
    with pytest.raises(UserErrorException, match="registered as only name:1 \\(name:version\\)"):
        dataset.register(workspace, "other name")


def test_missing_names_and_versions_are_said(workspace: Any, folder: tuple[Any, str]) -> None:
    from azureml.core import Dataset
    from azureml.exceptions import UserErrorException

    delimited(folder).register(workspace, "present")
    with pytest.raises(UserErrorException, match='registered with name "absent"'):
        Dataset.get_by_name(workspace, "absent")
    with pytest.raises(UserErrorException, match="version: 7"):
        Dataset.get_by_name(workspace, "present", version=7)
    with pytest.raises(UserErrorException, match="Cannot find dataset with id"):
        Dataset.get_by_id(workspace, "00000000-1111-2222-3333-444444444444")
    assert "absent" not in workspace.datasets.keys()  # noqa: SIM118  (as the how-to asks)
    assert "present" in workspace.datasets.keys()  # noqa: SIM118


def test_data_on_the_web_are_out_of_reach_within_seconds(workspace: Any) -> None:
    from azureml.core import Dataset

    address = "https://dprepdata.blob.core.windows.net/demo/Titanic.csv"
    start = time.monotonic()
    with pytest.raises(Exception, match="Connection failed"):
        Dataset.Tabular.from_delimited_files(address)
    assert time.monotonic() - start < 30


def test_datasets_are_listed_over_several_pages(workspace: Any, folder: tuple[Any, str]) -> None:
    from azureml.data.abstract_dataset import _restclient

    names = {f"page {number}" for number in range(3)}
    for name in names:
        delimited(folder, "a.csv").register(workspace, name)
    scope = (workspace.subscription_id, workspace.resource_group, workspace.name)
    listed, token = [], None
    while True:
        found = _restclient(workspace).dataset.list(
            *scope, search_text="page ", page_size=2, continuation_token=token
        )
        listed.append([dataset.name for dataset in found.value])
        token = found.continuation_token
        if token is None:
            break
    assert [len(page) for page in listed] == [2, 1]
    assert {name for page in listed for name in page} == names
    registered = workspace.datasets
    assert names <= {registration.name for registration in registered.registrations}
    assert len(registered) == len(registered.registrations)


def test_description_and_tags_change(workspace: Any, folder: tuple[Any, str]) -> None:
    from azureml.core import Dataset

    dataset = delimited(folder).register(workspace, "changing", "old", tags={"a": "1", "b": "2"})
    dataset.add_tags({"c": "3"})
    dataset.remove_tags(["a"])
    dataset.update(description="new")
    changed = Dataset.get_by_name(workspace, "changing")
    assert (changed.tags, changed.description) == ({"b": "2", "c": "3"}, "new")
    dataset.update(description="", tags={})
    cleared = Dataset.get_by_name(workspace, "changing")
    assert (cleared.tags, cleared.description) == ({}, "")


def test_unregistering_keeps_what_was_saved(workspace: Any, folder: tuple[Any, str]) -> None:
    from azureml.core import Dataset
    from azureml.exceptions import UserErrorException

    dataset = delimited(folder).register(workspace, "short-lived")
    saved_id = dataset.id
    dataset.unregister_all_versions()
    with pytest.raises(UserErrorException, match="short-lived"):
        Dataset.get_by_name(workspace, "short-lived")
    kept = Dataset.get_by_id(workspace, saved_id)
    assert kept.name is None
    assert len(kept.to_pandas_dataframe()) == 4


def test_definitions_are_listed_and_got(workspace: Any, folder: tuple[Any, str]) -> None:
    from azureml.data.abstract_dataset import _restclient

    registered = delimited(folder).register(workspace, "defined")
    delimited(folder, "a.csv").register(workspace, "defined", create_new_version=True)
    scope = (workspace.subscription_id, workspace.resource_group, workspace.name)
    client = _restclient(workspace).dataset
    dataset_id = client.get_dataset_by_name(*scope, dataset_name="defined").dataset_id
    definitions = client.get_all_dataset_definitions(*scope, dataset_id=dataset_id).value
    assert [definition.version_id for definition in definitions] == ["1", "2"]
    first = client.get_dataset_definition(*scope, dataset_id=dataset_id, version="1")
    assert first.saved_dataset_id == registered.id
    assert client.get_dataset_by_id(*scope, dataset_id=dataset_id).latest.version_id == "2"


def test_files_are_listed_downloaded_and_mounted(folder: tuple[Any, str], tmp_path: Path) -> None:
    from azureml.core import Dataset

    files = Dataset.File.from_files([(folder[0], f"{folder[1]}/{name}") for name in CSV])
    assert sorted(Path(path).name for path in files.to_path()) == ["a.csv", "b.csv"]
    downloaded = files.download(str(tmp_path), overwrite=True)
    assert {Path(path).name: Path(path).read_text() for path in downloaded} == CSV
    if Path("/dev/fuse").exists():
        with files.mount(str(tmp_path / "mounted")) as mounted:
            found = {
                path.name: path.read_text() for path in Path(mounted.mount_point).rglob("*.csv")
            }
        assert found == CSV


def test_uploading_does_not_overwrite_unasked(folder: tuple[Any, str], tmp_path: Path) -> None:
    from azureml.core import Dataset

    file, target = tmp_path / "in" / "x.txt", (folder[0], "kept")
    file.parent.mkdir()
    for text, overwrite, kept in (("1", False, "1"), ("2", False, "1"), ("3", True, "3")):
        file.write_text(text)
        Dataset.File.upload_directory(
            str(file.parent), target, overwrite=overwrite, show_progress=False
        )
        (path,) = Dataset.File.from_files(target).download(str(tmp_path / "out"), overwrite=True)
        assert Path(path).read_text() == kept


def test_an_input_has_the_saved_id(workspace: Any, folder: tuple[Any, str]) -> None:
    dataset = delimited(folder)
    dataset._ensure_saved(workspace)
    assert dataset.as_named_input("titanic_ds").dataset.id == dataset.id
    assert delimited(folder)._ensure_saved(workspace) == dataset.id


def test_what_is_not_implemented_is_named(workspace: Any) -> None:
    from azureml.data.abstract_dataset import _restclient
    from msrest.exceptions import HttpOperationError

    scope = (workspace.subscription_id, workspace.resource_group, workspace.name)
    with pytest.raises(HttpOperationError) as refused:
        _restclient(workspace).dataset.delete_all_datasets(*scope)
    assert refused.value.response.status_code == 501


# what runs steps asks of the state

PARQUET_ONLY = {
    "blocks": [
        {
            "id": "1",
            "type": "Microsoft.DPrep.ReadParquetFileBlock",
            "arguments": {"preview": False},
        },
        {
            "id": "2",
            "type": "Microsoft.DPrep.DropColumnsBlock",
            "arguments": {"columns": {"type": 0, "details": {"selectedColumns": ["Path"]}}},
        },
    ]
}


def test_an_output_is_registered_as_what_it_is_read_as(folder: tuple[Any, str]) -> None:
    from azureml.data import TabularDataset
    from azureml.dataprep import EnginelessDataflow

    store, identity = Store(":memory:"), Identity()
    output = StepOutput(folder[0].name, f"{folder[1]}/c.parquet", json.dumps(PARQUET_ONLY))
    dataset = state.register_output(store, identity, "written", output, tags={"by": "step"})
    assert (dataset["datasetType"], dataset["latest"]["versionId"]) == ("tabular", "1")
    assert dataset["tags"] == {"by": "step"}
    flow = EnginelessDataflow.from_json(dataset["latest"]["dataflow"])
    assert TabularDataset._create(flow).to_pandas_dataframe()["n"].tolist() == [1, 2]
    assert state.register_output(store, identity, "written", output)["latest"]["versionId"] == "1"
    other = StepOutput(folder[0].name, "elsewhere")
    again = state.register_output(store, identity, "written", other)
    assert (again["datasetType"], again["latest"]["versionId"]) == ("file", "2")


def test_an_output_is_saved_once() -> None:
    store, identity = Store(":memory:"), Identity()
    output = StepOutput("workspaceblobstore", "azureml/run/out")
    document = state.save_output(store, identity, output)
    assert state.save_output(store, identity, output) == document
    assert state.saved_dataset(store, document["id"])["datasetType"] == "file"


def test_the_order_of_column_types_makes_no_other_definition() -> None:
    def definition(*columns: str) -> dict[str, str]:
        types = "".join(f"      - columns: {name}\n        column_type: int\n" for name in columns)
        text = f"type: mltable\ntransformations:\n  - convert_column_types:\n{types}"
        return {
            "datasetType": "tabular",
            "dataflowJson": json.dumps({"meta": {"RsDataflow": text}}),
        }

    assert saved.fingerprint(definition("a", "b")) == saved.fingerprint(definition("b", "a"))
    assert saved.fingerprint(definition("a", "b")) != saved.fingerprint(definition("a", "c"))


def test_an_output_s_dataflow_is_what_the_sdk_makes(folder: tuple[Any, str]) -> None:
    from azureml.core import Dataset

    flow = Dataset.File.from_files((folder[0], "a b/c"), validate=False)._dataflow.to_json()
    ours = output_dataflow(Identity(), StepOutput(folder[0].name, "a b/c"))
    (path,) = json_paths(flow)
    assert json_paths(ours) == [path]


def json_paths(dataflow: str) -> list[dict[str, str]]:
    import yaml

    paths: list[dict[str, str]] = yaml.safe_load(json.loads(dataflow)["meta"]["RsDataflow"])[
        "paths"
    ]
    return paths


# v2 data assets


@pytest.fixture(scope="module")
def v2(workspace: Any) -> Any:
    from azureml.data._asset_helper import _get_rest_client

    return _get_rest_client(workspace).data_version


def scope_of(workspace: Any) -> dict[str, str]:
    return {
        "subscription_id": workspace.subscription_id,
        "resource_group_name": workspace.resource_group,
        "workspace_name": workspace.name,
    }


def test_data_versions_are_created_changed_and_deleted(workspace: Any, v2: Any) -> None:
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
    from azureml.data._restclient.models import DataVersion, DataVersionMutable

    scope = scope_of(workspace)
    uri = "azureml://datastores/workspaceblobstore/paths/x"
    for number in ("1", "2"):
        made = v2.create(
            **scope, name="v2data", body=DataVersion(data_type="uri_folder", data_uri=uri)
        )
        assert (made.data_version.version_id, made.data_version.data_type) == (number, "UriFolder")
    with pytest.raises(ResourceExistsError):
        v2.create(**scope, name="v2data", body=DataVersion(
            data_type="UriFile", data_uri=uri, version_id="2"))  # fmt: skip
    listed = list(v2.list(**scope, name="v2data", top=1))
    assert [entity.data_version.version_id for entity in listed] == ["2", "1"]
    changes = DataVersionMutable(description="new", tags={"k": "v"})
    v2.modify(**scope, name="v2data", version="1", body=changes)
    got = v2.get(**scope, name="v2data", version="1")
    assert got.data_version.mutable_props.tags == {"k": "v"}
    by_id = v2.get_by_asset_id(**scope, body={"value": got.data_version.asset_id})
    assert by_id.data_version.version_id == "1"
    assert v2.exists(**scope, name="v2data", version="1")
    v2.delete(**scope, name="v2data", version="1")
    assert not v2.exists(**scope, name="v2data", version="1")
    with pytest.raises(ResourceNotFoundError):
        v2.get(**scope, name="v2data", version="1")


def test_what_a_run_reads_and_writes_is_noted_and_registered(workspace: Any, v2: Any) -> None:
    from azureml.data._restclient import models

    scope = scope_of(workspace)
    uri = "azureml://datastores/workspaceblobstore/paths/out/"
    output = models.CreateUnregisteredOutputData(
        run_id="run1", output_name="out", uri=uri, type="UriFolder"
    )
    batch = models.BatchCreateUnregisteredOutputData(values=[output])
    made = v2.batch_get_or_create_unregistered_output_data(**scope, body=batch)
    asset_id = made.data_versions["out"].data_version.asset_id
    again = v2.create_unregistered_output_data(**scope, body=output)
    assert again.latest_version.data_version.asset_id == asset_id
    assert not again.data_container.is_registered
    wrong = models.CreateUnregisteredInputData(run_id="r", input_name="i", uri=uri, type="Nonsense")
    right = models.CreateUnregisteredInputData(run_id="r", input_name="j", uri=uri, type="MLTable")
    batch = models.BatchCreateUnregisteredInputData(values=[wrong, right])
    answered = v2.batch_get_or_create_unregistered_input_data(**scope, body=batch)
    assert list(answered.data_versions) == ["j"]
    assert list(answered.errors) == ["i"]
    noted = v2.create_unregistered_input_data(**scope, body=right)
    assert noted.latest_version.data_version.data_uri == uri

    named = models.RegisterExistingData(existing_unregistered_asset_id=asset_id, name="kept-output")
    kept = v2.registered_existing_data(**scope, body=named)
    assert (kept.data_container.is_registered, kept.next_version_id) == (True, "2")
    found = v2.batch_get_by_asset_id(**scope, body=models.BatchGetByAssetId(asset_ids=[asset_id]))
    assert found.data_versions[asset_id].data_version.data_uri == uri
    wanted = models.BatchGetResolvedURIs(values=["azureml:kept-output:1", uri])
    resolved = v2.batch_get_resolved_uris(**scope, body=wanted).values
    assert {reference: answer.uri for reference, answer in resolved.items()} == {
        "azureml:kept-output:1": uri,
        uri: uri,
    }


def test_a_dataset_of_v1_is_a_data_version_too(
    workspace: Any, folder: tuple[Any, str], v2: Any
) -> None:
    registered = delimited(folder).register(workspace, "seen-by-v2")
    for name in ("seen-by-v2", f"unregistered-{registered.id}"):
        got = v2.get(**scope_of(workspace), name=name, version="1")
        assert got.legacy_dataset_type == "tabular"
        assert "read_delimited" in got.legacy_dataflow
