"""The plan: every node once, every crossing dataset with its way and its reason."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from deploy_samples import (
    automl_catalog,
    automl_nodes,
    automl_parameters,
    automl_values,
    make,
    parquet,
    planned,
    sources,
)
from foreign_project import run
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from azureml_deploy.catalog import Catalog
from azureml_deploy.cut_config import references_in
from azureml_deploy.plan import (
    DeploymentPlan,
    ParameterArgument,
    PortArgument,
    plan_from_json,
    plan_to_json,
)
from azureml_deploy.planning import make_plan, parameter_value


@pytest.fixture
def plan(values: dict[str, Any]) -> DeploymentPlan:
    return planned(
        automl_nodes(), automl_values(values), automl_catalog(), automl_parameters()
    ).plan


def test_preparation_automl_evaluation_registration(plan: DeploymentPlan) -> None:
    assert [(step.kind, step.nodes) for step in plan.steps] == [
        ("script", ("clean", "prepare")),
        ("automl", ("fit",)),
        ("script", ("judge",)),
        ("register", ("register",)),
    ]
    assert [step.compute for step in plan.steps] == ["cpu", "big", "cpu", "cpu"]
    assert [step.reuse for step in plan.steps] == [True, True, True, False]


def test_the_ways_of_the_datasets(plan: DeploymentPlan) -> None:
    ways = {(c.dataset, c.to_step): c.travels for c in plan.crossings}
    first = plan.steps[0].name
    assert ways == {
        ("raw", first): "Dataset",
        ("train", "fit"): "PipelineData",
        ("test", "judge"): "PipelineData",
        ("model", "judge"): "PipelineData",
        ("model", "register"): "PipelineData",
        ("metrics", None): "PipelineData",
        ("report", "register"): "PipelineData",
        ("champion", "register"): "registry",
        ("registered", None): "registry",
        ("params:model_name", "register"): "PipelineParameter",
    }
    assert "clean_rows" not in {c.dataset for c in plan.crossings}
    assert all(c.reason for c in plan.crossings)


def test_automl_ports_have_roles_and_a_format(plan: DeploymentPlan) -> None:
    fit = plan.step("fit")
    assert [(p.name, p.role, p.file_format) for p in fit.inputs] == [
        ("train", "training_data", "parquet")
    ]
    assert {p.name: p.role for p in fit.outputs} == {"model": "model", "metrics": "metrics"}
    assert fit.settings is not None
    assert fit.settings.label_column_name == "y"


def test_arguments_are_a_list_and_register_gets_the_how_tos(plan: DeploymentPlan) -> None:
    arguments = plan.step("register").arguments
    assert arguments[:4] == (
        "--model_name",
        ParameterArgument(pipeline_parameter="model_name"),
        "--model_path",
        PortArgument(port="model"),
    )
    assert plan.steps[0].arguments[:3] == ("--input", "raw", PortArgument(port="raw"))


def test_every_boundary_has_its_reason(plan: DeploymentPlan) -> None:
    reasons = {(b.from_step, b.to_step): b.reason for b in plan.boundaries}
    first = plan.steps[0].name
    assert "AutoMLStep" in reasons[first, "fit"]
    assert reasons[first, "judge"] == "environment one -> two"
    assert "every submit" in reasons["judge", "register"]


def test_a_boundary_that_only_the_graph_makes(values: dict[str, Any]) -> None:
    nodes = [
        make("a", "x", "b"),
        make("m", "b", "c", tags="gpu"),
        make("z", ["b", "c"], "d"),
    ]
    values["steps"] = [{"tag": "gpu", "compute_target": "big"}]
    plan = planned(nodes, values).plan
    reason = next(b.reason for b in plan.boundaries if (b.from_step, b.to_step) == ("a", "z"))
    assert reason == "as one step they would wait for m, which waits for them"


def test_json_round_trip_and_reproducible(values: dict[str, Any]) -> None:
    args = automl_nodes(), automl_values(values), automl_catalog(), automl_parameters()
    first = plan_to_json(planned(*args).plan)
    again = plan_to_json(planned(list(reversed(args[0])), *args[1:]).plan)
    assert first == again
    assert plan_to_json(plan_from_json(first)) == first
    assert first.startswith('{\n  "version": 1,')


def test_a_pipeline_parameter_goes_to_what_refers_to_it(values: dict[str, Any]) -> None:
    values["pipeline_parameters"] = {"seed": "params:seed"}
    nodes = [make("a", "params:split", "x"), make("b", "params:other", "y")]
    values["grouping"] = "none"
    parameters = {"seed": 1, "split": {"seed": 1}, "other": 2}
    plain = sources(nodes, values, None, parameters)
    assert [step.parameters for step in make_plan(plain).plan.steps] == [(), ()]
    raw = {"seed": 1, "split": {"seed": "${base.seed}"}, "base": {"seed": "${seed}"}, "other": 2}
    referring = dataclasses.replace(plain, references=references_in(raw))
    found = {step.name: step.parameters for step in make_plan(referring).plan.steps}
    assert found == {"a": ("seed",), "b": ()}


def test_the_plan_brings_the_environments_that_it_uses(plan: DeploymentPlan) -> None:
    found = {planned.name: planned.definition for planned in plan.environments}
    assert found.keys() == {"one", "two"}
    assert "azureml-train-automl-runtime" in found["two"].pip_packages


def test_json_of_another_version_is_refused(plan: DeploymentPlan) -> None:
    with pytest.raises(ValueError, match="version"):
        plan_from_json(plan_to_json(plan).replace('"version": 1', '"version": 2'))


def test_the_plan_is_immutable(plan: DeploymentPlan) -> None:
    with pytest.raises(ValueError, match="frozen"):
        plan.steps = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        plan.steps[0] = plan.steps[1]  # type: ignore[index]


@pytest.mark.parametrize(
    ("mode", "travels"),
    [(None, "nothing"), ("parquet", "PipelineData"), ("pickle", "PipelineData")],
)
def test_memory_datasets_travel_only_when_persisted(
    values: dict[str, Any], mode: str | None, travels: str
) -> None:
    values["persist_memory_datasets"] = mode
    values["steps"] = [{"nodes": "b", "environment": "two"}]
    plan = planned([make("a", None, "x"), make("b", "x", "y")], values).plan
    assert [c.travels for c in plan.crossings] == [travels]
    files = [p.file_name for p in plan.step("b").inputs]
    assert files == ([] if mode is None else [f"x.{'pkl' if mode == 'pickle' else mode}"])


def test_intermediate_data_may_travel_as_output_file_dataset(values: dict[str, Any]) -> None:
    values |= {
        "intermediate_data": "OutputFileDatasetConfig",
        "steps": [{"nodes": "b", "environment": "two"}],
    }
    plan = planned([make("a", None, "x"), make("b", "x", "y")], values, {"x": parquet("x")}).plan
    assert [c.travels for c in plan.crossings] == ["OutputFileDatasetConfig"]


def test_the_registered_dataset_route(values: dict[str, Any]) -> None:
    values = automl_values(values)
    values["datasets"]["train"] = {"name": "Data_prepared"}
    plan = planned(automl_nodes(), values, automl_catalog(), automl_parameters()).plan
    crossing = next(c for c in plan.crossings if c.dataset == "train")
    assert crossing.travels == "Dataset"
    assert "Data_prepared" in crossing.reason
    assert plan.step("fit").inputs[0].registered_as == "Data_prepared"


def test_what_is_at_a_url_stays_there_and_orders_the_steps(values: dict[str, Any]) -> None:
    catalog = {"x": {"type": "pandas.CSVDataset", "filepath": "abfss://c@a.dfs/x.csv"}}
    values["steps"] = [{"nodes": "b", "environment": "two"}]
    plan = planned([make("a", None, "x"), make("b", "x", "y")], values, catalog).plan
    assert [c.travels for c in plan.crossings] == ["storage"]
    assert plan.step("b").run_after == ("a",)
    assert not plan.step("b").inputs


def test_transcoding_is_a_dependency(values: dict[str, Any]) -> None:
    nodes = [
        make("a", None, "x@pandas", tags="azureml.step.one"),
        make("b", "x@polars", "y", tags="azureml.step.two"),
        make("c", "y", "z", tags="azureml.step.one"),
    ]
    values["grouping"] = "tag"
    catalog = {"x@pandas": parquet("x"), "x@polars": parquet("x"), "y": parquet("y")}
    outcome = planned(nodes, values, catalog)
    assert [step.nodes for step in outcome.plan.steps] == [("a",), ("b",), ("c",)]
    assert [step.name for step in outcome.plan.steps] == ["one", "two", "one_part2"]
    (split,) = outcome.splits
    assert [(link.parent, link.child) for link in split.cycle] == [("a", "b"), ("b", "c")]
    port = outcome.plan.steps[1].inputs[0]
    assert (port.name, port.catalog_names, port.file_name) == ("x", ("x@polars",), "x.parquet")


def test_factories_give_the_file(values: dict[str, Any]) -> None:
    catalog = {
        "{name}_rows": {"type": "pandas.ParquetDataset", "filepath": "data/{name}/rows.parquet"}
    }
    values["steps"] = [{"nodes": "b", "environment": "two"}]
    plan = planned([make("a", None, "cut_rows"), make("b", "cut_rows", "y")], values, catalog).plan
    assert plan.step("b").inputs[0].file_name == "rows.parquet"


@pytest.mark.parametrize("name", ["cut_rows", "a.cut_rows", "plain", "other", "x_made"])
def test_the_catalog_finds_what_kedros_finds(name: str) -> None:
    config = {
        "{name}_rows": {"type": "pickle.PickleDataset", "filepath": "data/{name}/rows.pkl"},
        "{space}.{name}_rows": {
            "type": "pickle.PickleDataset",
            "filepath": "{space}/{name}.pkl",
            "metadata": {"tags": ["{space}", "fixed"]},
        },
        "plain": {"type": "pickle.PickleDataset", "filepath": "plain.pkl"},
        "{any}_made": {"type": "MemoryDataset"},
    }
    ours = Catalog(config).entry(name)
    theirs = DataCatalog.from_config(config).get(name, fallback_to_runtime_pattern=True)
    assert ours.type.rpartition(".")[2] == type(theirs).__name__
    if ours.path is not None:
        assert str(theirs._filepath).endswith(ours.path)
        assert ours.config.get("metadata") == theirs.metadata


def test_namespaces_are_steps(values: dict[str, Any]) -> None:
    nodes = [
        *Pipeline([make("a", "x", "y"), make("b", "y", "z")], namespace="one").nodes,
        *Pipeline([make("a", "x", "y")], namespace="two").nodes,
    ]
    values["grouping"] = "namespace"
    plan = planned(nodes, values).plan
    assert {step.name: step.nodes for step in plan.steps} == {
        "one": ("one.a", "one.b"),
        "two": ("two.a",),
    }


def test_none_gives_each_node_its_step(values: dict[str, Any]) -> None:
    values["grouping"] = "none"
    plan = planned([make("a", None, "x"), make("b", "x", "y")], values).plan
    assert [step.nodes for step in plan.steps] == [("a",), ("b",)]
    assert plan.boundaries[0].reason == "grouping is none: one step for each node"


def test_steps_are_named_after_their_registered_pipeline(values: dict[str, Any]) -> None:
    nodes = [make("a", None, "x"), make("b", "x", "y")]
    names = {"__default__": frozenset("ab"), "prep": frozenset("ab"), "all": frozenset("abc")}
    assert planned(nodes, values, names=names).plan.steps[0].name == "prep"


def test_parameters_by_path() -> None:
    parameters = {"a": {"b": {"c": 0}}, "x": None}
    assert parameter_value(parameters, "params:a.b.c") == 0
    assert parameter_value(parameters, "params:a.x") is None
    assert parameter_value(parameters, "params:a.b.c.d") is None


REPEATED = """
import sys
sys.path.append(sys.argv[1])
from kedro.pipeline import Pipeline
from azureml_deploy.plan import plan_to_json
from deploy_samples import make, planned
nodes = [
    make(f"n{i}", [f"d{j}" for j in {i - 1, i // 2, i // 3} if 0 <= j < i] or None, f"d{i}",
         tags=["big"] if i % 4 == 3 else [])
    for i in range(80)
]
values = {
    "compute_targets": {"cpu": {}, "big": {}},
    "environments": {"one": {}},
    "default": {"compute_target": "cpu", "environment": "one"},
    "steps": [{"tag": "big", "compute_target": "big"}],
}
pipeline = Pipeline(nodes[:40]) + Pipeline(nodes[40:])
print(plan_to_json(planned(list(pipeline._nodes), values).plan))
"""


def test_the_same_bytes_in_every_process() -> None:
    folder = Path(__file__).parent
    texts = {
        run(folder, "-c", REPEATED, str(folder), PYTHONHASHSEED=seed).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1
    assert '"boundaries"' in texts.pop()
