"""Datastores by the SDK: the workspace's own, and others over the same storage account."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

ACCOUNT = "loopbackstorage"


def register(workspace: Any, name: str, **settings: Any) -> Any:
    from azureml.core import Datastore

    own = workspace.get_default_datastore()
    given = {"container_name": "more-data", "account_name": ACCOUNT, "account_key": own.account_key}
    return Datastore.register_azure_blob_container(workspace, name, **{**given, **settings})


def test_the_workspace_has_two_datastores_from_the_start(workspace: Any) -> None:
    default = workspace.get_default_datastore()
    assert default.name == "workspaceblobstore"
    assert default.account_name == ACCOUNT
    assert default.container_name.startswith("azureml-blobstore-")
    assert {"workspaceblobstore", "workspaceartifactstore"} <= set(workspace.datastores)


def test_a_list_has_credentials_only_if_asked(workspace: Any) -> None:
    from azureml.data.datastore_client import _DatastoreClient

    scope = (workspace.subscription_id, workspace.resource_group, workspace.name)
    client = _DatastoreClient._get_client(workspace, None, None).data_stores
    own = workspace.get_default_datastore()
    for include, key in ((False, None), (True, own.account_key)):
        (found,) = client.list(
            *scope, data_store_names=["workspaceblobstore"], include_secret=include
        ).value
        assert found.azure_storage_section.account_key == key
        assert found.azure_storage_section.credential == key


def test_an_unknown_datastore_is_named_beside_the_known(workspace: Any) -> None:
    from azureml.core import Datastore
    from azureml.exceptions import UserErrorException

    with pytest.raises(UserErrorException, match=r"datastore nowhere; .*workspaceblobstore"):
        Datastore.get(workspace, "nowhere")


def test_a_datastore_is_registered_used_and_forgotten(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset, Datastore
    from azureml.exceptions import UserErrorException

    datastore = register(workspace, "More_Data", create_if_not_exists=True)
    assert (datastore.name, datastore.container_name) == ("more_data", "more-data")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("hello")
    Dataset.File.upload_directory(str(tmp_path / "in"), (datastore, "there"), show_progress=False)
    files = Dataset.File.from_files((Datastore.get(workspace, "more_data"), "there"))
    (path,) = files.download(str(tmp_path / "out"))
    assert Path(path).read_text() == "hello"

    with pytest.raises(UserErrorException, match="Another datastore with the same name"):
        register(workspace, "more_data")
    again = register(workspace, "more_data", container_name="others", create_if_not_exists=True,
                     overwrite=True)  # fmt: skip
    assert again.container_name == "others"

    again.unregister()
    assert "more_data" not in workspace.datastores


def test_a_signature_is_a_credential_too(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset

    own = workspace.get_default_datastore()
    (tmp_path / "signed.txt").write_text("signed")
    own.upload_files([str(tmp_path / "signed.txt")], target_path="sas", show_progress=False)
    token = generate_container_sas(
        ACCOUNT,
        own.container_name,
        account_key=own.account_key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(timezone.utc) + timedelta(hours=1),
    )
    settings = {"container_name": own.container_name, "account_key": None, "sas_token": token}
    datastore = register(workspace, "by_signature", **settings)
    assert datastore.sas_token == token
    files = Dataset.File.from_files((datastore, "sas"))
    (path,) = files.download(str(tmp_path / "out"))
    assert Path(path).read_text() == "signed"


def test_old_style_upload_and_download(workspace: Any, tmp_path: Path) -> None:
    own = workspace.get_default_datastore()
    (tmp_path / "old.txt").write_text("old")
    own.upload_files([str(tmp_path / "old.txt")], target_path="old", show_progress=False)
    count = own.download(str(tmp_path / "got"), prefix="old", show_progress=False)
    assert count == 1
    assert (tmp_path / "got" / "old" / "old.txt").read_text() == "old"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"account_key": "bm90IHRoZSBrZXk="}, "credentials given .* are not valid"),
        ({"account_key": "no base64"}, "credentials given .* are not valid"),
        ({"container_name": "not-there"}, "no container 'not-there'.*create_if_not_exists=True"),
        ({"account_name": "elsewhere"}, "'elsewhere' cannot be reached.*skip_validation=True"),
    ],
)
def test_what_cannot_be_used_is_refused(
    workspace: Any, settings: dict[str, Any], message: str
) -> None:
    from azureml.exceptions import UserErrorException

    with pytest.raises(UserErrorException, match=message):
        register(workspace, "unusable", **settings)
    assert "unusable" not in workspace.datastores


def test_validation_can_be_skipped(workspace: Any) -> None:
    datastore = register(workspace, "far_away", account_name="elsewhere", skip_validation=True)
    assert datastore.account_name == "elsewhere"
    datastore.unregister()


def test_another_datastore_becomes_the_default(workspace: Any) -> None:
    from azureml.exceptions import UserErrorException

    datastore = register(workspace, "new_default", create_if_not_exists=True)
    workspace.set_default_datastore("new_default")
    try:
        assert workspace.get_default_datastore().name == "new_default"
        with pytest.raises(UserErrorException, match="new_default is the default datastore"):
            datastore.unregister()
    finally:
        workspace.set_default_datastore("workspaceblobstore")
    datastore.unregister()
    with pytest.raises(UserErrorException, match="workspaceblobstore is the workspace's own"):
        workspace.get_default_datastore().unregister()


def test_other_kinds_of_storage_are_refused_by_name(workspace: Any) -> None:
    from azureml._restclient.models import ErrorResponseException
    from azureml.core import Datastore

    with pytest.raises(ErrorResponseException, match="AzureFile are not implemented"):
        Datastore.register_azure_file_share(
            workspace, "share", "share", ACCOUNT, account_key="bm8=", skip_validation=True
        )
