"""Kedro pipeline, catalog and azureml.yml to a plan. Pure: no azureml, no network, no files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from azureml_deploy.catalog import Catalog
from azureml_deploy.config import AzureMLConfig
from azureml_deploy.grouping import ALONE, Grouping, Split, group_nodes
from azureml_deploy.names import parameter_name, step_name
from azureml_deploy.plan import (
    AUTOML_ENVIRONMENT,
    Argument,
    Boundary,
    Crossing,
    DeploymentPlan,
    ParameterArgument,
    PipelineParameterValue,
    PlannedEnvironment,
    Step,
    StepKind,
)
from azureml_deploy.ports import Flow, Ports, flows_of

AUTOML_TAG = "azureml.automl"
REGISTER_TAG = "azureml.register"
STEP_TAG = "azureml.step."


@dataclass(frozen=True)
class Sources:
    """All that a plan is made from.

    Attributes:
        pipeline: The nodes to deploy.
        catalog: The catalog's configuration.
        config: azureml.yml.
        parameters: The project's parameters, resolved.
        pipeline_names: Registered pipeline -> its nodes, to name steps after.
        references: Top-level parameter -> those that it refers to by ``${…}``.
    """

    pipeline: Pipeline
    catalog: Catalog
    config: AzureMLConfig
    parameters: Mapping[str, Any] = field(default_factory=dict)
    pipeline_names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    references: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Return the nodes by name, each after those it depends on."""
        return {node.name: node for node in self.pipeline.nodes}

    @cached_property
    def parents(self) -> dict[str, list[str]]:
        """Return the real dependencies, transcoding included, as Kedro has them."""
        dependencies = self.pipeline.node_dependencies
        # Kedro's own order of nodes comes out of a set, and differs from process to process
        return {
            name: sorted(parent.name for parent in dependencies[node])
            for name, node in self.nodes.items()
        }

    @cached_property
    def settings(self) -> dict[str, tuple[str, str, bool]]:
        """Return compute target, environment and allow_reuse by node."""
        return {
            name: self.config.step_settings(name, node.tags) for name, node in self.nodes.items()
        }


@dataclass(frozen=True)
class Outcome:
    """A plan, and what was noticed on the way for the preflight to report."""

    plan: DeploymentPlan
    splits: tuple[Split, ...]
    flows: tuple[Flow, ...]


def make_plan(sources: Sources) -> Outcome:
    """Plan a deployment.

    Args:
        sources: Pipeline, catalog, configuration and parameters.

    Returns:
        The plan, without snapshots and findings, which later stages add.
    """
    grouping = _group(sources)
    names = _step_names(sources, grouping)
    home = {node: names[i] for i, group in enumerate(grouping.groups) for node in group}
    flows = flows_of(sources.nodes.values(), home, sources.catalog, sources.config)
    ports = Ports(flows, sources.config)
    parameters = _pipeline_parameters(sources)
    steps = tuple(
        _step(sources, names[i], group, ports, parameters)
        for i, group in enumerate(grouping.groups)
    )
    plan = DeploymentPlan(
        experiment_name=sources.config.experiment_name,
        steps=_with_order(steps, flows),
        crossings=(*_crossings(flows), *_parameter_crossings(steps, parameters)),
        boundaries=_boundaries(sources, steps, home),
        pipeline_parameters=parameters,
        environments=tuple(
            PlannedEnvironment(name=name, definition=sources.config.environments[name])
            for name in sorted({step.environment for step in steps if step.kind != "automl"})
        ),
    )
    return Outcome(plan, grouping.splits, flows)


def kind_of(node: Node) -> StepKind:
    """Return the kind of step that a node asks for by its tags."""
    if AUTOML_TAG in node.tags:
        return "automl"
    return "register" if REGISTER_TAG in node.tags else "script"


def step_tag(node: Node) -> str | None:
    """Return NAME of a node's tag `azureml.step.NAME`; the first by name if it has several."""
    tags = sorted(tag for tag in node.tags if tag.startswith(STEP_TAG))
    return tags[0].removeprefix(STEP_TAG) if tags else None


def parameter_value(parameters: Mapping[str, Any], name: str) -> Any:
    """Look up `params:a.b`; nothing where there is no such parameter."""
    value: Any = parameters
    for part in name.removeprefix("params:").split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _label(node: Node, grouping: str) -> str:
    """Return what else nodes must agree in. Nodes without namespace or tag group as in `auto`."""
    if grouping == "namespace":
        return (node.namespace or "").partition(".")[0]
    return (step_tag(node) or "") if grouping == "tag" else ""


