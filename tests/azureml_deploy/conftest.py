"""What the deploy module's tests share: a small configuration, and telemetry switched off."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azureml_deploy.service_errors import Patience
from azureml_deploy.workspace.loopback import use_loopback
from azureml_deploy.workspace.opening import open_workspace

os.environ["DO_NOT_TRACK"] = "1"
# pytest runs with --import-mode=importlib, which finds no helper modules beside a test
sys.path.append(str(Path(__file__).parent))

from loopback_service import Loopback
from submits import Submitted, submit_titanic_twice


@pytest.fixture
def values() -> dict[str, Any]:
    """What a small azureml.yml says; each test gets its own."""
    return {
        "experiment_name": "test",
        "compute_targets": {"cpu": {"vm_size": "STANDARD_D2_V2"}, "big": {}},
        "environments": {"one": {"pip_packages": ["kedro"]}, "two": {"curated": "AzureML-X"}},
        "default": {"compute_target": "cpu", "environment": "one"},
    }


@pytest.fixture(scope="package")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    """The service that these tests share."""
    pytest.importorskip("azureml.core", reason="needs the azureml extra")
    service = Loopback(tmp_path_factory.mktemp("loopback"))
    service.command("start")
    yield service
    service.command("stop")


@pytest.fixture(scope="package")
def workspace(loopback: Loopback, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Its workspace, by the code that `submit` opens it with; this process's SDK is led to it."""
    folder = tmp_path_factory.mktemp("opened")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**loopback.variables, **loopback.environment()}.items():
            patch.setenv(name, value)
        config = use_loopback(folder)
        yield open_workspace(config, folder, Patience(0))


@pytest.fixture(scope="package")
def titanic(loopback: Loopback, tmp_path_factory: pytest.TempPathFactory) -> Submitted:
    """The Titanic after two submits; its project is not to be changed."""
    return submit_titanic_twice(tmp_path_factory.mktemp("titanic"), loopback)
