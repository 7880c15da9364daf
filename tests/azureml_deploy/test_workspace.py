"""Opening a workspace, and finding or making in it what a plan needs: the real SDK, the loopback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deploy_samples import make, project_of
from loopback_service import Loopback

from azureml_deploy.config import RegisteredDataset, WorkspaceConfig
from azureml_deploy.deployment import Deployment, prepare
from azureml_deploy.errors import ConfigError, ServiceError
from azureml_deploy.service_errors import Patience
from azureml_deploy.workspace.compute_targets import find_compute_targets
from azureml_deploy.workspace.environments import find_environments
from azureml_deploy.workspace.opening import open_workspace
from azureml_deploy.workspace.upload_source import Table, source_of
from azureml_deploy.workspace.uploads import DIGEST_TAG, find_or_register

ROOT = Path(__file__).parents[2]
NO_PATIENCE = Patience(0)


@pytest.fixture
def deployment(values: dict[str, Any], tmp_path: Path) -> Deployment:
    values = {
        **values,
        "steps": [{"nodes": "b", "compute_target": "big", "environment": "two"}],
        "environments": {"one": {"pip_packages": ["kedro"]}, "two": {"python_version": "3.10"}},
    }
    catalog = {"x": {"type": "pandas.CSVDataset", "filepath": "data/x.csv"}}
    nodes = [make("a", None, "x"), make("b", "x", "y")]
    return prepare(project_of(tmp_path, nodes, values, catalog))


def source(project: Path, paths: Any, **options: Any) -> Any:
    table = Table("delimited") if options.get("type") == "tabular" else None
    return source_of(project, "rows", RegisteredDataset(paths=paths, **options), table)


def test_no_config_json_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json in .* submit with --loopback"):
        open_workspace(WorkspaceConfig(), tmp_path, NO_PATIENCE)
    with pytest.raises(ConfigError, match=r"there is no file .*nowhere\.json"):
        open_workspace(WorkspaceConfig(path="nowhere.json"), tmp_path, NO_PATIENCE)
    (tmp_path / "config.json").write_text('{"subscription_id": "1"}')
    with pytest.raises(ConfigError, match="has no resource_group"):
        open_workspace(WorkspaceConfig(), tmp_path, NO_PATIENCE)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read as JSON"):
        open_workspace(WorkspaceConfig(), tmp_path, NO_PATIENCE)


def test_a_service_principal_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZUREML_SERVICE_PRINCIPAL_ID", "id")
    names = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}
    config = WorkspaceConfig(**names, auth="service_principal", tenant_id="t")
    with pytest.raises(ConfigError, match="AZUREML_SERVICE_PRINCIPAL_PASSWORD is not set"):
        open_workspace(config, tmp_path, NO_PATIENCE)


def test_names_in_azureml_yml_open_the_same_workspace(workspace: Any, tmp_path: Path) -> None:
    config = WorkspaceConfig(
        subscription_id=workspace.subscription_id,
        resource_group=workspace.resource_group,
        workspace_name=workspace.name,
        auth="interactive",
    )
    opened = open_workspace(config, tmp_path, NO_PATIENCE)
    assert opened.get_details()["id"] == workspace.get_details()["id"]


def test_an_unknown_workspace_is_one_sentence(workspace: Any, tmp_path: Path) -> None:
    names = {"subscription_id": workspace.subscription_id, "resource_group": "loopback"}
    (tmp_path / "config.json").write_text(json.dumps({**names, "workspace_name": "nowhere"}))
    with pytest.raises(ServiceError, match=r"Opening workspace 'nowhere' .* failed: ") as caught:
        open_workspace(WorkspaceConfig(auth="msi"), tmp_path, NO_PATIENCE)
    assert "\n" not in str(caught.value)


def test_files_are_registered_once_and_again_when_they_change(
    workspace: Any, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n1,x\n")
    options: dict[str, Any] = {"name": "once", "description": "Rows"}
    first = find_or_register(workspace, source(tmp_path, "rows.csv", **options), NO_PATIENCE)
    assert (first.state, first.version) == ("created", "1")
    assert first.value.description == "Rows"
    file.touch()
    same = find_or_register(workspace, source(tmp_path, "rows.csv", **options), NO_PATIENCE)
    assert (same.state, same.version) == ("found", "1")
    file.write_text("a,b\n2,x\n")
    kept = source(tmp_path, "rows.csv", **options, create_new_version=False)
    assert find_or_register(workspace, kept, NO_PATIENCE).version == "1"
    changed = source(tmp_path, "rows.csv", **options)
    would_be = find_or_register(workspace, changed, NO_PATIENCE, create=False)
    assert (would_be.state, would_be.value) == ("missing", None)
    second = find_or_register(workspace, changed, NO_PATIENCE)
    assert (second.state, second.version) == ("created", "2")
    assert second.value.tags[DIGEST_TAG] == changed.digest
    target = tmp_path / "downloaded"
    (downloaded,) = second.value.download(str(target))
    assert Path(downloaded).read_text() == "a,b\n2,x\n"
    file.write_text("a,b\n1,x\n")
    back = find_or_register(workspace, source(tmp_path, "rows.csv", **options), NO_PATIENCE)
    assert (back.state, back.version) == ("found", "1")


def test_folders_and_odd_names_keep_their_structure(workspace: Any, tmp_path: Path) -> None:
    for name in ("parts/a/x[1].csv", "parts/b ü.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    found = find_or_register(workspace, source(tmp_path, "parts", name="odd"), NO_PATIENCE)
    found.value.download(str(tmp_path / "back"))
    back = {p.name: p.read_text() for p in (tmp_path / "back").rglob("*") if p.is_file()}
    assert back == {"x[1].csv": "parts/a/x[1].csv", "b ü.csv": "parts/b ü.csv"}


def test_several_paths_keep_their_places(workspace: Any, tmp_path: Path) -> None:
    for name in ("in/a.csv", "in/b/c.csv", "in/b/d.csv", "in/unwanted.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    several = source(tmp_path, ("in/a.csv", "in/b"), name="several")
    assert [place for place, _ in several.files] == ["a.csv", "b/c.csv", "b/d.csv"]
    found = find_or_register(workspace, several, NO_PATIENCE)
    found.value.download(str(tmp_path / "back"))
    back = {p.read_text() for p in (tmp_path / "back").rglob("*") if p.is_file()}
    assert back == {"in/a.csv", "in/b/c.csv", "in/b/d.csv"}


def test_a_tabular_dataset_is_a_table(workspace: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("n,name\n1,x\n22,y\n")
    table = source(tmp_path, "rows.csv", name="table", type="tabular")
    found = find_or_register(workspace, table, NO_PATIENCE)
    assert found.value.to_pandas_dataframe()["n"].tolist() == [1, 22]


def test_columns_of_text_are_what_the_catalog_reads(workspace: Any, tmp_path: Path) -> None:
    load_args = {"dtype": {"Ticket": str}, "keep_default_na": False, "na_values": [""]}
    shutil.copy(ROOT / "data/01_raw/titanic.csv", tmp_path)
    table = Table("delimited", load_args=load_args)
    settings = RegisteredDataset(paths="titanic.csv", name="titanic_table", type="tabular")
    wanted = source_of(tmp_path, "titanic_ds", settings, table)
    found = find_or_register(workspace, wanted, NO_PATIENCE)
    there = found.value.to_pandas_dataframe()
    here = pd.read_csv(tmp_path / "titanic.csv", **load_args)
    pd.testing.assert_frame_equal(there.fillna(-1), here.fillna(-1), check_dtype=False)
    assert {n: d.kind for n, d in there.dtypes.items() if d.kind in "iuf"} == {
        n: d.kind for n, d in here.dtypes.items() if d.kind in "iuf"
    }


def test_datasets_without_paths_are_found_by_name(workspace: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"datasets\.rows: there is no Dataset 'nobody'"):
        find_or_register(workspace, source(tmp_path, (), name="nobody"), NO_PATIENCE)
    with pytest.raises(ConfigError, match=r"datasets\.rows\.paths: missing\.csv has no file"):
        source(tmp_path, "missing.csv")
    (tmp_path / "rows.csv").write_text("a\n")
    find_or_register(workspace, source(tmp_path, "rows.csv", name="named"), NO_PATIENCE)
    assert find_or_register(workspace, source(tmp_path, (), name="named"), NO_PATIENCE).version


def test_compute_targets_are_made_once(workspace: Any, deployment: Deployment) -> None:
    dry = tuple(find_compute_targets(workspace, deployment, NO_PATIENCE, create=False))
    assert [found.state for found in dry] == ["missing", "missing"]
    made = tuple(find_compute_targets(workspace, deployment, NO_PATIENCE))
    assert [(found.name, found.state) for found in made] == [("big", "created"), ("cpu", "created")]
    assert made[1].detail == "STANDARD_D2_V2, 0 to 1 nodes"
    again = tuple(find_compute_targets(workspace, deployment, NO_PATIENCE))
    assert [found.state for found in again] == ["found", "found"]
    again[0].value.delete()
    after = tuple(find_compute_targets(workspace, deployment, NO_PATIENCE))
    assert [found.state for found in after] == ["created", "found"]


def test_no_quota_is_one_sentence(workspace: Any, values: dict[str, Any], tmp_path: Path) -> None:
    values["compute_targets"]["cpu"] |= {"min_nodes": 90, "max_nodes": 100}
    values["compute_targets"] = {"many": values["compute_targets"]["cpu"]}
    values["default"]["compute_target"] = "many"
    deployment = prepare(project_of(tmp_path, [make("a", None, "x")], values))
    with pytest.raises(
        ServiceError, match=r"Creating compute target 'many' failed: .*quota of 100"
    ) as caught:
        tuple(find_compute_targets(workspace, deployment, NO_PATIENCE))
    assert "or take a smaller vm_size or max_nodes" in str(caught.value)
    assert "many" not in workspace.compute_targets


def test_environments_get_a_version_for_each_content(
    workspace: Any, deployment: Deployment, loopback: Loopback
) -> None:
    made = tuple(find_environments(workspace, deployment, NO_PATIENCE))
    assert [(found.name, found.state) for found in made] == [("one", "created"), ("two", "created")]
    again = tuple(find_environments(workspace, deployment, NO_PATIENCE))
    assert [(f.state, f.version) for f in again] == [("found", f.version) for f in made]
