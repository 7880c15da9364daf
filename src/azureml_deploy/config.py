"""azureml.yml as frozen values; the only place that reads the file.

Field names are the SDK's own: those of `Workspace`, `AmlCompute.provisioning_configuration`,
`CondaDependencies.create`, `Dataset.register` and the pipeline steps (azureml-core 1.61,
azureml-pipeline 1.62).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

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

T = TypeVar("T")


def _frozen(value: Mapping[str, T] | None) -> Mapping[str, T]:
    return MappingProxyType(dict(value or {}))


def _as_tuple(value: Any) -> Any:
    """Take one name where a list of names is meant, as the SDK does."""
    return (value,) if isinstance(value, str) else () if value is None else value


Frozen = Annotated[Mapping[str, T], AfterValidator(_frozen)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
Name = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class WorkspaceConfig(_Section):
    """Where to deploy: a config.json, or the workspace by its three names."""

    path: str | None = None
    subscription_id: str | None = None
    resource_group: str | None = None
    workspace_name: str | None = None
    auth: Literal["interactive", "cli", "service_principal", "msi"] = "interactive"
    tenant_id: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> WorkspaceConfig:
        names = ("subscription_id", "resource_group", "workspace_name")
        given = [name for name in names if getattr(self, name)]
        if given and len(given) < len(names):
            missing = ", ".join(name for name in names if name not in given)
            raise _problem(f"needs {missing} beside {', '.join(given)}, or path alone")
        if given and self.path:
            raise _problem(f"has both path and {', '.join(given)}; keep one of the two ways")
        return self


class ComputeTarget(_Section):
    """An AmlCompute, made as `AmlCompute.provisioning_configuration` would when it is missing.

    Defaults are that function's own, but for `vm_size` (the how-to's) and `timeout_in_minutes`,
    which is `wait_for_completion`'s (the how-to's 20).
    """

    vm_size: Name = "STANDARD_D2_V2"
    min_nodes: int = Field(0, ge=0)
    max_nodes: int = Field(1, ge=1)
    idle_seconds_before_scaledown: int = Field(1800, ge=0)
    vm_priority: Literal["dedicated", "lowpriority"] = "dedicated"
    timeout_in_minutes: int = Field(20, ge=1)

    @model_validator(mode="after")
    def _nodes_agree(self) -> ComputeTarget:
        if self.min_nodes > self.max_nodes:
            raise _problem(f"min_nodes {self.min_nodes} is more than max_nodes {self.max_nodes}")
        return self


class Environment(_Section):
    """A run's packages: a curated environment or a Docker image as base, packages on top."""

    curated: str | None = None
    docker_image: str | None = None
    python_version: str | None = None
    conda_packages: Names = ()
    pip_packages: Names = ()
    channels: Names = ()

    @model_validator(mode="after")
    def _one_base(self) -> Environment:
        if self.curated and self.docker_image:
            raise _problem("has both curated and docker_image; an environment has one base")
        return self


class RegisteredDataset(_Section):
    """A catalog dataset that is a registered Dataset of the workspace.

    With `paths` it is registered from those files; without, it is read by name, or, where a step
    makes it, registered when that step is done.
    A `file` Dataset is mounted, and read by the catalog's own entry. A `tabular` one is a table,
    which AutoML takes; what the catalog has pandas read from text has the types that pandas gives.
    """

    name: str | None = None
    paths: Names = ()
    description: str | None = None
    create_new_version: bool = True
    type: Literal["file", "tabular"] = "file"


class StepOverride(_Section):
    """What differs for nodes with a tag, or whose names match a pattern (as fnmatch has it)."""

    tag: str | None = None
    nodes: Names = ()
    compute_target: str | None = None
    environment: str | None = None
    allow_reuse: bool | None = None

    @model_validator(mode="after")
    def _says_which_nodes(self) -> StepOverride:
        if bool(self.tag) == bool(self.nodes):
            raise _problem("needs tag or nodes (one of the two) to say which nodes it is for")
        return self

    def applies_to(self, name: str, tags: Iterable[str]) -> bool:
        """Say whether a node is meant."""
        if self.tag:
            return self.tag in tags
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.nodes)


class StepDefaults(_Section):
    """What a step has where no override says otherwise."""

    compute_target: Name
    environment: Name
    allow_reuse: bool = True


class Roles(_Section):
    """What each dataset is to AutoML and the registry. Nothing is guessed from names.

    A role may hold several names; each AutoML or register node takes the one that it uses.
    """

    training_data: Names = ()
    validation_data: Names = ()
    model: Names = ()
    metrics: Names = ()
    registry: Names = ()
    automl_settings: Names = ()
    model_name: Names = ()


class Serving(_Section):
    """Which pipeline answers requests, and which of its datasets are the request and the answer.

    The model is the one of ``roles.registry`` that the pipeline reads. ``row_key`` is a column of
    request and response that tells their rows apart, for answers in the request's order.
    """

    pipeline: Name
    request: Name
    response: Name
    row_key: Name | None = None
    environment: Name | None = None


class AzureMLConfig(_Section):
    """The whole file."""

    workspace: WorkspaceConfig = WorkspaceConfig()
    experiment_name: str = Field("kedro", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{2,35}$")
    compute_targets: Frozen[ComputeTarget]
    environments: Frozen[Environment]
    default: StepDefaults
    steps: tuple[StepOverride, ...] = ()
    datasets: Frozen[RegisteredDataset] = Field(default_factory=dict, validate_default=True)
    grouping: Literal["auto", "namespace", "tag", "none"] = "auto"
    intermediate_data: Literal["PipelineData", "OutputFileDatasetConfig"] = "PipelineData"
    persist_memory_datasets: Literal["parquet", "pickle"] | None = None
    pipeline_parameters: Frozen[str] = Field(default_factory=dict, validate_default=True)
    roles: Roles = Roles()
    serving: Serving | None = None

    def step_settings(self, name: str, tags: Iterable[str]) -> tuple[str, str, bool]:
        """Return compute target, environment and allow_reuse of a node; later overrides win."""
        tags = frozenset(tags)
        compute, environment = self.default.compute_target, self.default.environment
        reuse = self.default.allow_reuse
        for override in self.steps:
            if override.applies_to(name, tags):
                compute = override.compute_target or compute
                environment = override.environment or environment
                reuse = reuse if override.allow_reuse is None else override.allow_reuse
        return compute, environment, reuse


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


def _problem(message: str) -> PydanticCustomError:
    # a message template would read braces in the user's own text as fields
    return PydanticCustomError("azureml_yml", "{message}", {"message": message})
