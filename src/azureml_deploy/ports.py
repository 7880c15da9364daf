"""How datasets travel: which cross a boundary, by what, and which ports that gives a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kedro.pipeline.node import Node

from azureml_deploy.catalog import Catalog, CatalogEntry
from azureml_deploy.config import AzureMLConfig
from azureml_deploy.names import port_name
from azureml_deploy.plan import (
    Argument,
    ParameterArgument,
    Port,
    PortArgument,
    Role,
    StepKind,
    Travels,
)


@dataclass(frozen=True)
class Flow:
    """One dataset's way between steps.

    Attributes:
        dataset: Name without transcoding.
        producer: The step that makes it; nothing if it comes from outside.
        consumers: The other steps that read it.
        travels: How.
        reason: Why it crosses, and why in this way.
        entry: What the catalog says of it, as its maker, or else its first reader, names it.
        names: Step -> the catalog names that its nodes use.
        file_format: How AutoML reads it as a table.
        persisted: The catalog entry that it gets, being in memory here.
    """

    dataset: str
    producer: str | None
    consumers: tuple[str, ...]
    travels: Travels
    reason: str
    entry: CatalogEntry
    names: Mapping[str, tuple[str, ...]]
    persisted: Literal["parquet", "pickle"] | None = None

    @property
    def file_name(self) -> str:
        """Return the name of its file on the cluster."""
        if self.persisted:
            suffix = "parquet" if self.persisted == "parquet" else "pkl"
            return f"{port_name(self.dataset)}.{suffix}"
        return self.entry.file_name


@dataclass
class _Use:
    """Which nodes make and read a dataset, while it is being found out."""

    producer: str | None = None
    made_by_automl: bool = False
    consumers: dict[str, None] | None = None
    first_name: str = ""
    read: bool = False


def base_name(name: str) -> str:
    """Return a dataset's name without its transcoding."""
    return name.partition("@")[0]


def is_parameter(name: str) -> bool:
    """Say whether a node's input is a parameter."""
    return name == "parameters" or name.startswith("params:")


def flows_of(
    nodes: Iterable[Node], home: Mapping[str, str], catalog: Catalog, config: AzureMLConfig
) -> tuple[Flow, ...]:
    """Find every dataset that enters, leaves or crosses.

    Args:
        nodes: In the order of execution.
        home: Node -> its step.
        catalog: The catalog's configuration.
        config: azureml.yml.

    Returns:
        By name of the dataset. One that is made and read in one step only is none of them.
    """
    uses: dict[str, _Use] = defaultdict(_Use)
    names: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for node in nodes:
        step = home[node.name]
        for output in node.outputs:
            use = uses[base_name(output)]
            use.producer = step
            use.made_by_automl = "azureml.automl" in node.tags
            use.first_name = output
            names[base_name(output)][step][output] = None
        for name in node.inputs:
            if not is_parameter(name):
                use = uses[base_name(name)]
                use.consumers = use.consumers or {}
                use.consumers[step] = None
                use.first_name = use.first_name or name
                names[base_name(name)][step][name] = None
    flows = (
        _flow(dataset, use, names[dataset], catalog, config)
        for dataset, use in sorted(uses.items())
    )
    return tuple(flow for flow in flows if flow is not None)


def _flow(
    dataset: str,
    use: _Use,
    names: Mapping[str, Mapping[str, None]],
    catalog: Catalog,
    config: AzureMLConfig,
) -> Flow | None:
    readers = tuple(use.consumers or ())
    consumers = tuple(step for step in readers if step != use.producer)
    entry = catalog.entry(use.first_name)
    if use.producer and not consumers and (readers or entry.location == "memory"):
        return None
    travels, reason, persisted = _way(dataset, use, consumers, entry, config)
    return Flow(
        dataset=dataset,
        producer=use.producer,
        consumers=consumers,
        travels=travels,
        reason=reason,
        entry=entry,
        names={step: tuple(used) for step, used in names.items()},
        persisted=persisted,
    )


