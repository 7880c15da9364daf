"""A project's deployment: its plan, checked, and the files of each step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from azureml_deploy.plan import DeploymentPlan
from azureml_deploy.planning import make_plan
from azureml_deploy.preflight import Situation, check
from azureml_deploy.project import Project, Selection, open_project
from azureml_deploy.snapshot import Snapshots, StepFiles


@dataclass(frozen=True)
class Deployment:
    """What is ready to be built and submitted."""

    project: Project
    plan: DeploymentPlan
    files: Mapping[str, StepFiles]


def open_deployment(
    metadata: Any,
    selection: Selection,
    *,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> Deployment:
    """Open a project, plan it, gather its snapshots and check them.

    Args:
        metadata: Kedro's `ProjectMetadata`.
        selection: Which nodes, under which configuration.
        select: Codes to check; all if there is none.
        ignore: Codes to leave out.

    Raises:
        DeployError: Configuration or selectors are wrong.
    """
    return prepare(open_project(metadata, selection), select=select, ignore=ignore)


def prepare(
    project: Project, *, select: Iterable[str] = (), ignore: Iterable[str] = ()
) -> Deployment:
    """Plan an opened project, gather its snapshots and check them."""
    outcome = make_plan(project.sources)
    snapshots = Snapshots(project)
    files = snapshots.files(outcome.plan)
    findings = check(Situation(project, outcome, files, snapshots.locations), select, ignore)
    plan = outcome.plan.with_snapshots({name: found.snapshot for name, found in files.items()})
    return Deployment(project, plan.with_findings(findings), files)
