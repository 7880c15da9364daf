"""A submitted graph as nodes, edges and parameter values. Pure: nothing is looked up here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from azureml_loopback.errors import BadRequest
from azureml_loopback.store import Document


@dataclass(frozen=True)
class Edge:
    """What leaves a node's port and arrives at another's."""

    source: str
    source_port: str
    target: str
    target_port: str


@dataclass(frozen=True)
class Graph:
    """The nodes of a pipeline and what flows between them.

    Attributes:
        steps: Node id -> GraphModuleNode.
        data: Node id -> GraphDatasetNode.
        edges: Between nodes; the pipeline's named outputs are not among them.
    """

    steps: Mapping[str, Document]
    data: Mapping[str, Document]
    edges: tuple[Edge, ...]

    @cached_property
    def _upstream(self) -> Mapping[str, frozenset[str]]:
        return {
            step: frozenset(
                edge.source
                for edge in self.edges
                if edge.target == step and edge.source in self.steps
            )
            for step in self.steps
        }

    def upstream(self, step: str) -> frozenset[str]:
        """Return the steps that must be done before this one."""
        return self._upstream[step]

    def edge_into(self, step: str, port: str) -> Edge | None:
        """Return what arrives at a port; nothing if the port is left open."""
        into = (e for e in self.edges if e.target == step and e.target_port == port)
        return next(into, None)

    def ready(self, statuses: Mapping[str, str]) -> list[str]:
        """Return the steps that may start now: not started, and all before them done.

        Args:
            statuses: Node id -> status code.
        """
        done = {step for step, code in statuses.items() if code == "Finished"}
        return [
            step
            for step in self.steps
            if statuses[step] == "NotStarted" and self.upstream(step) <= done
        ]


def check_order(graph: Graph) -> None:
    """Check that the steps can be done one after the other.

    Raises:
        BadRequest: Some wait for each other; names them.
    """
    try:
        TopologicalSorter({step: graph.upstream(step) for step in graph.steps}).prepare()
    except CycleError as error:
        nodes = " -> ".join(error.args[1])
        raise BadRequest(f"The graph's nodes wait for each other: {nodes}") from None


def read_graph(entity: Mapping[str, Any]) -> Graph:
    """Read a GraphEntity."""
    return Graph(
        steps={node["Id"]: node for node in entity.get("ModuleNodes") or []},
        data={node["Id"]: node for node in entity.get("DatasetNodes") or []},
        edges=tuple(_edges(entity.get("Edges") or [])),
    )


def parameters(
    node: Mapping[str, Any], module: Mapping[str, Any], assigned: Mapping[str, str | None]
) -> dict[str, str | None]:
    """Return the value of each of a step's parameters.

    Args:
        node: The GraphModuleNode.
        module: Its ModuleEntity, which has the defaults.
        assigned: Pipeline parameter -> value in this run.
    """
    interface = module.get("StructuredInterface") or {}
    kinds = ("Parameters", "MetadataParameters")
    defaults = {
        p["Name"]: p.get("DefaultValue") for kind in kinds for p in interface.get(kind) or []
    }
    kinds = ("ModuleParameters", "ModuleMetadataParameters")
    own = {p["Name"]: _value(p, assigned) for kind in kinds for p in node.get(kind) or []}
    return {**defaults, **own}


def _value(assignment: Mapping[str, Any], assigned: Mapping[str, str | None]) -> str | None:
    """Return what a ParameterAssignment comes to: a literal, or a pipeline parameter's value."""
    value: str | None = assignment.get("Value")
    if str(assignment.get("ValueType")) in {"1", "GraphParameterName"}:
        return assigned.get(str(value))
    return value


def _edges(edges: Iterable[Mapping[str, Any]]) -> Iterable[Edge]:
    for edge in edges:
        source, target = edge["SourceOutputPort"], edge["DestinationInputPort"]
        if target.get("NodeId"):
            yield Edge(source["NodeId"], source["PortName"], target["NodeId"], target["PortName"])
