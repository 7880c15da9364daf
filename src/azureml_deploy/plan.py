"""The plan as a value: steps, what crosses between them, and its versioned JSON form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from azureml_deploy.config import Environment
from local_automl.settings import AutoMLSettings

VERSION: Literal[1] = 1
"""Version of the JSON form; a reader refuses any other."""

StepKind = Literal["script", "automl", "register"]
Travels = Literal[
    "Dataset",
    "PipelineData",
    "OutputFileDatasetConfig",
    "PipelineParameter",
    "registry",
    "storage",
    "nothing",
]
"""How a dataset gets from one step to another: an SDK class, the workspace's model registry, its
own place in a storage that both steps reach, or nothing (which is an error finding)."""

AUTOML_ENVIRONMENT = "AutoML (Azure's own)"
"""Where an AutoMLStep runs: the SDK changes any other environment of it to pins that do not resolve
together, and leaves it to the service only where none is given."""

Role = Literal["training_data", "validation_data", "model", "metrics"]
Severity = Literal["error", "warning"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Port(_Value):
    """A dataset that enters or leaves a step.

    Attributes:
        dataset: Kedro's name, without transcoding.
        name: The same by Azure's naming rules.
        travels: How it gets here, or away.
        catalog_names: The names that the step's nodes use, transcoding included.
        file_name: Name of the file inside the port's folder; empty for the folder itself.
        file_format: How AutoML reads it as a table.
        role: What it is to AutoML.
        registered_as: Name of the registered Dataset.
        dataset_type: `file` is mounted, `tabular` is read through the SDK.
    """

    dataset: str
    name: str
    travels: Travels
    catalog_names: tuple[str, ...]
    file_name: str = ""
    file_format: Literal["parquet", "delimited"] | None = None
    role: Role | None = None
    registered_as: str | None = None
    dataset_type: Literal["file", "tabular"] = "file"


class PortArgument(_Value):
    """An argument that is a port's path on the compute."""

    port: str


class ParameterArgument(_Value):
    """An argument that is a pipeline parameter's value."""

    pipeline_parameter: str


Argument = str | PortArgument | ParameterArgument


class PipelineParameterValue(_Value):
    """A Kedro parameter that can be set at submit."""

    name: str
    parameter: str
    default: str | int | float | bool | None


class Snapshot(_Value):
    """The folder that is uploaded for a step, by its content."""

    digest: str
    files: int
    size: Annotated[int, Field(alias="bytes")]
    whole_tree: str | None = None


class Step(_Value):
    """One Azure ML pipeline step and the Kedro nodes in it."""

    name: str
    kind: StepKind
    nodes: tuple[str, ...]
    compute: str
    environment: str
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    arguments: tuple[Argument, ...] = ()
    reuse: bool = True
    run_after: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    settings: AutoMLSettings | None = None
    snapshot: Snapshot | None = None

    def port(self, name: str) -> Port:
        """Return a port by its Azure name."""
        return next(port for port in (*self.inputs, *self.outputs) if port.name == name)


class Crossing(_Value):
    """A dataset that goes from one step, or from outside, to another."""

    dataset: str
    from_step: Annotated[str | None, Field(alias="from")]
    to_step: Annotated[str | None, Field(alias="to")]
    travels: Travels
    reason: str


class Boundary(_Value):
    """Two steps that follow each other, and why they are not one."""

    from_step: Annotated[str, Field(alias="from")]
    to_step: Annotated[str, Field(alias="to")]
    reason: str


class PlannedEnvironment(_Value):
    """An environment that steps run in, as azureml.yml defines it."""

    name: str
    definition: Environment


class Finding(_Value):
    """One line of the preflight."""

    code: str
    severity: Severity
    place: str
    message: str
    remedy: str


class DeploymentPlan(_Value):
    """What will run in Azure ML, and what there is to say about it beforehand."""

    version: Literal[1] = VERSION
    experiment_name: str
    steps: tuple[Step, ...]
    crossings: tuple[Crossing, ...]
    boundaries: tuple[Boundary, ...] = ()
    pipeline_parameters: tuple[PipelineParameterValue, ...] = ()
    environments: tuple[PlannedEnvironment, ...] = ()
    findings: tuple[Finding, ...] = ()

    def step(self, name: str) -> Step:
        """Return a step by its name."""
        return next(step for step in self.steps if step.name == name)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the findings that forbid a submit."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def with_findings(self, findings: Iterable[Finding]) -> DeploymentPlan:
        """Return the same plan with these findings added, in the order of their codes."""
        ordered = sorted(
            (*self.findings, *findings), key=lambda f: (f.severity, f.code, f.place, f.message)
        )
        return self.model_copy(update={"findings": tuple(ordered)})

    def with_snapshots(self, snapshots: dict[str, Snapshot]) -> DeploymentPlan:
        """Return the same plan with the snapshot of each step that has one."""
        steps = tuple(
            step.model_copy(update={"snapshot": snapshots.get(step.name)}) for step in self.steps
        )
        return self.model_copy(update={"steps": steps})


def plan_to_json(plan: DeploymentPlan) -> str:
    """Return the plan's versioned JSON form, the same bytes for the same plan."""
    return plan.model_dump_json(indent=2, by_alias=True) + "\n"


def plan_from_json(text: str) -> DeploymentPlan:
    """Read a plan.

    Raises:
        pydantic.ValidationError: The text is no plan of this version.
    """
    return DeploymentPlan.model_validate_json(text)
