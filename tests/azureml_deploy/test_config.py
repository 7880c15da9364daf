"""azureml.yml: read through Kedro's loader, merged deeply, and wrong in one clear line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader

from azureml_deploy.config import AzureMLConfig
from azureml_deploy.config_file import load_config, parse_config
from azureml_deploy.errors import ConfigError

BASE = """
experiment_name: ${runtime_params:experiment, from-file}
compute_targets:
  cpu: {vm_size: STANDARD_D2_V2, max_nodes: 4}
  gpu: {vm_size: STANDARD_NC6S_V3}
environments: {one: {pip_packages: [kedro]}}
default: {compute_target: cpu, environment: one}
"""


def loader(folder: Path, local: str = "", **kwargs: Any) -> OmegaConfigLoader:
    for env, text in (("base", BASE), ("local", local)):
        (folder / env).mkdir(exist_ok=True)
        if text:
            (folder / env / "azureml.yml").write_text(text)
    return OmegaConfigLoader(str(folder), base_env="base", default_run_env="local", **kwargs)


def test_an_override_of_one_compute_keeps_the_others(tmp_path: Path) -> None:
    config = load_config(loader(tmp_path, "compute_targets: {cpu: {max_nodes: 9}}"))
    assert dict(config.compute_targets).keys() == {"cpu", "gpu"}
    assert config.compute_targets["cpu"].max_nodes == 9
    assert config.compute_targets["cpu"].vm_size == "STANDARD_D2_V2"


def test_runtime_parameters_are_resolved(tmp_path: Path) -> None:
    assert load_config(loader(tmp_path)).experiment_name == "from-file"
    given = loader(tmp_path, runtime_params={"experiment": "from-params"})
    assert load_config(given).experiment_name == "from-params"


def test_a_project_may_have_its_own_pattern(tmp_path: Path) -> None:
    own = loader(tmp_path, config_patterns={"azureml": ["deploy*"]})
    (tmp_path / "base" / "deploy.yml").write_text(BASE.replace("max_nodes: 4", "max_nodes: 7"))
    assert load_config(own).compute_targets["cpu"].max_nodes == 7


def test_errors_name_the_file_that_says_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(loader(tmp_path, "compute_targets: {cpu: {max_node: 9}}"))
    assert str(error.value).startswith(str(tmp_path / "local" / "azureml.yml"))
    with pytest.raises(ConfigError, match=r"default.environment: found 'two'") as error:
        load_config(loader(tmp_path, "default: {environment: two}"))
    assert str(tmp_path / "local") in str(error.value)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    empty = loader(tmp_path)
    (tmp_path / "base" / "azureml.yml").unlink()
    with pytest.raises(ConfigError, match="kedro azureml init"):
        load_config(empty)


def test_yaml_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Invalid YAML"):
        load_config(loader(tmp_path, "compute_targets: [unclosed"))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"groupng": "auto"}, ["groupng: unknown key", "did you mean 'grouping'?"]),
        ({"grouping": "atuo"}, ["grouping: found 'atuo'", "did you mean 'auto'?", "namespace"]),
        (
            {"compute_targets": {"cpu": {"vm_sise": "x"}}},
            ["compute_targets.cpu.vm_sise: unknown key", "did you mean 'vm_size'?", "max_nodes"],
        ),
        ({"compute_targets": {"cpu": {"max_nodes": "ten"}}}, ["max_nodes", "integer", "'ten'"]),
        (
            {"compute_targets": {"cpu": {"vm_priority": "low"}}},
            ["vm_priority: found 'low'", "did you mean 'lowpriority'?"],
        ),
        ({"compute_targets": {"cpu": {"min_nodes": 5}}}, ["min_nodes 5 is more than max_nodes 1"]),
        (
            {"default": {"compute_target": "cpuu", "environment": "one"}},
            ["default.compute_target: found 'cpuu'", "did you mean 'cpu'?", "defined: cpu, big"],
        ),
        (
            {"steps": [{"tag": "t", "environment": "on"}]},
            ["steps.0.environment: found 'on'", "did you mean 'one'?"],
        ),
        ({"steps": [{"compute_target": "cpu"}]}, ["steps.0", "needs tag or nodes"]),
        ({"default": {"environment": "one"}}, ["default.compute_target: is missing"]),
        ({"workspace": {"subscription_id": "s"}}, ["needs resource_group, workspace_name"]),
        (
            {
                "workspace": {
                    "path": "c",
                    "subscription_id": "s",
                    "resource_group": "r",
                    "workspace_name": "w",
                }
            },
            ["both path and"],
        ),
        ({"workspace": {"auth": "clli"}}, ["workspace.auth", "did you mean 'cli'?", "msi"]),
        (
            {"environments": {"one": {"curated": "a", "docker_image": "b"}}},
            ["both curated and docker_image"],
        ),
        ({"pipeline_parameters": {"m": "model"}}, ["pipeline_parameters.m", "'params:model'"]),
        ({"experiment_name": "no spaces"}, ["experiment_name", "'no spaces'"]),
        ({"azure": {"subscription_id": "s"}}, ["kedro-azureml", "-> workspace.subscription_id"]),
    ],
)
def test_each_mistake_has_one_error(
    values: dict[str, Any], change: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config({**values, **change})
    assert "\n" not in str(error.value) or "azure" in change
    assert str(error.value).startswith("azureml.yml: ")
    for part in parts:
        assert part in str(error.value)


def test_several_mistakes_are_all_told(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config({**values, "grouping": "x", "intermediate_data": "y"})
    assert len(str(error.value).splitlines()) == 2


def test_the_values_are_frozen(values: dict[str, Any]) -> None:
    config = parse_config(values)
    with pytest.raises(TypeError):
        config.compute_targets["new"] = config.compute_targets["cpu"]  # type: ignore[index]
    with pytest.raises(ValueError, match="frozen"):
        config.grouping = "none"


def test_later_overrides_win(values: dict[str, Any]) -> None:
    values["steps"] = [
        {"tag": "heavy", "compute_target": "big"},
        {"nodes": "train_*", "environment": "two", "allow_reuse": False},
    ]
    config: AzureMLConfig = parse_config(values)
    assert config.step_settings("load", []) == ("cpu", "one", True)
    assert config.step_settings("load", ["heavy"]) == ("big", "one", True)
    assert config.step_settings("train_it", ["heavy"]) == ("big", "two", False)
