"""The plan in the terminal: tables and a picture."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from azureml_deploy.plan import Crossing, DeploymentPlan, Finding, Step
from azureml_deploy.wording import many, size_text

SHOWN_NODES = 3
_STYLES = {"error": "bold red", "warning": "yellow"}


def print_plan(plan: DeploymentPlan, forecast: Mapping[str, str], console: Console) -> None:
    """Print steps, what crosses, why there are boundaries, and the findings."""
    console.print(_steps(plan, forecast))
    console.print(_picture(plan))
    if plan.boundaries:
        console.print(_boundaries(plan))
    _print_findings(plan, console)


def print_steps(plan: DeploymentPlan, forecast: Mapping[str, str], console: Console) -> None:
    """Print the steps and the findings alone."""
    console.print(_steps(plan, forecast))
    _print_findings(plan, console)


def _print_findings(plan: DeploymentPlan, console: Console) -> None:
    for finding in plan.findings:
        console.print(finding_text(finding))
    errors = len(plan.errors)
    warnings = len(plan.findings) - errors
    console.print(
        Text(f"{many(len(plan.steps), 'step')}, ")
        + Text(many(errors, "error"), style="bold red" if errors else "green")
        + Text(f", {many(warnings, 'warning')}")
    )


def finding_text(finding: Finding) -> RenderableType:
    """Return a finding as two lines: what is where, and what to do."""
    style = _STYLES[finding.severity]
    first = Text.assemble(
        (f"{finding.code} {finding.severity} ", style),
        (f"{finding.place}: ", "bold"),
        finding.message,
    )
    return Group(first, Text(f"    -> {finding.remedy}"))


def _steps(plan: DeploymentPlan, forecast: Mapping[str, str]) -> Table:
    """Return the steps, two lines each, so that they fit a terminal of 80 columns."""
    table = Table(title=f"Experiment {plan.experiment_name}", title_justify="left", show_lines=True)
    table.add_column("Step, kind", no_wrap=True)
    table.add_column("Nodes", overflow="fold")
    table.add_column("Compute, environment", no_wrap=True)
    table.add_column("Snapshot, next submit", overflow="fold")
    for step in plan.steps:
        row = (
            f"{step.name}\n{step.kind}",
            _nodes(step),
            f"{step.compute}\n{step.environment}",
            f"{_snapshot(step)}\n{forecast.get(step.name, '')}",
        )
        table.add_row(*map(escape, row))
    return table


def _nodes(step: Step) -> str:
    if len(step.nodes) <= SHOWN_NODES:
        return ", ".join(step.nodes)
    shown = ", ".join(step.nodes[: SHOWN_NODES - 1])
    return f"{len(step.nodes)}: {shown}, …"


def _snapshot(step: Step) -> str:
    if step.snapshot is None:
        return ""
    what = f"{many(step.snapshot.files, 'file')}, {size_text(step.snapshot.size)}"
    return f"{what}, whole source tree" if step.snapshot.whole_tree else what


def _picture(plan: DeploymentPlan) -> Tree:
    tree = Tree("What crosses", guide_style="dim")
    sources: list[str | None] = [None, *(step.name for step in plan.steps)]
    leaving: dict[str | None, list[Crossing]] = {}
    for crossing in plan.crossings:
        leaving.setdefault(crossing.from_step, []).append(crossing)
    for source in sources:
        crossings = leaving.get(source, [])
        if not crossings:
            continue
        branch = tree.add(Text(source or "from outside", style="bold"))
        targets: dict[str | None, list[str]] = {}
        for crossing in crossings:
            label = f"{crossing.dataset} ({crossing.travels})"
            targets.setdefault(crossing.to_step, []).append(label)
        for target, labels in targets.items():
            branch.add(Text.assemble("─▶ ", (target or "kept", "bold"), f": {', '.join(labels)}"))
    return tree


def _boundaries(plan: DeploymentPlan) -> Tree:
    tree = Tree("Why these are not one step", guide_style="dim")
    for boundary in plan.boundaries:
        way = f"{boundary.from_step} | {boundary.to_step}"
        tree.add(Text.assemble((way, "bold"), f": {boundary.reason}"))
    return tree
