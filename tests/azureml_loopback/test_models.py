"""Models by the SDK: registered from files, folders and runs; found, changed, downloaded, deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a model file and a model folder; the SDK takes none from elsewhere."""
    (tmp_path / "model.pkl").write_bytes(b"one file")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "model.pkl").write_bytes(b"in a folder")
    (tmp_path / "folder" / "deep" / "metrics.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def register(workspace: Any, name: str, path: str = "model.pkl", **settings: Any) -> Any:
    from azureml.core import Model

    return Model.register(workspace, path, name, **settings)


def ids(models: list[Any]) -> list[str]:
    return [model.id for model in models]


def test_a_file_comes_back_as_it_was(workspace: Any, files: Path) -> None:
    model = register(workspace, "of_a_file", description="first", tags={"auc": "0.8"})
    assert (model.id, model.version, model.description) == ("of_a_file:1", 1, "first")
    assert model.created_by["userName"]
    path = model.download(str(files / "got"))
    assert Path(path) == files / "got" / "model.pkl"
    assert Path(path).read_bytes() == b"one file"


def test_a_folder_comes_back_with_its_folders(workspace: Any, files: Path) -> None:
    model = register(workspace, "of_a_folder", "folder")
    path = Path(model.download(str(files / "got")))
    assert (path / "model.pkl").read_bytes() == b"in a folder"
    assert (path / "deep" / "metrics.json").read_text() == "{}"
    assert set(model.get_sas_urls()) == {"folder/model.pkl", "folder/deep/metrics.json"}


def test_versions_never_go_back(workspace: Any, files: Path) -> None:
    from azureml.core import Model

    for version in (1, 2):
        assert register(workspace, "counted").version == version
    Model(workspace, "counted", version=2).delete()
    assert Model(workspace, "counted").version == 1
    assert register(workspace, "counted").version == 3
    assert ids(Model.list(workspace, name="counted")) == ["counted:3", "counted:1"]
    assert ids(Model.list(workspace, name="counted", latest=True)) == ["counted:3"]
    for model in Model.list(workspace, name="counted"):
        model.delete()
    assert register(workspace, "counted").version == 4


def test_models_are_found_by_what_they_have(workspace: Any, files: Path) -> None:
    from azureml.core import Model

    register(workspace, "found_a", tags={"stage": "test", "team": "x"}, properties={"rows": "10"})
    register(
        workspace, "found_b", tags={"stage": "live"}, model_framework=Model.Framework.SCIKITLEARN
    )

    def found(**query: Any) -> list[str]:
        return [name for name in ids(Model.list(workspace, **query)) if name.startswith("found")]

    assert found(tags=["stage"]) == ["found_b:1", "found_a:1"]
    assert found(tags=[["stage", "test"]]) == ["found_a:1"]
    assert found(tags=[["stage", "test"], "team"]) == ["found_a:1"]
    assert found(tags=[["stage", "live"], "team"]) == []
    assert found(properties=[["rows", "10"]]) == ["found_a:1"]
    assert found(model_framework="ScikitLearn") == ["found_b:1"]
    assert Model(workspace, "found_a", tags=[["stage", "test"]]).version == 1
    assert Model(workspace, id="found_b:1").name == "found_b"
    assert "found_a" in workspace.models


def test_many_models_are_listed_over_several_pages(workspace: Any, files: Path) -> None:
    from azureml.core import Model

    first = register(workspace, "paged")
    asset = first.url.removeprefix("aml://asset/")
    for _ in range(24):
        Model._register_with_asset(workspace, "paged", asset)
    listed = Model.list(workspace, name="paged", page_count=20)
    assert [model.version for model in listed] == list(range(25, 0, -1))


@pytest.mark.parametrize("query", [{"name": "absent"}, {"name": "absent", "version": 3}])
def test_a_missing_model_is_said(workspace: Any, query: dict[str, Any]) -> None:
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException, match=r"ModelNotFound: Model with .*absent"):
        Model(workspace, **query)


def test_tags_and_properties_change(workspace: Any, files: Path) -> None:
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    model = register(workspace, "changed", tags={"a": "1", "b": "2"}, properties={"p": "1"})
    model.add_tags({"c": "3"})
    model.remove_tags(["a"])
    model.add_properties({"q": "2"})
    model.update(description="described")
    got = Model(workspace, "changed")
    assert (got.tags, got.properties) == ({"b": "2", "c": "3"}, {"p": "1", "q": "2"})
    assert got.description == "described"
    got.properties = {}  # the SDK looks at its own copy first
    with pytest.raises(WebserviceException, match=r"(?s)Response Code: 400"):
        got.add_properties({"p": "another"})
    assert Model(workspace, "changed").properties["p"] == "1"


