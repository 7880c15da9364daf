"""The workspace's secrets, with the SDK's Keyvault and from a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def vault(workspace: Any) -> Iterator[Any]:
    vault = workspace.get_default_keyvault()
    yield vault
    vault.delete_secrets([secret["name"] for secret in vault.list_secrets()])


def test_a_secret_is_kept_changed_and_forgotten(vault: Any) -> None:
    vault.set_secret("api-key", "first")
    vault.set_secret("api-key", "second")
    assert vault.get_secret("API-key") == "second"
    assert vault.get_secret_content_type("api-key") == "application/NotProvided"
    assert vault.list_secrets() == [{"name": "api-key"}]
    vault.delete_secret("api-key")
    with pytest.raises(Exception, match="There is no secret 'api-key'"):
        vault.get_secret("api-key")


def test_several_at_once(vault: Any) -> None:
    vault.set_secrets({"one": "1", "two": "2"})
    assert vault.get_secrets(["one", "two", "three"]) == {"one": "1", "two": "2", "three": None}
    with pytest.raises(Exception, match=r"found 'not_allowed'.* letters, digits and hyphens"):
        vault.set_secrets({"four": "4", "not_allowed": "5"})
    assert vault.list_secrets() == [{"name": "one"}, {"name": "two"}]


def test_a_run_reads_secrets(workspace: Any, vault: Any) -> None:
    from azureml.core import Experiment

    vault.set_secret("token", "only for the run")
    run = Experiment(workspace, "secrets").start_logging(snapshot_directory=None)
    assert run.get_secret("token") == "only for the run"
    assert run.get_secrets(["token"]) == {"token": "only for the run"}
    run.complete()
