"""What Azure ML would reuse, told from the plan that was submitted last."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import ValidationError

from azureml_deploy.files import write_text
from azureml_deploy.plan import DeploymentPlan, Step, plan_from_json, plan_to_json

LAST_SUBMITTED = ".azureml/last_submitted_plan.json"
"""Where a submit leaves its plan, below the project (`.azureml` is the SDK's own folder)."""


def read_last_submitted(project_path: Path) -> DeploymentPlan | None:
    """Return the plan that was submitted last; nothing if there is none to be read."""
    try:
        return plan_from_json((project_path / LAST_SUBMITTED).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def write_last_submitted(project_path: Path, plan: DeploymentPlan) -> None:
    """Keep a plan that was submitted, for the next forecast."""
    write_text(project_path / LAST_SUBMITTED, plan_to_json(plan))


def keep_completed(project_path: Path, plan: DeploymentPlan, completed: Collection[str]) -> None:
    """Keep of a plan whose run failed the steps that completed: those can be reused."""
    steps = tuple(step for step in plan.steps if step.name in completed)
    write_last_submitted(project_path, plan.model_copy(update={"steps": steps}))


def reuse_forecast(plan: DeploymentPlan, last: DeploymentPlan | None) -> Mapping[str, str]:
    """Say of each step whether it would be reused, and else why not.

    Azure ML reuses a step's results where its snapshot, script, arguments and environment are the
    same and its inputs come from steps that are reused as well.

    Args:
        plan: What would be submitted.
        last: What was submitted last.

    Returns:
        Step -> ``reused``, or the first reason that it runs.
    """
    forecast: dict[str, str] = {}
    makers = _makers(plan)
    before = {step.name: step for step in last.steps} if last else {}
    changed = {planned.name for planned in plan.environments}
    changed -= {p.name for p in plan.environments if last and p in last.environments}
    for step in plan.steps:
        verdict = _verdict(step, before.get(step.name), makers, forecast)
        if verdict == "reused" and step.environment in changed:
            verdict = f"runs: environment {step.environment} changed"
        forecast[step.name] = verdict
    return forecast


def _verdict(
    step: Step, before: Step | None, makers: Mapping[str, str], forecast: Mapping[str, str]
) -> str:
    if not step.reuse:
        return "runs: allow_reuse is off"
    if before is None:
        return "runs: no completed run of it is known"
    for what in ("environment", "arguments", "settings", "inputs", "outputs"):
        if getattr(step, what) != getattr(before, what):
            return f"runs: its {what} changed"
    if (step.snapshot and step.snapshot.digest) != (before.snapshot and before.snapshot.digest):
        return "runs: its code or configuration changed"
    for port in step.inputs:
        maker = makers.get(port.dataset)
        if maker and forecast.get(maker) != "reused":
            return f"runs: {maker} runs before it"
    return "reused"


def _makers(plan: DeploymentPlan) -> Mapping[str, str]:
    return {port.dataset: step.name for step in plan.steps for port in step.outputs}


def git_properties(project_path: Path) -> Mapping[str, str]:
    """Return commit, branch and dirtiness as run properties, by the names that the SDK uses.

    The SDK looks for git in the folder that it uploads, and a snapshot has none.

    Args:
        project_path: The project.

    Returns:
        Nothing where there is no git, or no commit.
    """
    questions = {
        "azureml.git.commit": ("rev-parse", "HEAD"),
        "azureml.git.branch": ("rev-parse", "--abbrev-ref", "HEAD"),
        "azureml.git.dirty": ("status", "--porcelain"),
    }
    answers: dict[str, str] = {}
    for name, arguments in questions.items():
        try:
            done = subprocess.run(
                ["git", "-C", str(project_path), *arguments],
                capture_output=True,
                check=True,
                text=True,
                timeout=30,
            )
        except (OSError, subprocess.SubprocessError):
            return {}
        answers[name] = done.stdout.strip()
    answers["azureml.git.dirty"] = str(bool(answers["azureml.git.dirty"]))
    return answers
