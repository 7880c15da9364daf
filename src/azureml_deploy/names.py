r"""Azure ML's naming rules, applied to Kedro's names.

Ports: `PipelineData` refuses any `\W` (azureml-pipeline-core 1.62, `builder.py`). Pipeline
parameters: `[~\W]` becomes `_` (`graph.py`). Steps: letters, digits, `_` and `-`, which is what
the SDK itself keeps of a pipeline's name where it makes another name of it (`graph.py`).
"""

from __future__ import annotations

import re

_NOT_IN_PORTS = re.compile(r"\W", re.ASCII)
_NOT_IN_STEPS = re.compile(r"[^0-9a-zA-Z_\-]+")


def port_name(dataset: str) -> str:
    """Return the name of a dataset as a port."""
    return _NOT_IN_PORTS.sub("_", dataset)


def parameter_name(parameter: str) -> str:
    """Return the name of a pipeline parameter."""
    return _NOT_IN_PORTS.sub("_", parameter)


def step_name(name: str) -> str:
    """Return the name of a step."""
    return _NOT_IN_STEPS.sub("_", name)
