"""The plan as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator

from azureml_deploy.plan import DeploymentPlan

_SHAPES = {"script": ("[", "]"), "automl": ("{{", "}}"), "register": ("([", "])")}


def to_mermaid(plan: DeploymentPlan) -> str:
    """Draw steps as nodes, and the datasets that cross as labels of arrows."""
    return "\n".join(["flowchart LR", *_steps(plan), *_arrows(plan)]) + "\n"


def _steps(plan: DeploymentPlan) -> Iterator[str]:
    for index, step in enumerate(plan.steps):
        opening, closing = _SHAPES[step.kind]
        count = "1 node" if len(step.nodes) == 1 else f"{len(step.nodes)} nodes"
        text = f"{_text(step.name)}<br/>{count}, {_text(step.compute)}"
        yield f'    s{index}{opening}"{text}"{closing}'


def _arrows(plan: DeploymentPlan) -> Iterator[str]:
    numbers = {step.name: f"s{index}" for index, step in enumerate(plan.steps)}
    labels: dict[tuple[str, str], list[str]] = {}
    outside: dict[str, str] = {}
    for crossing in plan.crossings:
        if crossing.to_step is None:
            continue
        source = numbers.get(crossing.from_step or "")
        if source is None:
            source = outside.setdefault(crossing.dataset, f"d{len(outside)}")
        labels.setdefault((source, numbers[crossing.to_step]), []).append(crossing.dataset)
    for dataset, number in outside.items():
        yield f'    {number}[("{_text(dataset)}")]'
    for (source, target), datasets in labels.items():
        label = "" if source.startswith("d") else f'|"{"<br/>".join(map(_text, datasets))}"|'
        yield f"    {source} -->{label} {target}"


def _text(name: str) -> str:
    """Escape what would end a quoted label."""
    return name.replace('"', "#quot;").replace("<", "&lt;")