def _way(
    dataset: str,
    use: _Use,
    consumers: tuple[str, ...],
    entry: CatalogEntry,
    config: AzureMLConfig,
) -> tuple[Travels, str, Literal["parquet", "pickle"] | None]:
    """Decide how a dataset travels. The only place that does."""
    if dataset in config.roles.registry:
        return "registry", "roles.registry: models live in the workspace's registry", None
    if use.made_by_automl:
        return "PipelineData", "an AutoMLStep's output is PipelineData with a TrainingOutput", None
    if dataset in config.datasets:
        name = config.datasets[dataset].name or dataset
        when = f"registered as '{name}' when {use.producer} is done"
        return "Dataset", when if use.producer else f"registered Dataset '{name}'", None
    if entry.location in {"remote", "service"}:
        return "storage", f"{entry.type} is at a place that every step reaches", None
    if use.producer is None:
        what = "in memory" if entry.location == "memory" else f"a file here ({entry.path})"
        return "nothing", f"{what}, and no step makes it", None
    return _way_of_intermediate(consumers, entry, config)


def _way_of_intermediate(
    consumers: tuple[str, ...], entry: CatalogEntry, config: AzureMLConfig
) -> tuple[Travels, str, Literal["parquet", "pickle"] | None]:
    """Decide how a dataset travels that a step makes, and that is in memory or in a file here."""
    persisted = config.persist_memory_datasets
    if entry.location == "memory" and persisted is None:
        return "nothing", "in memory, which ends with its step", None
    if entry.location == "memory":
        why = f"in memory, persisted as {persisted} (persist_memory_datasets)"
        return config.intermediate_data, why, persisted
    if not consumers:
        return config.intermediate_data, "a result: kept with the run", None
    return config.intermediate_data, f"written and read by the catalog as {entry.type}", None


class Ports:
    """The ports and arguments of each step, from the datasets' ways."""

    def __init__(self, flows: Sequence[Flow], config: AzureMLConfig) -> None:
        """Sort the flows by the steps that they enter and leave."""
        self._config = config
        self._entering: dict[str, list[Flow]] = defaultdict(list)
        self._leaving: dict[str, list[Flow]] = defaultdict(list)
        for flow in flows:
            if flow.travels in {"registry", "storage", "nothing"}:
                continue
            if flow.producer:
                self._leaving[flow.producer].append(flow)
            for consumer in flow.consumers:
                self._entering[consumer].append(flow)

    def of(self, step: str, kind: StepKind) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
        """Return a step's input and output ports."""
        return (
            tuple(self._port(flow, step, kind, "input") for flow in self._entering[step]),
            tuple(self._port(flow, step, kind, "output") for flow in self._leaving[step]),
        )

    def arguments(
        self,
        kind: StepKind,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        model_name: Argument | None,
        parameters: Sequence[str],
    ) -> tuple[Argument, ...]:
        """Return the arguments of a step's script: a list, so nothing in them needs quoting."""
        arguments: list[Argument] = []
        if kind == "register":
            arguments += self._register_arguments(inputs, model_name)
        for option, ports in (("--input", inputs), ("--output", outputs)):
            for port in ports:
                if not (port.travels == "Dataset" and port.dataset_type == "tabular"):
                    arguments += [option, port.dataset, PortArgument(port=port.name)]
        for name in parameters:
            arguments += ["--parameter", name, ParameterArgument(pipeline_parameter=name)]
        return tuple(arguments)

    def _register_arguments(
        self, inputs: Sequence[Port], model_name: Argument | None
    ) -> list[Argument]:
        """Give register_model.py what the how-to's script of that name asks for."""
        arguments: list[Argument] = []
        if model_name is not None:
            arguments += ["--model_name", model_name]
        model = next((p for p in inputs if p.dataset in self._config.roles.model), None)
        if model:
            arguments += ["--model_path", PortArgument(port=model.name)]
        return arguments

    def _port(
        self, flow: Flow, step: str, kind: StepKind, side: Literal["input", "output"]
    ) -> Port:
        role = self._role(flow.dataset, kind, side)
        registered = self._config.datasets.get(flow.dataset)
        made_by_automl = flow.dataset in (*self._config.roles.model, *self._config.roles.metrics)
        return Port(
            dataset=flow.dataset,
            name=port_name(flow.dataset),
            travels=flow.travels,
            catalog_names=flow.names.get(step, ()),
            file_name="" if made_by_automl and flow.travels == "PipelineData" else flow.file_name,
            file_format="parquet" if flow.persisted == "parquet" else flow.entry.file_format,
            role=role,
            registered_as=(registered.name or flow.dataset) if registered else None,
            dataset_type=registered.type if registered and not flow.producer else "file",
        )

    def _role(self, dataset: str, kind: StepKind, side: str) -> Role | None:
        if kind != "automl":
            return None
        wanted: tuple[Role, ...] = (
            ("training_data", "validation_data") if side == "input" else ("model", "metrics")
        )
        return next((role for role in wanted if dataset in getattr(self._config.roles, role)), None)
