"""step.json: all that run_step.py needs to know, in plain JSON values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kedro.pipeline.node import Node

from azureml_deploy.cut_config import keys_in, runtime_params_in
from azureml_deploy.modules import Location
from azureml_deploy.plan import Port, Step
from azureml_deploy.planning import parameter_value
from azureml_deploy.ports import base_name
from azureml_deploy.project import Project

VERSION = 1
REGISTRY_TYPE = "azureml_deploy.datasets.ModelRegistryDataset"
PERSISTED_TYPES: Mapping[str, str] = {
    "parquet": "pandas.ParquetDataset",
    "pkl": "pickle.PickleDataset",
}
ROLE_TYPES: Mapping[str, str] = {"model": "pickle.PickleDataset", "metrics": "json.JSONDataset"}


def step_json(
    project: Project,
    step: Step,
    nodes: Iterable[Node],
    locations: Mapping[str, Location],
    kept_config: Iterable[Any],
) -> bytes:
    """Describe a step for its script.

    Args:
        project: The project.
        step: The plan's step.
        nodes: Its nodes.
        locations: Node -> where its function can be imported from.
        kept_config: The configuration that travels, to keep the runtime parameters it refers to.
    """
    nodes = list(nodes)
    whole_tree = any(locations[node.name].path is None for node in nodes)
    values = {
        "version": VERSION,
        "step": step.name,
        "package_name": project.package_name,
        "env": None if project.run_env == "local" else project.run_env,
        "nodes": [_node(node, locations[node.name]) for node in nodes],
        "pipelines": list(project.pipeline_names) if whole_tree else None,
        "bindings": [
            _binding(project, port, name, side)
            for side, ports in (("input", step.inputs), ("output", step.outputs))
            for port in ports
            for name in port.catalog_names
        ],
        "registry": _registry(project, nodes),
        "parameters": _parameters(project, step),
        "runtime_params": _runtime_params(project, nodes, kept_config),
    }
    # without indent= the standard library encodes in C, ten times as fast
    return (json.dumps(values, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _node(node: Node, location: Location) -> dict[str, Any]:
    return {
        "name": node._name or node.name.rpartition(".")[2],
        "full_name": node.name,
        "function": location.path,
        # the shape matters: a list passes arguments by position, a mapping by name
        "inputs": node._inputs,
        "outputs": node._outputs,
        "tags": sorted(node.tags),
        "confirms": node.confirms,
        "namespace": node.namespace,
    }


def _binding(project: Project, port: Port, name: str, side: str) -> dict[str, Any]:
    entry = project.sources.catalog.entry(name)
    config: dict[str, Any] | None = None
    if entry.location == "memory":
        suffix = port.file_name.rpartition(".")[2]
        role = next((r for r in ROLE_TYPES if port.dataset in _role(project, r)), "")
        config = {"type": ROLE_TYPES.get(role) or PERSISTED_TYPES.get(suffix)}
    return {
        "name": name,
        "dataset": port.dataset,
        "side": side,
        "file": port.file_name,
        "key": entry.path_key or "filepath",
        "config": config,
        "tabular": port.name if port.dataset_type == "tabular" else None,
    }


def _role(project: Project, role: str) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(project.config.roles, role)
    return names


def _registry(project: Project, nodes: Iterable[Node]) -> dict[str, Any] | None:
    """Return which datasets are the workspace's models, and the name they are registered under."""
    used = {name for node in nodes for name in (*node.inputs, *node.outputs)}
    datasets = sorted(n for n in used if base_name(n) in project.config.roles.registry)
    if not datasets:
        return None
    names = project.config.roles.model_name
    value = parameter_value(project.sources.parameters, names[0]) if names else None
    return {
        "type": REGISTRY_TYPE,
        "datasets": datasets,
        "parameter": names[0].removeprefix("params:") if names else None,
        "model_name": value,
    }


def _parameters(project: Project, step: Step) -> dict[str, Any]:
    """Return where each pipeline parameter goes, and which type its text is turned into."""
    values = project.sources.parameters
    return {
        name: {
            "path": parameter.removeprefix("params:"),
            "type": type(parameter_value(values, parameter)).__name__,
        }
        for name, parameter in sorted(project.config.pipeline_parameters.items())
        if name in step.parameters
    }


def _runtime_params(
    project: Project, nodes: Iterable[Node], kept_config: Iterable[Any]
) -> dict[str, Any]:
    """Keep of `--params` what the step sees, so that the rest does not change its snapshot."""
    inputs = {name for node in nodes for name in node.inputs}
    # Kedro puts runtime parameters among the others before it resolves what refers to them
    kept_config = list(kept_config)
    seen = runtime_params_in(*kept_config) | keys_in(*kept_config)
    seen |= {n.removeprefix("params:").partition(".")[0] for n in inputs if ":" in n}
    everything = "parameters" in inputs
    given = sorted(project.runtime_params.items())
    return {key: value for key, value in given if everything or key in seen}