def _group(sources: Sources) -> Grouping:
    strategy = sources.config.grouping
    keys = {
        name: ALONE
        if strategy == "none" or kind_of(node) != "script"
        else (_label(node, strategy), *sources.settings[name])
        for name, node in sources.nodes.items()
    }
    return group_nodes(tuple(sources.nodes), sources.parents, keys)


def _step_names(sources: Sources, grouping: Grouping) -> list[str]:
    names: list[str] = []
    parts: Counter[str] = Counter()
    for group in grouping.groups:
        name = step_name(_name_of([sources.nodes[node] for node in group], sources))
        parts[name] += 1
        # nodes whose own names fall together are a finding, and not to be hidden by a number
        numbered = parts[name] > 1 and name != step_name(group[0])
        names.append(f"{name}_part{parts[name]}" if numbered else name)
    return names


def _name_of(nodes: Sequence[Node], sources: Sources) -> str:
    """Name a step by its tag, its only node, registered pipeline, namespace or module."""
    tag = _only({step_tag(node) or "" for node in nodes})
    namespace = _only({(node.namespace or "").partition(".")[0] for node in nodes})
    members = frozenset(node.name for node in nodes)
    holding = [
        (len(its_nodes), name)
        for name, its_nodes in sources.pipeline_names.items()
        if name != "__default__" and members <= its_nodes
    ]
    module = _only({getattr(node.func, "__module__", "") or "" for node in nodes})
    parts = [part for part in module.split(".") if part not in {"nodes", "__main__"}]
    names = (
        tag,
        namespace if sources.config.grouping == "namespace" else "",
        _only(members),
        min(holding)[1] if holding else "",
        namespace,
        parts[-1] if parts else "",
    )
    return next(filter(None, names), f"{nodes[0].name}_and_{len(nodes) - 1}_more")


def _only(values: Collection[str]) -> str:
    """Return the value that all agree in, or nothing."""
    return next(iter(values)) if len(values) == 1 else ""


def _step(
    sources: Sources,
    name: str,
    group: tuple[str, ...],
    ports: Ports,
    parameters: tuple[PipelineParameterValue, ...],
) -> Step:
    node = sources.nodes[group[0]]
    kind = kind_of(node)
    compute, environment, reuse = sources.settings[group[0]]
    reads = {i for member in group for i in sources.nodes[member].inputs}
    its_parameters = tuple(
        p.name for p in parameters if _reads(reads, p.parameter, sources.references)
    )
    inputs, outputs = ports.of(name, kind)
    return Step(
        name=name,
        kind=kind,
        nodes=group,
        compute=compute,
        environment=AUTOML_ENVIRONMENT if kind == "automl" else environment,
        inputs=inputs,
        outputs=outputs,
        arguments=()
        if kind == "automl"
        else ports.arguments(kind, inputs, outputs, _model_name(sources, kind), its_parameters),
        # registration acts on the workspace, so it must run although nothing before it changed
        reuse=reuse and kind != "register",
        parameters=its_parameters,
        settings=_automl_settings(sources, node) if kind == "automl" else None,
    )


def _reads(inputs: Iterable[str], parameter: str, references: Mapping[str, frozenset[str]]) -> bool:
    """Say whether who reads `inputs` sees a parameter: it, a part, a whole, or by `${…}`."""
    return any(
        name in {"parameters", parameter}
        or name.startswith(f"{parameter}.")
        or parameter.startswith(f"{name}.")
        or _top(parameter) in references.get(_top(name), ())
        for name in inputs
    )


def _top(parameter: str) -> str:
    return parameter.removeprefix("params:").partition(".")[0]


def _automl_settings(sources: Sources, node: Node) -> Any:
    """Return the node's AutoML settings; nothing if they are unbound or wrong (both findings)."""
    from local_automl.settings import SettingsError, settings_from_mapping  # noqa: PLC0415

    bound = [name for name in sources.config.roles.automl_settings if name in node.inputs]
    value = parameter_value(sources.parameters, bound[0]) if bound else None
    try:
        return settings_from_mapping(value) if value is not None else None
    except SettingsError:
        return None


