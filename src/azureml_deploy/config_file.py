"""Reading azureml.yml, and a line for each thing wrong in it; nothing else reads the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from azureml_deploy.config import (
    AzureMLConfig,
    ComputeTarget,
    Environment,
    RegisteredDataset,
    Roles,
    Serving,
    StepDefaults,
    StepOverride,
    WorkspaceConfig,
)
from azureml_deploy.errors import ConfigError
from local_automl.settings import did_you_mean

PATTERN_NAME = "azureml"
FILE_PATTERNS = ("azureml*", "azureml*/**", "**/azureml*")
KEDRO_AZUREML_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "azure.subscription_id": "workspace.subscription_id",
        "azure.resource_group": "workspace.resource_group",
        "azure.workspace_name": "workspace.workspace_name",
        "azure.experiment_name": "experiment_name",
        "azure.environment_name": "environments.NAME.curated",
        "azure.compute.__default__.cluster_name": "default.compute_target",
        "azure.compute.TAG.cluster_name": "steps: [{tag: TAG, compute_target: …}]",
        "azure.code_directory": "not needed: each step uploads only what it imports",
        "azure.working_directory": "not needed: a step runs in its snapshot",
        "azure.temporary_storage": "not needed: the workspace's default datastore is used",
        "azure.pipeline_data_passing": "not needed: datasets always travel as pipeline data",
        "docker.image": "environments.NAME.docker_image",
    }
)
"""kedro-azureml 1.0's keys (`kedro_azureml.config.AzureMLConfig`) -> where each goes here."""


def load_config(loader: Any) -> AzureMLConfig:
    """Read azureml.yml through Kedro's config loader, environments merged deeply.

    Args:
        loader: The context's config loader; gets the file pattern, unless it has one.

    Raises:
        ConfigError: The file is missing or wrong; names file, key, what was found and is allowed.
    """
    from kedro.config import MissingConfigException  # noqa: PLC0415  (kedro only where it is used)

    _register_pattern(loader)
    try:
        values = loader[PATTERN_NAME]
    except MissingConfigException:
        raise ConfigError(
            f"conf/base/azureml.yml: not found in {loader.conf_source}; "
            "write one with: kedro azureml init"
        ) from None
    except Exception as error:
        raise ConfigError(f"azureml.yml: {error}") from None
    return parse_config(values, _files(loader))


def parse_config(
    values: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]] | None = None
) -> AzureMLConfig:
    """Check what azureml.yml says.

    Args:
        values: The merged file.
        files: File name -> what it says itself, to name the file of an error.

    Raises:
        ConfigError: One line per problem: file, key, what was found, what is allowed.
    """
    files = files or {"azureml.yml": values}
    if set(values) & {"azure", "docker"}:
        raise ConfigError(
            f"{_file_of(('azure',), files)}: this is a kedro-azureml configuration. Rename it, run "
            f"kedro azureml init, and move its keys:\n{kedro_azureml_mapping(values)}"
        )
    try:
        config = AzureMLConfig.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError("\n".join(_sentences(error, files))) from None
    problems = [f"{_file_of(place, files)}: {text}" for place, text in _undefined(config)]
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def kedro_azureml_mapping(values: Mapping[str, Any]) -> str:
    """Say where each key of a kedro-azureml file goes."""
    found = {
        old: new
        for old, new in KEDRO_AZUREML_KEYS.items()
        if _has(values, tuple(part for part in old.split(".") if part != "TAG")[:2])
    }
    return "\n".join(f"  {old} -> {new}" for old, new in found.items())


def _register_pattern(loader: Any) -> None:
    patterns = getattr(loader, "config_patterns", None)
    if patterns is not None:
        patterns.setdefault(PATTERN_NAME, list(FILE_PATTERNS))
        # Kedro's default would let one override of an environment delete all other compute targets
        loader.merge_strategy.setdefault(PATTERN_NAME, "soft")


