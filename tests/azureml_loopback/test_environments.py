"""Environments by the SDK: curated ones, registered versions, labels, what is not built here."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest


def environment(name: str, *packages: str) -> Any:
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies

    made = Environment(name)
    made.python.conda_dependencies = CondaDependencies.create(
        conda_packages=["numpy"], pip_packages=list(packages), pin_sdk_version=False
    )
    made.environment_variables = {"LEVEL": "1"}
    return made


@pytest.mark.parametrize("name", ["AzureML-Tutorial", "AzureML-Minimal", "AzureML-AutoML"])
def test_curated_environments_declare_packages(workspace: Any, name: str) -> None:
    from azureml.core import Environment

    curated = Environment.get(workspace, name)
    assert curated.version == "1"
    assert not curated.python.user_managed_dependencies
    packages = list(curated.python.conda_dependencies.pip_packages)
    assert any(package.startswith("azureml-core") for package in packages)
    assert curated.python.conda_dependencies.get_python_version() == "3.10"
    assert name in workspace.environments


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", "scikit-learn"),
        ("AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", "scikit-learn"),
        ("AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu", "lightgbm"),
    ],
)
def test_the_environments_that_samples_name_are_there(
    workspace: Any, name: str, package: str
) -> None:
    from azureml.core import Environment

    packages = Environment.get(workspace, name).python.conda_dependencies.pip_packages
    assert any(one.startswith(package) for one in packages)


def test_a_curated_environment_is_cloned_and_not_changed(workspace: Any) -> None:
    from azureml.core import Environment

    with pytest.raises(Exception, match=r"(?s)Code: 400.*'AzureML-Mine' is reserved"):
        environment("AzureML-Mine").register(workspace)
    clone = Environment.get(workspace, "AzureML-Minimal").clone("mine")
    clone.python.conda_dependencies.add_pip_package("pyarrow")
    assert "pyarrow" in list(clone.register(workspace).python.conda_dependencies.pip_packages)


def test_a_version_is_made_only_of_a_change(workspace: Any) -> None:
    from azureml.core import Environment

    assert environment("changing", "pandas").register(workspace).version == "1"
    assert environment("changing", "pandas").register(workspace).version == "1"
    assert environment("changing", "pandas", "pyarrow").register(workspace).version == "2"
    latest = Environment.get(workspace, "changing")
    assert latest.version == "2"
    assert latest.environment_variables == {"LEVEL": "1"}
    first = Environment.get(workspace, "changing", version="1")
    assert "pyarrow" not in list(first.python.conda_dependencies.pip_packages)
    assert workspace.environments["changing"].version == "2"


def test_a_version_of_ones_own_is_kept(workspace: Any) -> None:
    own = environment("own version")
    own.version = "2024-06"
    assert own.register(workspace).version == "2024-06"
    assert own.register(workspace).version == "2024-06"
    own.python.conda_dependencies.add_pip_package("flask")
    with pytest.raises(Exception, match=r"(?s)Code: 409.*leave the version out"):
        own.register(workspace)


def test_labels_move(workspace: Any) -> None:
    from azureml.core import Environment

    environment("labelled", "a").register(workspace)
    environment("labelled", "b").register(workspace)
    for version in ("1", "2"):
        Environment.label(workspace, "labelled", version, ["good"])
        assert Environment.get(workspace, "labelled", label="good").version == version
    assert Environment.get(workspace, "labelled", label="latest").version == "2"
    assert Environment.get(workspace, "AzureML-AutoML", label="prod").docker.base_dockerfile
    with pytest.raises(Exception, match=r"(?s)Code: 404.*label 'bad'"):
        Environment.get(workspace, "labelled", label="bad")


@pytest.mark.parametrize(("name", "version"), [("absent", None), ("AzureML-Minimal", "99")])
def test_what_is_missing_is_not_found(workspace: Any, name: str, version: str | None) -> None:
    from azureml.core import Environment

    with pytest.raises(Exception, match=r"(?s)Code: 404.*NotFound"):
        Environment.get(workspace, name, version=version)


def test_automl_goes_on_without_its_unreleased_environments(
    workspace: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from azureml.train.automl import _environment_utilities as utilities

    sdk = logging.getLogger(utilities.__name__)
    sdk.addHandler(caplog.handler)  # the SDK's loggers pass nothing on to the root's
    try:
        utilities.validate_non_prod_env_exists(workspace)
    finally:
        sdk.removeHandler(caplog.handler)
    assert "no non-production environment was pre-registered" in caplog.text


def test_no_image_is_built(workspace: Any) -> None:
    registered = environment("imaged").register(workspace)
    details = registered.get_image_details(workspace)
    assert not details.image_exist
    assert details.image.startswith("azureml/azureml_")
    assert details.dockerfile.startswith("FROM mcr.microsoft.com/azureml/")
    with pytest.raises(Exception, match=r"(?s)Code: 501.*--isolated"):
        registered.build(workspace)


def test_a_run_tells_an_environment_that_nobody_registered(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Environment, Experiment, ScriptRunConfig

    (tmp_path / "script.py").write_text("print('ran')")
    mine = environment("unregistered", "pandas")
    config = ScriptRunConfig(str(tmp_path), "script.py", environment=mine)
    run = Experiment(workspace, "environments").submit(config)
    told = run.get_environment()
    assert (told.name, told.version[:9]) == ("unregistered", "Autosave_")
    assert told.environment_variables == {"LEVEL": "1"}
    assert "pandas" in list(told.python.conda_dependencies.pip_packages)
    assert "unregistered" not in Environment.list(workspace)
    assert mine.register(workspace).version == "1"
    run.cancel()
