"""Pipelines, catalogs and plans that the tests are made of."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline, node

from azureml_deploy.catalog import Catalog
from azureml_deploy.config_file import parse_config
from azureml_deploy.deployment import prepare
from azureml_deploy.planning import Outcome, Sources, make_plan
from azureml_deploy.project import Project, RawConfig


def identity(*values: Any) -> Any:
    return values[0] if values else 0


def make(
    name: str, inputs: Any, outputs: Any, tags: Any = None, namespace: str | None = None
) -> Any:
    return node(identity, inputs, outputs, name=name, tags=tags, namespace=namespace)


def parquet(name: str) -> dict[str, Any]:
    return {"type": "pandas.ParquetDataset", "filepath": f"data/{name}.parquet"}


def sources(
    nodes: list[Any],
    values: Mapping[str, Any],
    catalog: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    names: Mapping[str, frozenset[str]] | None = None,
) -> Sources:
    return Sources(
        Pipeline(nodes),
        Catalog(catalog or {}),
        parse_config(values),
        parameters or {},
        names or {},
    )


def planned(*args: Any, **kwargs: Any) -> Outcome:
    return make_plan(sources(*args, **kwargs))


def automl_nodes() -> list[Any]:
    return [
        make("clean", "raw", "clean_rows"),
        make("prepare", ["clean_rows", "params:preparation"], ["train", "test"]),
        make("fit", ["train", "params:automl"], ["model", "metrics"], tags="azureml.automl"),
        make("judge", ["model", "test"], "report"),
        make(
            "register",
            ["model", "report", "champion", "params:model_name"],
            "registered",
            tags="azureml.register",
        ),
    ]


def automl_catalog() -> dict[str, Any]:
    return {
        "raw": {"type": "pandas.CSVDataset", "filepath": "data/raw.csv"},
        "train": parquet("train"),
        "test": parquet("test"),
        "model": {"type": "pickle.PickleDataset", "filepath": "data/model.pkl"},
        "metrics": {"type": "json.JSONDataset", "filepath": "data/metrics.json"},
        "report": {"type": "json.JSONDataset", "filepath": "data/report.json"},
        "registered": {"type": "foreign.Registry", "filepath": "data/registry.db"},
        "champion": {"type": "foreign.Registry", "filepath": "data/registry.db"},
    }


def automl_parameters() -> dict[str, Any]:
    return {
        "automl": {"task": "classification", "label_column_name": "y", "iterations": 2},
        "preparation": {"seed": 1},
        "model_name": "Model",
    }


def automl_values(values: dict[str, Any]) -> dict[str, Any]:
    return {
        **values,
        "compute_targets": {"cpu": {}, "big": {"vm_size": "STANDARD_D12_V2"}},
        "steps": [
            {"tag": "azureml.automl", "compute_target": "big"},
            {"nodes": ["judge", "register"], "environment": "two"},
        ],
        "environments": {
            "one": {"pip_packages": ["kedro"]},
            "two": {"pip_packages": ["kedro", "azureml-train-automl-runtime"]},
        },
        "datasets": {"raw": {"name": "raw_ds", "paths": ["data/raw.csv"]}},
        "pipeline_parameters": {"model_name": "params:model_name"},
        "roles": {
            "training_data": "train",
            "model": "model",
            "metrics": "metrics",
            "registry": ["registered", "champion"],
            "automl_settings": "params:automl",
            "model_name": "params:model_name",
        },
    }


def project_of(
    folder: Path,
    nodes: list[Any],
    values: Mapping[str, Any],
    catalog: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Project:
    """An opened project without files of configuration, as `open_project` would give it."""
    raw = {
        "catalog": RawConfig(catalog or {}, {}),
        "parameters": RawConfig(parameters or {}, {}),
        "globals": RawConfig({}, {}),
    }
    options: dict[str, Any] = {
        "path": folder,
        "package_name": "shop",
        "project_name": "Shop",
        "kedro_version": "1.7.0",
        "source_dir": folder / "src",
        "sources": sources(nodes, values, catalog, parameters),
        "raw": raw,
        "base_env": "base",
        "run_env": "local",
        "runtime_params": {},
        "pipeline_names": ("__default__",),
    }
    return Project(**{**options, **changes})


def codes(project: Project, **options: Any) -> list[str]:
    return [finding.code for finding in prepare(project, **options).plan.findings]


def write_module(folder: Path, name: str, text: str) -> Any:
    """Write a module of the project's source, and import it."""
    path = folder / "src" / Path(*name.split("."))
    for parent in list(path.relative_to(folder / "src").parents)[:-1]:
        package = folder / "src" / parent
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
    file = path.with_suffix(".py")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))
    importlib.invalidate_caches()
    return importlib.import_module(name)