def test_a_model_knows_its_data(workspace: Any, files: Path) -> None:
    from azureml.core import Dataset, Model
    from azureml.core.resource_configuration import ResourceConfiguration

    datastore = workspace.get_default_datastore()
    data = Dataset.File.from_files((datastore, "model data"), validate=False)
    other = Dataset.File.from_files((datastore, "other data"), validate=False)
    model = register(
        workspace,
        "with_data",
        model_framework=Model.Framework.SCIKITLEARN,
        model_framework_version="1.5",
        datasets=[("training", data)],
        sample_input_dataset=data,
        resource_configuration=ResourceConfiguration(cpu=1, memory_in_gb=0.5),
    )
    model.add_dataset_references([("test", other)])
    got = Model(workspace, "with_data")
    assert {name: [each.id for each in found] for name, found in got.datasets.items()} == {
        "training": [data.id],
        "test": [other.id],
    }
    assert got.sample_input_dataset.id == data.id
    assert (got.model_framework, got.model_framework_version) == ("ScikitLearn", "1.5")
    assert got.resource_configuration.memory_in_gb == 0.5
    assert ids(Model.list(workspace, dataset_id=other.id)) == ["with_data:1"]


def test_a_run_registers_what_it_wrote(workspace: Any, files: Path) -> None:
    from azureml.core import Experiment, Model

    run = Experiment(workspace, "registers").start_logging(snapshot_directory=None)
    run.upload_file("outputs/model.pkl", str(files / "model.pkl"))
    model = run.register_model("of_a_run", model_path="outputs/model.pkl")
    run.complete()
    assert (model.run_id, model.experiment_name) == (run.id, "registers")
    assert ids(Model.list(workspace, run_id=run.id)) == ["of_a_run:1"]
    assert Path(model.download(str(files / "got"))).read_bytes() == b"one file"


def test_a_model_without_files_is_refused(workspace: Any) -> None:
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException, match="Response Code: 400"):
        Model._register_with_asset(workspace, "empty", "no such asset")


def test_assets_are_found_changed_and_deleted(workspace: Any, files: Path) -> None:
    from azureml._restclient.assets_client import AssetsClient
    from azureml._restclient.models import ModelErrorResponseException

    client = AssetsClient(workspace.service_context)
    artifacts = [{"prefix": "LocalUpload/here/model.pkl"}]
    asset = client.create_asset(
        "an asset", artifacts, None, run_id="run7", tags={"t": "1"}, properties={"p": "q"}
    )
    scope = (workspace.subscription_id, workspace.resource_group, workspace.name)
    found = client.list_assets_with_query(run_id="run7", name="an asset", properties={"p": "q"})
    assert [each.id for each in found] == [asset.id]
    assert list(client.list_assets_with_query(run_id="run7", properties={"p": "r"})) == []
    operations = client._client.assets
    change = [{"op": "replace", "path": "/kvTags", "value": {"t": "2"}}]
    assert operations.patch(*scope, id=asset.id, body=change).kv_tags == {"t": "2"}
    operations.delete(*scope, id=asset.id)
    with pytest.raises(ModelErrorResponseException, match="no asset"):
        client.get_asset_by_id(asset.id)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"op": "replace", "path": "/kvTags", "value": ["not", "a dictionary"]}, 400),
        ({"op": "replace", "path": "/version", "value": 9}, 501),
        ({"op": "remove", "path": "/description"}, 501),
    ],
)
def test_other_changes_are_refused(
    workspace: Any, files: Path, change: dict[str, Any], status: int
) -> None:
    from azureml._restclient.models import ModelErrorResponseException
    from azureml._restclient.models_client import ModelsClient

    register(workspace, "unchanged")
    operations = ModelsClient(workspace.service_context)._client.ml_models
    scope = (workspace.subscription_id, workspace.resource_group, workspace.name)
    with pytest.raises(ModelErrorResponseException) as refused:
        operations.patch(*scope, id="unchanged:1", body=[change])
    assert refused.value.response.status_code == status
