"""azureml.yml as frozen values; `config_file` reads it.

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
    model_validator,
)
from pydantic_core import PydanticCustomError

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


def _problem(message: str) -> PydanticCustomError:
    # a message template would read braces in the user's own text as fields
    return PydanticCustomError("azureml_yml", "{message}", {"message": message})
