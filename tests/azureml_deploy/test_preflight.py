"""Each code has a case that triggers it, and one beside it that does not."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deploy_samples import (
    automl_catalog,
    automl_nodes,
    automl_parameters,
    automl_values,
    codes,
    identity,
    make,
    parquet,
    project_of,
    write_module,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kedro.pipeline import Pipeline, node

from azureml_deploy.config import Environment
from azureml_deploy.deployment import prepare
from azureml_deploy.errors import UsageError
from azureml_deploy.grouping import find_cycle
from azureml_deploy.modules import locate
from azureml_deploy.plan import plan_to_json
from azureml_deploy.preflight import RULES, explain
from azureml_deploy.preflight.packages import distribution_of, lacking


@pytest.fixture(autouse=True)
def _own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src").mkdir(exist_ok=True)
    monkeypatch.syspath_prepend(str(tmp_path / "src"))


@pytest.fixture
def cut_values(values: dict[str, Any]) -> dict[str, Any]:
    """Nodes `a` and `b` in steps of their own."""
    return {**values, "steps": [{"nodes": "b", "compute_target": "big"}]}


def found(code: str, *args: Any, **kwargs: Any) -> list[Any]:
    plan = prepare(project_of(*args, **kwargs)).plan
    return [finding for finding in plan.findings if finding.code == code]


TWO = [make("a", None, "x"), make("b", "x", "y")]


def test_memory_dataset_crosses(tmp_path: Path, cut_values: dict[str, Any]) -> None:
    (finding,) = found("AML101", tmp_path, TWO, cut_values)
    assert finding.severity == "error"
    assert finding.place == "dataset x"
    assert "step a, read in b" in finding.message
    assert "persist_memory_datasets" in finding.remedy
    assert not found("AML101", tmp_path, TWO, cut_values, {"x": parquet("x")})
    assert not found("AML101", tmp_path, TWO, {**cut_values, "persist_memory_datasets": "pickle"})


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "pandas.CSVDataset", "filepath": "/home/me/x.csv"},
        {"type": "pandas.CSVDataset", "filepath": "C:\\data\\x.csv"},
        {"type": "pandas.CSVDataset", "filepath": "http://localhost:8000/x.csv"},
        {"type": "pandas.SQLTableDataset", "con": "sqlite:///x.db", "table_name": "x"},
    ],
)
def test_unreachable(tmp_path: Path, values: dict[str, Any], entry: dict[str, Any]) -> None:
    (finding,) = found("AML102", tmp_path, TWO, values, {"x": entry})
    assert "x" in finding.place
    assert not found("AML102", tmp_path, TWO, values, {"x": parquet("x")})


@pytest.mark.parametrize(
    "kind", ["spark.SparkDataset", "kedro_datasets.databricks.ManagedTableDataset"]
)
def test_a_type_that_no_step_can_load(
    tmp_path: Path, cut_values: dict[str, Any], kind: str
) -> None:
    findings = found(
        "AML102", tmp_path, TWO, cut_values, {"x": {"type": kind, "filepath": "data/x"}}
    )
    assert [f.place for f in findings] == ["dataset x, step a", "dataset x, step b"]
    assert f"{kind} needs a" in findings[0].message


def test_a_crossing_dataset_may_have_any_path_here(
    tmp_path: Path, cut_values: dict[str, Any]
) -> None:
    entry = {"type": "pandas.CSVDataset", "filepath": "/home/me/x.csv"}
    assert not found("AML102", tmp_path, TWO, cut_values, {"x": entry})


def test_unregistered_file(tmp_path: Path, values: dict[str, Any]) -> None:
    catalog = {"raw": {"type": "pandas.CSVDataset", "filepath": "data/raw.csv"}}
    nodes = [make("a", "raw", "x")]
    (finding,) = found("AML103", tmp_path, nodes, values, catalog)
    assert "{raw: {name: raw, paths: [data/raw.csv]}}" in finding.remedy
    values["datasets"] = {"raw": {"paths": ["data/raw.csv"]}}
    assert not found("AML103", tmp_path, nodes, values, catalog)


def test_missing_input(tmp_path: Path, values: dict[str, Any]) -> None:
    (finding,) = found("AML104", tmp_path, [make("a", "nothing", "x")], values)
    assert finding.place == "dataset nothing"


def test_result_in_memory(tmp_path: Path, values: dict[str, Any]) -> None:
    (finding,) = found("AML105", tmp_path, TWO, values)
    assert (finding.severity, finding.place) == ("warning", "dataset y")
    assert not found("AML105", tmp_path, TWO, values, {"y": parquet("y")})


def automl(tmp_path: Path, given_values: dict[str, Any], /, **changes: Any) -> tuple[Any, ...]:
    parts: dict[str, Any] = {
        "nodes": automl_nodes(),
        "values": automl_values(given_values),
        "catalog": automl_catalog(),
        "parameters": automl_parameters(),
        **changes,
    }
    return tmp_path, parts["nodes"], parts["values"], parts["catalog"], parts["parameters"]


def test_the_sample_project_has_no_automl_findings(tmp_path: Path, values: dict[str, Any]) -> None:
    assert not [code for code in codes(project_of(*automl(tmp_path, values))) if code < "AML3"]


@pytest.mark.parametrize(
    "role", ["training_data", "model", "metrics", "automl_settings", "registry", "model_name"]
)
def test_unbound_role(tmp_path: Path, values: dict[str, Any], role: str) -> None:
    changed = automl_values(values)
    changed["roles"] = {**changed["roles"], role: []}
    findings = found("AML201", *automl(tmp_path, values, values=changed))
    assert findings
    assert any(role in f.place or role in f.remedy for f in findings)


def test_a_role_that_points_elsewhere(tmp_path: Path, values: dict[str, Any]) -> None:
    changed = automl_values(values)
    changed["roles"] = {**changed["roles"], "training_data": "test"}
    findings = found("AML201", *automl(tmp_path, values, values=changed))
    messages = [finding.message for finding in findings]
    assert "bound to test, which is none of the node's train" in messages


def test_training_data_is_no_table(tmp_path: Path, values: dict[str, Any]) -> None:
    catalog = {
        **automl_catalog(),
        "train": {"type": "pickle.PickleDataset", "filepath": "data/train.pkl"},
    }
    (finding,) = found("AML202", *automl(tmp_path, values, catalog=catalog))
    assert "pickle.PickleDataset" in finding.message


def test_registered_training_data_must_be_tabular(tmp_path: Path, values: dict[str, Any]) -> None:
    changed = automl_values(values)
    changed["datasets"]["train"] = {"name": "Data_prepared"}
    args = automl(tmp_path, values, values=changed, nodes=automl_nodes()[2:])
    assert found("AML202", *args)
    changed["datasets"]["train"]["type"] = "tabular"
    args = automl(tmp_path, values, values=changed, nodes=automl_nodes()[2:])
    assert not found("AML202", *args)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_label_column_missing_from_the_local_sample(
    tmp_path: Path, values: dict[str, Any], suffix: str
) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / f"train.{suffix}"
    kind = "pandas.ParquetDataset" if suffix == "parquet" else "pandas.CSVDataset"
    entry = {"type": kind, "filepath": f"data/train.{suffix}"}
    args = automl(tmp_path, values, catalog={**automl_catalog(), "train": entry})
    assert not found("AML203", *args)
    for columns, count in ((["x", "y"], 0), (["x", "Y"], 1)):
        frame = pd.DataFrame({name: [1] for name in columns})
        frame.to_parquet(file) if suffix == "parquet" else frame.to_csv(file, index=False)
        findings = found("AML203", *args)
        assert len(findings) == count
    assert "has only x, Y" in findings[0].message


def test_a_metric_of_another_task(tmp_path: Path, values: dict[str, Any]) -> None:
    parameters = automl_parameters()
    parameters["automl"] |= {"task": "regression", "primary_metric": "AUC_weighted"}
    (finding,) = found("AML204", *automl(tmp_path, values, parameters=parameters))
    assert "AUC_weighted" in finding.message
    assert "params:automl" in finding.place


def test_model_loaded_without_the_runtime(tmp_path: Path, values: dict[str, Any]) -> None:
    changed = automl_values(values)
    changed["steps"] = changed["steps"][:1]
    findings = found("AML205", *automl(tmp_path, values, values=changed))
    assert {f.place for f in findings} == {
        "step judge, environment one",
        "step register, environment one",
    }
    scoring = [make("score", "champion", "scores")]
    (finding,) = found("AML205", *automl(tmp_path, values, values=changed, nodes=scoring))
    assert "loads champion" in finding.message
    changed["environments"]["one"] = {"curated": "AzureML-AutoML"}
    assert not found("AML205", *automl(tmp_path, values, values=changed))


def test_an_environment_that_automl_cannot_use(tmp_path: Path, values: dict[str, Any]) -> None:
    assert not found("AML206", *automl(tmp_path, values))
    changed = automl_values(values)
    changed["steps"][0]["environment"] = "two"
    (finding,) = found("AML206", *automl(tmp_path, values, values=changed))
    assert finding.place == "step fit, steps.0.environment"
    assert finding.severity == "warning"


def test_lambda_and_main(tmp_path: Path, values: dict[str, Any]) -> None:
    in_main = identity.__class__(identity.__code__, {"__name__": "__main__"}, "in_main")
    assert in_main.__module__ == "__main__"
    nodes = [node(lambda: 1, None, "x", name="a"), node(in_main, "x", "y", name="b")]
    by_place = {f.place: f for f in found("AML301", tmp_path, nodes, values)}
    assert by_place["node a, step a_and_1_more"].severity == "warning"
    assert by_place["node b, step a_and_1_more"].severity == "error"


def test_notebook_functions() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def cell(): pass", "<ipython-input-1-abc>", "exec"), namespace)
    location = locate(namespace["cell"])
    assert (location.problem, location.importable) == ("it is defined in a notebook", False)


def test_whole_tree(tmp_path: Path, values: dict[str, Any]) -> None:
    module = write_module(tmp_path, "shopwt.nodes", "def double(x): return 2 * x")
    nodes = [node(functools.partial(module.double, 1), None, "x", name="a")]
    (finding,) = found("AML302", tmp_path, nodes, values)
    assert finding.severity == "warning"
    assert "functools.partial" in finding.message
    assert not found("AML302", tmp_path, [node(module.double, "x", "y", name="a")], values)


@pytest.mark.parametrize("what", ["files", "bytes"])
def test_snapshot_too_large(tmp_path: Path, values: dict[str, Any], what: str) -> None:
    module = write_module(tmp_path, f"shopbig_{what}.nodes", "def double(x): return 2 * x")
    folder = tmp_path / "src" / f"shopbig_{what}"
    nodes = [node(module.double, "x", "y", name="a")]
    assert not found("AML303", tmp_path, nodes, values)
    if what == "files":
        for i in range(2001):
            (folder / f"query{i}.sql").write_text("select 1")
    else:
        with (folder / "weights.bin").open("wb") as file:
            file.truncate(301 * 1024**2)
    (finding,) = found("AML303", tmp_path, nodes, values)
    assert "300" in finding.message


def test_credentials(tmp_path: Path, values: dict[str, Any]) -> None:
    entry = {"type": "pandas.SQLTableDataset", "table_name": "x", "credentials": "warehouse"}
    (finding,) = found("AML304", tmp_path, [make("a", "x", "y")], values, {"x": entry})
    assert "credentials" in finding.message
    secret = {"type": "shop.Sales", "password": "hunter2"}
    (finding,) = found("AML304", tmp_path, [make("a", "x", "y")], values, {"x": secret})
    assert finding.place == "dataset x, password"


def test_a_credentials_file_beside_the_code(tmp_path: Path, values: dict[str, Any]) -> None:
    module = write_module(tmp_path, "shopcred.nodes", "def double(x): return 2 * x")
    (tmp_path / "src" / "shopcred" / "credentials.yml").write_text("key: secret")
    nodes = [node(module.double, "x", "y", name="a")]
    (finding,) = found("AML304", tmp_path, nodes, values)
    assert "credentials.yml" in finding.place


def test_missing_package_also_when_imported_lazily(tmp_path: Path, values: dict[str, Any]) -> None:
    module = write_module(
        tmp_path,
        "shoppkg.nodes",
        """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import onlytypes
        try:
            import optional_one
        except ImportError:
            optional_one = None
        def fit(x):
            from sklearn.linear_model import LinearRegression
            return LinearRegression()
        """,
    )
    nodes = [node(module.fit, "x", "y", name="a")]
    (finding,) = found("AML401", tmp_path, nodes, values)
    assert finding.severity == "error"
    assert "scikit-learn (shoppkg/nodes.py:10)" in finding.message
    assert "onlytypes" not in finding.message
    assert "optional" not in finding.message
    values["environments"]["one"]["pip_packages"] += ["scikit-learn"]
    assert not found("AML401", tmp_path, nodes, values)
    values["environments"]["one"] = {"curated": "AzureML-X", "pip_packages": ["kedro"]}
    (finding,) = found("AML401", tmp_path, nodes, values)
    assert (finding.severity, "unless AzureML-X has them" in finding.remedy) == ("warning", True)


def test_packages_that_datasets_need(tmp_path: Path, values: dict[str, Any]) -> None:
    (finding,) = found("AML401", tmp_path, [make("a", None, "x")], values, {"x": parquet("x")})
    assert "pandas (dataset x)" in finding.message


def test_gpu_on_cpu_size(tmp_path: Path, values: dict[str, Any]) -> None:
    parameters = automl_parameters()
    parameters["automl"]["enable_dnn"] = True
    (finding,) = found("AML402", *automl(tmp_path, values, parameters=parameters))
    assert "STANDARD_D12_V2" in finding.message
    changed = automl_values(values)
    changed["compute_targets"]["big"]["vm_size"] = "Standard_NC6s_v3"
    assert not found("AML402", *automl(tmp_path, values, parameters=parameters, values=changed))


def test_gpu_image_on_cpu_size(tmp_path: Path, values: dict[str, Any]) -> None:
    values["environments"]["one"] = {"docker_image": "mcr.microsoft.com/azureml/cuda11"}
    assert found("AML402", tmp_path, TWO, values)


def test_pipeline_parameters(tmp_path: Path, values: dict[str, Any]) -> None:
    values["pipeline_parameters"] = {
        "whole": "params:deep",
        "lost": "params:no",
        "idle": "params:n",
    }
    nodes = [make("a", "params:deep", "x")]
    parameters = {"deep": {"x": 1}, "n": 1}
    findings = found("AML403", tmp_path, nodes, values, None, parameters)
    by_place = {f.place.rpartition(".")[2]: f for f in findings}
    assert "is a dict" in by_place["whole"].message
    assert "does not exist" in by_place["lost"].message
    assert by_place["idle"].severity == "warning"


def test_names_collide(tmp_path: Path, cut_values: dict[str, Any]) -> None:
    nodes = [make("a", None, ["n.x", "n_x"]), make("b", ["n.x", "n_x"], "y")]
    catalog = {"n.x": parquet("one"), "n_x": parquet("two")}
    (finding,) = found("AML501", tmp_path, nodes, cut_values, catalog)
    assert "n.x, n_x are all called n_x" in finding.message
    steps = [make("s.t", None, "x"), make("s_t", None, "y")]
    cut_values["grouping"] = "none"
    assert [f.place for f in found("AML501", tmp_path, steps, cut_values)] == ["step s_t"]


def test_group_is_split(tmp_path: Path, values: dict[str, Any]) -> None:
    nodes = [
        *Pipeline([make("one", "x", "y")], namespace="n", inputs={"x"}, outputs={"y"}).nodes,
        make("between", "y", "z"),
        *Pipeline([make("two", "z", "w")], namespace="n", inputs={"z"}, outputs={"w"}).nodes,
    ]
    values["grouping"] = "namespace"
    (finding,) = found("AML502", tmp_path, nodes, values)
    assert "n.one -> between, then between -> n.two" in finding.message


def test_select_and_ignore(tmp_path: Path, cut_values: dict[str, Any]) -> None:
    project = project_of(tmp_path, TWO, cut_values)
    assert {"AML101", "AML105", "AML401"} == set(codes(project))
    assert codes(project, select=["AML101"]) == ["AML101"]
    assert set(codes(project, select=["AML1"])) == {"AML101", "AML105"}
    assert "AML101" not in codes(project, ignore=["aml101"])
    with pytest.raises(UsageError, match="no rule 'AML999'"):
        codes(project, select=["AML999"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_explains_itself(rule: Any) -> None:
    text = explain(rule.code)
    assert all(part in text for part in (rule.name, rule.what, rule.why, "Example"))
    assert explain(rule.name) == text


def test_codes_are_unique_and_each_has_a_case() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    source = "".join(Path(__file__).read_text(encoding="utf-8").split())
    assert [rule.code for rule in RULES if f'found("{rule.code}"' not in source] == []


def test_requirements_are_followed_through_installed_packages() -> None:
    environment = Environment(pip_packages=("kedro-datasets[pandas-parquetdataset]~=9.6",))
    wanted = ["kedro", "pandas", "pyarrow", "flaml"]
    assert lacking(environment, wanted) == {"flaml"}
    assert lacking(Environment(conda_packages=("numpy=1.26",)), ["numpy"]) == frozenset()
    assert distribution_of("sklearn") == "scikit-learn"


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[list[Any], dict[str, Any]]:
    """Random DAGs with memory datasets, namespaces, transcoding, dots and dataset factories."""
    size = draw(st.integers(1, 9))
    catalog: dict[str, Any] = {
        "made_{name}": {"type": "pickle.PickleDataset", "filepath": "data/{name}.pkl"}
    }
    made: list[str] = []
    nodes = []
    for i in range(size):
        kind = draw(st.sampled_from(["memory", "file", "factory", "dotted", "transcoded"]))
        name = {"factory": f"made_{i}", "dotted": f"part.d{i}"}.get(kind, f"d{i}")
        output, readable = name, name
        if kind in {"file", "dotted"}:
            catalog[name] = parquet(name)
        if kind == "transcoded":
            output, readable = f"{name}@pandas", f"{name}@polars"
            catalog |= {output: parquet(name), readable: parquet(name)}
        inputs = draw(st.lists(st.sampled_from(made), unique=True, max_size=3)) if made else []
        namespace = draw(st.sampled_from([None, "one", "two"]))
        tags = draw(st.sets(st.sampled_from(["gpu", "azureml.step.s", "azureml.step.t"])))
        nodes.append(make(f"n{i}", inputs or None, output, tags=tags, namespace=namespace))
        made.append(readable)
    return nodes, catalog


@given(
    sample=pipelines(),
    grouping=st.sampled_from(["auto", "namespace", "tag", "none"]),
    persist=st.sampled_from([None, "pickle"]),
)
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_pipeline_gives_a_complete_acyclic_plan_that_hides_nothing(
    tmp_path: Path, values: dict[str, Any], sample: Any, grouping: str, persist: str | None
) -> None:
    nodes, catalog = sample
    values = {
        **values,
        "grouping": grouping,
        "persist_memory_datasets": persist,
        "steps": [{"tag": "gpu", "compute_target": "big"}],
    }
    project = project_of(tmp_path, nodes, values, catalog)
    plan = prepare(project, select=["AML1"]).plan
    groups = [step.nodes for step in plan.steps]
    assert sorted(n for group in groups for n in group) == sorted(n.name for n in nodes)
    parents = project.sources.parents
    assert not find_cycle(groups, parents)
    home = {name: i for i, group in enumerate(groups) for name in group}
    reported = {f.place for f in plan.findings if f.code == "AML101"}
    ways = {(c.dataset, c.from_step, c.to_step): c.travels for c in plan.crossings}
    for dataset, maker, reader in _dependencies(nodes):
        if home[maker] == home[reader]:
            continue
        steps = plan.steps[home[maker]].name, plan.steps[home[reader]].name
        travels = ways[(dataset, *steps)]
        assert (travels == "nothing") == (f"dataset {dataset}" in reported)
        assert persist is None or travels != "nothing"
        if travels != "nothing":
            assert dataset in {p.dataset for p in plan.steps[home[maker]].outputs}
            assert dataset in {p.dataset for p in plan.steps[home[reader]].inputs}


def _dependencies(nodes: list[Any]) -> Iterator[tuple[str, str, str]]:
    maker = {output.partition("@")[0]: n.name for n in nodes for output in n.outputs}
    for reader in nodes:
        for name in reader.inputs:
            dataset = name.partition("@")[0]
            yield dataset, maker[dataset], reader.name


def test_a_thousand_nodes_take_less_than_a_second_of_work(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    nodes = [
        make(
            f"n{i}",
            [f"d{i // 2}", f"d{i - 1}"] if i > 1 else None,
            f"d{i}",
            tags="big" if i % 5 == 4 else [],
        )
        for i in range(1000)
    ]
    catalog = {"d{n}": {"type": "pickle.PickleDataset", "filepath": "data/{n}.pkl"}}
    values["steps"] = [{"tag": "big", "compute_target": "big"}]
    project = project_of(tmp_path, nodes, values, catalog)
    start = time.process_time()
    text = plan_to_json(prepare(project).plan)
    assert time.process_time() - start < 1
    assert text.count("n999") > 0
