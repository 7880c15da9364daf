"""A rule, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from azureml_deploy.catalog import CatalogEntry
from azureml_deploy.config import AzureMLConfig
from azureml_deploy.modules import Location
from azureml_deploy.plan import DeploymentPlan, Finding, Severity, Step
from azureml_deploy.planning import Outcome
from azureml_deploy.ports import Flow, is_parameter
from azureml_deploy.project import Project
from azureml_deploy.snapshot import StepFiles


@dataclass(frozen=True)
class Situation:
    """All that rules may look at."""

    project: Project
    outcome: Outcome
    files: Mapping[str, StepFiles]
    locations: Mapping[str, Location]

    @property
    def plan(self) -> DeploymentPlan:
        """Return the plan, without findings."""
        return self.outcome.plan

    @property
    def config(self) -> AzureMLConfig:
        """Return azureml.yml."""
        return self.project.config

    @property
    def flows(self) -> tuple[Flow, ...]:
        """Return the datasets that cross."""
        return self.outcome.flows

    def steps(self, *kinds: str) -> Iterator[Step]:
        """Yield the steps of some kinds."""
        return (step for step in self.plan.steps if step.kind in kinds)

    def entries(self, step: Step) -> Iterator[CatalogEntry]:
        """Yield what the catalog says of each dataset of a step's nodes."""
        names: dict[str, None] = {}
        for name in step.nodes:
            node = self.project.sources.nodes[name]
            names.update(dict.fromkeys((*node.inputs, *node.outputs)))
        return (
            self.project.sources.catalog.entry(name) for name in names if not is_parameter(name)
        )

    def bound(self, step: Step) -> set[str]:
        """Return the catalog names that Azure's paths, or its registry, replace in a step."""
        ports = {name for port in (*step.inputs, *step.outputs) for name in port.catalog_names}
        registry = set(self.config.roles.registry)
        return ports | {
            entry.name for entry in self.entries(step) if entry.name.partition("@")[0] in registry
        }


@dataclass(frozen=True)
class Problem:
    """What a rule found; the rule adds its code."""

    place: str
    message: str
    remedy: str
    severity: Severity | None = None


Check = Callable[[Situation], Iterable[Problem]]


@dataclass(frozen=True)
class Rule:
    """One thing that is checked.

    Attributes:
        code: Short and stable.
        name: What it is called.
        severity: Of its findings, unless one says otherwise.
        what: What it looks for.
        why: What would happen.
        example: A case, and what to write instead.
        check: Finds the problems.
    """

    code: str
    name: str
    severity: Severity
    what: str
    why: str
    example: str
    check: Check

    def findings(self, situation: Situation) -> Iterator[Finding]:
        """Yield what is wrong."""
        for problem in self.check(situation):
            yield Finding(
                code=self.code,
                severity=problem.severity or self.severity,
                place=problem.place,
                message=problem.message,
                remedy=problem.remedy,
            )
