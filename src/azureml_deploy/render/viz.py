"""The plan in Kedro-Viz: each node in the colour of its step.

Kedro-Viz reads node styles from `.viz/styles.json` (since 12.2, "Customise node styling").
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.pipeline.node import Node

from azureml_deploy.errors import UsageError
from azureml_deploy.files import write_text
from azureml_deploy.plan import DeploymentPlan

STYLES_FILE = ".viz/styles.json"
COLOURS = ("#2f6fb0", "#a85b12", "#3d7f4e", "#7a4fa3", "#b0413e", "#0f7f86", "#8a6d00", "#5b6470")
"""Each dark enough for white text, on Kedro-Viz's light page and on its dark one."""


def colours_of(plan: DeploymentPlan) -> dict[str, str]:
    """Return a colour for each step."""
    return {step.name: COLOURS[i % len(COLOURS)] for i, step in enumerate(plan.steps)}


def to_styles(plan: DeploymentPlan, nodes: Mapping[str, Node]) -> dict[str, dict[str, str]]:
    """Return Kedro-Viz's styles.

    Args:
        plan: The steps.
        nodes: The pipeline's nodes by their full names.

    Returns:
        Name as Kedro-Viz has it, without namespace, to its style. A name that nodes of several
        steps share is left out: it would have the colour of one.
    """
    steps: dict[str, set[str]] = defaultdict(set)
    for step in plan.steps:
        for name in step.nodes:
            steps[_viz_name(nodes[name])].add(step.name)
    colours = colours_of(plan)
    return {
        name: {"fill": colours[step], "stroke": colours[step], "color": "#ffffff"}
        for name, (step, *others) in ((n, sorted(found)) for n, found in sorted(steps.items()))
        if not others
    }


def write_styles(project_path: Path, styles: Mapping[str, Mapping[str, str]]) -> Path:
    """Write the styles to where Kedro-Viz reads them; those of other names stay.

    Raises:
        UsageError: The file that is there is none of Kedro-Viz's, or cannot be written.
    """
    path = project_path / STYLES_FILE
    try:
        there: Any = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        merged = {**there, **styles}
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: cannot be read as Kedro-Viz's styles ({error})") from None
    write_text(path, json.dumps(merged, indent=2) + "\n")
    return path


def _viz_name(node: Node) -> str:
    return str(node._name or node._func_name)
