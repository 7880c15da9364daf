"""One step of one run, looked up whole before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azureml_loopback.execution import config_data, ports, reuse, runconfig
from azureml_loopback.execution.step import StepInput, StepOutput
from azureml_loopback.services.arm import computes
from azureml_loopback.services.datastores import state as datastores
from azureml_loopback.services.pipelines import entities
from azureml_loopback.services.pipelines import state as pipelines
from azureml_loopback.services.pipelines.graph import Graph, parameters

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document


@dataclass(frozen=True)
class StepPlan:
    """What a step is, what it gets, where its outputs go, and what it could be replaced by.

    Attributes:
        pipeline_run_id: The run that it belongs to.
        run_id: Its own run.
        node: The GraphModuleNode.
        module: The ModuleEntity.
        parameters: Parameter name -> value, defaults and pipeline parameters resolved.
        inputs: Port name -> what arrives.
        outputs: Port name -> where it goes.
        reuse_key: See `reuse.key`.
    """

    pipeline_run_id: str
    run_id: str
    node: Document
    module: Document
    parameters: Mapping[str, str | None]
    inputs: Mapping[str, StepInput]
    outputs: Mapping[str, StepOutput]
    reuse_key: str | None

    @property
    def node_id(self) -> str:
        """Return the node's id in its graph."""
        return str(self.node["Id"])

    @property
    def name(self) -> str:
        """Return the step's name."""
        return str(self.module["Name"])

    @property
    def target(self) -> str:
        """Return the compute that it is for; letter case does not matter."""
        return runconfig.target(self.parameters).lower()


def plan_step(
    loopback: Loopback, run: Document, graph: Graph, *, node_id: str, run_id: str
) -> StepPlan:
    """Look up a step whose inputs are there.

    Args:
        loopback: The service.
        run: The PipelineRunEntity.
        graph: Its graph.
        node_id: Which node.
        run_id: The step's own run.

    Raises:
        StepFailed: An input is gone, or a parameter has no value.
        NotFound: The module or the compute is gone.
    """
    store, node = loopback.store, graph.steps[node_id]
    module = entities.module(store, node["ModuleId"])
    node = {**node, "Runconfig": node.get("Runconfig") or module.get("Runconfig")}
    values = parameters(node, module, run["ParameterAssignments"])
    computes.compute(store, runconfig.target(values))
    config = runconfig.of_script(node, module)
    inputs = {**config_data.inputs(store, config), **ports.inputs(store, run, graph, node)}
    datastore = datastores.default(loopback)["name"]
    outputs = config_data.outputs(config, run_id, datastore)
    contents = {name: _content(loopback, run, graph, node_id, name) for name in inputs}
    return StepPlan(
        pipeline_run_id=run["Id"],
        run_id=run_id,
        node=node,
        module=module,
        parameters=values,
        inputs=inputs,
        outputs={**outputs, **ports.outputs(node, module, run_id, datastore)},
        reuse_key=reuse.key(node, module, values, inputs, contents),
    )


def _content(
    loopback: Loopback, run: Document, graph: Graph, node_id: str, port: str
) -> str | None:
    """Return what the upstream output is; nothing for data from outside the pipeline."""
    edge = graph.edge_into(node_id, port)
    if edge is None or edge.source not in graph.steps:
        return None
    left: Mapping[str, Any] = pipelines.node(loopback.store, run["Id"], edge.source)["_outputs"]
    return str(left[edge.source_port]["Hash"])