def _model_name(sources: Sources, kind: StepKind) -> Argument | None:
    """Return the name to register under: a pipeline parameter, or else the Kedro parameter's."""
    if kind != "register" or not sources.config.roles.model_name:
        return None
    bound = sources.config.roles.model_name[0]
    for name, parameter in sorted(sources.config.pipeline_parameters.items()):
        if parameter == bound:
            return ParameterArgument(pipeline_parameter=parameter_name(name))
    value = parameter_value(sources.parameters, bound)
    return None if value is None else str(value)


def _pipeline_parameters(sources: Sources) -> tuple[PipelineParameterValue, ...]:
    scalar = (str, int, float, bool)
    values = []
    for name, parameter in sorted(sources.config.pipeline_parameters.items()):
        default = parameter_value(sources.parameters, parameter)
        default = default if isinstance(default, scalar) else None
        values.append(
            PipelineParameterValue(name=parameter_name(name), parameter=parameter, default=default)
        )
    return tuple(values)


def _with_order(steps: tuple[Step, ...], flows: Iterable[Flow]) -> tuple[Step, ...]:
    """Make a step wait for those whose results it reads from a place that Azure does not see."""
    after: dict[str, set[str]] = defaultdict(set)
    for flow in flows:
        if flow.producer and flow.travels in {"storage", "registry", "nothing"}:
            for consumer in flow.consumers:
                after[consumer].add(flow.producer)
    return tuple(
        step.model_copy(update={"run_after": tuple(sorted(after[step.name]))}) for step in steps
    )


def _crossings(flows: Iterable[Flow]) -> Iterable[Crossing]:
    for flow in flows:
        for consumer in flow.consumers or (None,):
            yield Crossing(
                dataset=flow.dataset,
                from_step=flow.producer,
                to_step=consumer,
                travels=flow.travels,
                reason=flow.reason,
            )


def _parameter_crossings(
    steps: Iterable[Step], parameters: Iterable[PipelineParameterValue]
) -> Iterable[Crossing]:
    for parameter in parameters:
        for step in steps:
            if parameter.name in step.parameters:
                yield Crossing(
                    dataset=parameter.parameter,
                    from_step=None,
                    to_step=step.name,
                    travels="PipelineParameter",
                    reason=f"pipeline_parameters.{parameter.name} in azureml.yml: "
                    "can be set at submit",
                )


def _boundaries(
    sources: Sources, steps: tuple[Step, ...], home: Mapping[str, str]
) -> tuple[Boundary, ...]:
    by_name = {step.name: step for step in steps}
    followers: dict[str, dict[str, None]] = defaultdict(dict)
    for child, parents in sources.parents.items():
        for parent in parents:
            if home[parent] != home[child]:
                followers[home[parent]][home[child]] = None
    position = {name: index for index, name in enumerate(by_name)}
    return tuple(
        Boundary(
            from_step=source,
            to_step=target,
            reason=_boundary_reason(sources, by_name[source], by_name[target], followers),
        )
        for source in by_name
        for target in sorted(followers.get(source, ()), key=position.__getitem__)
    )


def _boundary_reason(
    sources: Sources, one: Step, other: Step, followers: Mapping[str, Mapping[str, None]]
) -> str:
    for step in (one, other):
        if step.kind == "automl":
            return f"{step.name} is an AutoMLStep, which runs no nodes beside its own"
        if step.kind == "register":
            return f"{step.name} registers, so it runs on every submit, and nothing else must"
    if sources.config.grouping == "none":
        return "grouping is none: one step for each node"
    differences = [
        f"{what} {old} -> {new}"
        for what, old, new in (
            ("compute_target", one.compute, other.compute),
            ("environment", one.environment, other.environment),
            ("allow_reuse", one.reuse, other.reuse),
        )
        if old != new
    ]
    if differences:
        return ", ".join(differences)
    labels = [_label(sources.nodes[s.nodes[0]], sources.config.grouping) for s in (one, other)]
    if labels[0] != labels[1]:
        return f"{sources.config.grouping} '{labels[0]}' -> '{labels[1]}'"
    between = _step_between(one.name, other.name, followers)
    return f"as one step they would wait for {between}, which waits for them"


def _step_between(source: str, target: str, followers: Mapping[str, Mapping[str, None]]) -> str:
    """Return a step that follows the source and that the target follows."""
    for first in followers.get(source, ()):
        seen, stack = {first}, [first]
        while stack and first != target:
            here = stack.pop()
            if here == target:
                return first
            fresh = [step for step in followers.get(here, ()) if step not in seen]
            seen.update(fresh)
            stack.extend(fresh)
    return "another step"