def _files(loader: Any) -> dict[str, Mapping[str, Any]] | None:
    """Return what each file says, the last in force first."""
    from omegaconf import OmegaConf  # noqa: PLC0415

    if not hasattr(loader, "_read_raw_config"):
        return None
    base, environment, *_ = loader._read_raw_config(PATTERN_NAME)
    files = {**dict(environment), **dict(base)}
    return {
        str(path): OmegaConf.to_container(content, resolve=False)  # type: ignore[misc]
        for path, content in files.items()
    }


def _undefined(config: AzureMLConfig) -> Iterable[tuple[tuple[str, ...], str]]:
    """Find names that point at nothing."""
    for place, kind, name in _references(config):
        defined = config.compute_targets if kind == "compute_targets" else config.environments
        if name not in defined:
            yield (
                place,
                f"{'.'.join(place)}: found '{name}', which {kind} does not define"
                f"{did_you_mean(name, defined)} (defined: {', '.join(defined) or 'none'})",
            )
    for name, target in config.pipeline_parameters.items():
        if not target.startswith("params:"):
            place = ("pipeline_parameters", name)
            yield (
                place,
                f"{'.'.join(place)}: found '{target}'; a Kedro parameter is meant, such as "
                f"'params:{target}'",
            )


def _references(config: AzureMLConfig) -> Iterable[tuple[tuple[str, ...], str, str]]:
    yield ("default", "compute_target"), "compute_targets", config.default.compute_target
    yield ("default", "environment"), "environments", config.default.environment
    for index, override in enumerate(config.steps):
        if override.compute_target:
            place = ("steps", str(index), "compute_target")
            yield place, "compute_targets", override.compute_target
        if override.environment:
            yield ("steps", str(index), "environment"), "environments", override.environment
    if config.serving and config.serving.environment:
        yield ("serving", "environment"), "environments", config.serving.environment


def _sentences(error: ValidationError, files: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for detail in error.errors(include_url=False):
        place = tuple(str(part) for part in detail["loc"])
        where = f"{_file_of(place, files)}: {'.'.join(place) or 'the file'}"
        kind, context = detail["type"], detail.get("ctx", {})
        if kind == "extra_forbidden":
            allowed = _fields_at(place[:-1])
            yield (
                f"{where}: unknown key '{place[-1]}'{did_you_mean(place[-1], allowed)} "
                f"(allowed: {', '.join(allowed)})"
            )
        elif kind == "missing":
            yield f"{where}: is missing, and has no default"
        elif kind == "literal_error":
            allowed = tuple(_literals(context["expected"]))
            yield (
                f"{where}: found {detail['input']!r}{did_you_mean(detail['input'], allowed)} "
                f"(allowed: {', '.join(allowed)})"
            )
        elif kind == "azureml_yml":
            yield f"{where}: {detail['msg']}"
        else:
            message = detail["msg"].replace("Input should be", "should be")
            yield f"{where}: {message[:1].lower()}{message[1:]}, found {detail['input']!r}"


def _literals(expected: str) -> Iterable[str]:
    return (part.strip(" '") for part in expected.replace(" or ", ",").split(",") if part.strip())


def _fields_at(place: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys that a place of the file may have."""
    model: type[BaseModel] = AzureMLConfig
    sections: Mapping[str, type[BaseModel]] = {
        "workspace": WorkspaceConfig,
        "compute_targets": ComputeTarget,
        "environments": Environment,
        "datasets": RegisteredDataset,
        "default": StepDefaults,
        "steps": StepOverride,
        "roles": Roles,
        "serving": Serving,
    }
    if place:
        model = sections.get(place[0], model)
    return tuple(model.model_fields)


def _has(values: Any, place: tuple[str, ...]) -> bool:
    for part in place:
        if isinstance(values, Mapping) and part in values:
            values = values[part]
        elif isinstance(values, list | tuple) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        else:
            return False
    return True


def _file_of(place: tuple[str, ...], files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the file that says it, or the one that says the most of its place."""
    for length in range(len(place), 0, -1):
        for file, content in files.items():
            if _has(content, place[:length]):
                return file
    return list(files)[-1]
