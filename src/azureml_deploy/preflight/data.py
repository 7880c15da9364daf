"""Rules on datasets: whether each gets to where it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from types import MappingProxyType

from azureml_deploy.catalog import CatalogEntry, strings
from azureml_deploy.names import parameter_name, port_name
from azureml_deploy.preflight.rule import Problem, Situation

IMPOSSIBLE_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "databricks": "needs a Databricks runtime, which an AmlCompute node is not",
        "spark": "needs a Spark session, and an AmlCompute node has no Spark",
    }
)
"""Package of `kedro_datasets` -> why none of its datasets can be loaded or saved by a step."""

_THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]|sqlite:///|file://)")


def memory_crosses(situation: Situation) -> Iterator[Problem]:
    """Find in-memory datasets that another step reads."""
    for flow in situation.flows:
        if flow.travels == "nothing" and flow.producer and flow.entry.location == "memory":
            readers = ", ".join(flow.consumers)
            yield Problem(
                f"dataset {flow.dataset}",
                f"made in step {flow.producer}, read in {readers}, and in memory only",
                "give it a catalog entry with a file, or set persist_memory_datasets: "
                "parquet (tables) or pickle (anything) in azureml.yml",
            )


def unreachable(situation: Situation) -> Iterator[Problem]:
    """Find datasets of types, or at places, that the cluster cannot have."""
    for step in situation.steps("script", "register"):
        bound = situation.bound(step)
        for entry in situation.entries(step):
            if impossible := _impossible(entry):
                yield Problem(
                    f"dataset {entry.name}, step {step.name}",
                    f"{entry.type} {impossible}",
                    "read and write it as pandas or polars do, for example as a "
                    "pandas.ParquetDataset, or leave its nodes out of the selection",
                )
            elif entry.name not in bound and (why := _only_here(entry)):
                yield Problem(
                    f"dataset {entry.name}, step {step.name}",
                    f"{entry.type} at {why} cannot exist on the cluster",
                    "write a path relative to the project, a storage URL, "
                    "or register it under datasets: in azureml.yml",
                )


def _impossible(entry: CatalogEntry) -> str | None:
    package = entry.type.removeprefix("kedro_datasets.").partition(".")[0]
    return IMPOSSIBLE_TYPES.get(package)


def _only_here(entry: CatalogEntry) -> str | None:
    if entry.location == "memory":
        return None
    path = entry.path or ""
    absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
    if entry.location == "local" and absolute:
        return path
    hits = (text for text in strings(entry.config) if _THIS_MACHINE.search(text))
    return next(hits, None)


def unregistered(situation: Situation) -> Iterator[Problem]:
    """Find local files that no step makes and nobody registers."""
    for flow in situation.flows:
        if flow.producer is None and flow.travels == "nothing" and flow.entry.location == "local":
            name = flow.dataset
            yield Problem(
                f"dataset {name}",
                f"{flow.entry.path} is read in {', '.join(flow.consumers)}, but is a file here",
                "have it uploaded and registered, in azureml.yml: "
                f"datasets: {{{name}: {{name: {port_name(name)}, paths: [{flow.entry.path}]}}}}",
            )


def missing_input(situation: Situation) -> Iterator[Problem]:
    """Find inputs that nothing makes."""
    for flow in situation.flows:
        if flow.producer is None and flow.travels == "nothing" and flow.entry.location == "memory":
            yield Problem(
                f"dataset {flow.dataset}",
                f"read in {', '.join(flow.consumers)}; no node makes it, no catalog entry holds it",
                "add a catalog entry, select the nodes that make it, or correct its name",
            )


def lost_result(situation: Situation) -> Iterator[Problem]:
    """Find results that stay in memory."""
    catalog = situation.project.sources.catalog
    pipeline = situation.project.sources.pipeline
    for name in sorted(pipeline.outputs()):
        if catalog.entry(name).location == "memory" and _kept_nowhere(situation, name):
            yield Problem(
                f"dataset {name}",
                "a result of the pipeline that is in memory, and ends with its step",
                "give it a catalog entry with a file if it is wanted",
            )


def _kept_nowhere(situation: Situation, name: str) -> bool:
    return all(flow.dataset != name.partition("@")[0] for flow in situation.flows)


def names_collide(situation: Situation) -> Iterator[Problem]:
    """Find names that are the same by Azure's rules."""
    config = situation.config
    steps = [step.name for step in situation.plan.steps]
    kinds = (
        ("dataset", [(flow.dataset, port_name(flow.dataset)) for flow in situation.flows]),
        ("step", [(" + ".join(step.nodes), step.name) for step in situation.plan.steps]),
        ("pipeline parameter", [(n, parameter_name(n)) for n in config.pipeline_parameters]),
    )
    for kind, names in kinds:
        homes: dict[str, list[str]] = {}
        for name, azure_name in names:
            homes.setdefault(azure_name, []).append(name)
        for azure_name, its_names in homes.items():
            if len(its_names) > 1 and (kind != "step" or steps.count(azure_name) > 1):
                yield Problem(
                    f"{kind} {azure_name}",
                    f"{', '.join(its_names)} are all called {azure_name} in Azure ML",
                    "rename all but one: letters, digits and _ alone tell names apart",
                )
