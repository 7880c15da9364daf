"""Run one step's Kedro nodes on the compute, on the datasets that Azure mounted.

The script travels with its step: it reads step.json beside it, and imports Kedro and the project
from the snapshot, and azureml where the environment has it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import configure_logging, pipelines, settings
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import AbstractDataset
from kedro.pipeline import Pipeline, node

VERSION = 1
HERE = Path(__file__).resolve().parent
MAX_METRICS = 100
"""A mapping of more numbers than that is data, and not metrics to be looked at."""
REGISTRY_MODULE = "azureml_step_pipelines"


class StepError(Exception):
    """A node failed; the message names it and its error."""


class Arguments(argparse.Namespace):
    """What Azure passes: paths of datasets, and values of pipeline parameters."""

    input: list[list[str]]
    output: list[list[str]]
    parameter: list[list[str]]


def main(argv: Sequence[str], model_path: str | None = None, model_name: str | None = None) -> None:
    """Run the step.

    Args:
        argv: ``--input DATASET PATH``, ``--output DATASET PATH``, ``--parameter NAME VALUE``, each
            as often as needed.
        model_path: The registered model's file, in a register step.
        model_name: The name to register under, in a register step.

    Raises:
        StepError: A node failed.
    """
    # a step has nobody who could consent to Kedro's telemetry
    os.environ.setdefault("DO_NOT_TRACK", "1")
    parser = argparse.ArgumentParser()
    for option in ("--input", "--output", "--parameter"):
        parser.add_argument(option, nargs=2, action="append", default=[])
    arguments = parser.parse_args(argv, namespace=Arguments())
    step = json.loads((HERE / "step.json").read_text(encoding="utf-8"))
    if step["version"] != VERSION:
        raise StepError(f"step.json has version {step['version']}, this script reads {VERSION}")
    runtime_params = read_parameters(step, arguments.parameter)
    name = model_name or registered_name(step, runtime_params)
    hooks = StepHooks(step, dict(arguments.input), dict(arguments.output), name, model_path)
    run_nodes(step, runtime_params, hooks)


def read_parameters(step: Mapping[str, Any], given: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the runtime parameters of the step, those set at submit included."""
    values: dict[str, Any] = json.loads(json.dumps(step["runtime_params"]))
    for name, text in given:
        declared = step["parameters"][name]
        *parents, last = declared["path"].split(".")
        target = values
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = read_value(text, declared["type"], name)
    return values


def read_value(text: str, kind: str, name: str) -> Any:
    """Turn an argument back into the type that the parameter has.

    Raises:
        StepError: The text is no such value.
    """
    if kind == "bool":
        if text.lower() not in {"true", "false"}:
            raise StepError(f"pipeline parameter {name}: found {text!r}, allowed: true, false")
        return text.lower() == "true"
    if kind in {"int", "float"}:
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError:
            raise StepError(f"pipeline parameter {name}: found {text!r}, no {kind}") from None
    return text


def registered_name(step: Mapping[str, Any], runtime_params: Mapping[str, Any]) -> str | None:
    """Return the name that the step's registry datasets go by."""
    registry = step["registry"]
    if registry is None:
        return None
    value: Any = runtime_params
    for part in (registry["parameter"] or "").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return str(value if value is not None else registry["model_name"])


def run_nodes(step: Mapping[str, Any], runtime_params: dict[str, Any], hooks: StepHooks) -> None:
    """Run the step's nodes in a Kedro session of the project's own session class and hooks."""
    selection: dict[str, Any] = {
        "pipeline_names": step["pipelines"],
        "node_names": [node["full_name"] for node in step["nodes"]],
    }
    with open_session(step, runtime_params, hooks) as session:
        if not isinstance(session, KedroSession):
            selection["runtime_params"] = runtime_params
        try:
            session.run(**selection)
        except Exception as error:
            if hooks.failed_node is None:
                raise
            cause = f"{type(error).__name__}: {error}"
            raise StepError(f"node '{hooks.failed_node}' failed: {cause}") from error


def open_session(
    step: Mapping[str, Any], runtime_params: Mapping[str, Any], hooks: StepHooks
) -> Any:
    """Make a Kedro session of the project's own session class, whose pipeline is the step's."""
    bootstrap_project(HERE)
    if step["pipelines"] is None:
        module = types.ModuleType(REGISTRY_MODULE)
        module.register_pipelines = lambda: {"__default__": rebuild(step)}  # type: ignore[attr-defined]
        sys.modules[REGISTRY_MODULE] = module
        pipelines.configure(REGISTRY_MODULE)
    options: dict[str, Any] = {
        "project_path": HERE,
        "env": step["env"],
        "conf_source": str(HERE / "conf"),
    }
    if issubclass(settings.SESSION_CLASS, KedroSession):
        options |= {"runtime_params": runtime_params, "save_on_close": False}
    session = settings.SESSION_CLASS.create(**options)
    session._hook_manager.register(hooks)
    return session


def rebuild(step: Mapping[str, Any]) -> Any:
    """Make the step's pipeline again from its nodes' import paths."""
    return Pipeline(
        [
            node(
                import_function(values["function"]),
                values["inputs"],
                values["outputs"],
                name=values["name"],
                tags=values["tags"],
                confirms=values["confirms"],
                namespace=values["namespace"],
            )
            for values in step["nodes"]
        ]
    )


def import_function(path: str) -> Callable[..., Any]:
    """Import ``module:qualified.name``."""
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    function: Callable[..., Any] = found
    return function


class StepHooks:
    """Bind the datasets to their mounted paths, log metrics, remember the node that failed."""

    def __init__(
        self,
        step: Mapping[str, Any],
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        model_name: str | None,
        model_path: str | None,
    ) -> None:
        """Take the step, and the path of each of its datasets."""
        self._step = step
        self._paths = {"input": inputs, "output": outputs}
        self._model = {"model_name": model_name, "model_path": model_path}
        self.failed_node: str | None = None

    @hook_impl(trylast=True)  # after the project's own hooks, which may make datasets too
    def after_catalog_created(self, catalog: Any, conf_catalog: Mapping[str, Any]) -> None:
        """Put the mounted datasets in the place of the catalog's."""
        for name, config in conf_catalog.items():
            if "{" not in name and isinstance(config, dict) and not can_validate(config):
                bind(catalog, name, without(config, "validator"))
        for binding in self._step["bindings"]:
            name = binding["name"]
            config = dict(binding["config"] or entry_of(catalog, conf_catalog, name))
            path = self._path(binding)
            if binding["tabular"]:
                bind(catalog, name, tabular_config(binding["tabular"], config))
            elif path is not None:
                # a versioned dataset makes folders of its own, and a mounted file is none
                config = without(config, "versioned", "credentials")
                if not can_validate(config):
                    config = without(config, "validator")
                bind(catalog, name, {**config, binding["key"]: path})
        registry = self._step["registry"] or {"datasets": []}
        for name in registry["datasets"]:
            bind(catalog, name, {"type": registry["type"], **self._model})

    @hook_impl
    def on_node_error(self, node: Any) -> None:
        """Remember the node."""
        self.failed_node = node.name

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log a mapping of numbers as the run's metrics."""
        metrics = numbers(data)
        if 0 < len(metrics) <= MAX_METRICS:
            log_metrics(metrics)

    def _path(self, binding: Mapping[str, Any]) -> str | None:
        mounted = self._paths[binding["side"]].get(binding["dataset"])
        if mounted is None:
            return None
        if binding["side"] == "output":
            target = Path(mounted) / binding["file"] if binding["file"] else Path(mounted)
            target.parent.mkdir(parents=True, exist_ok=True)
            return str(target)
        return str(mounted_file(Path(mounted), binding["file"]))


def mounted_file(mounted: Path, name: str) -> Path:
    """Return the file that a mounted path means.

    Azure mounts a file as itself or in a folder, under its own name or another; a folder with one
    file can mean no other.
    """
    if mounted.is_file() or (not name and not mounted.is_dir()):
        return mounted
    if name and (mounted / name).exists():
        return mounted / name
    files = [path for path in mounted.rglob("*") if path.is_file()]
    return files[0] if len(files) == 1 else mounted / name


def entry_of(catalog: Any, conf_catalog: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a dataset's entry, from a factory if need be."""
    if name in conf_catalog:
        return dict(conf_catalog[name])
    return dict(catalog.config_resolver.resolve_pattern(name))


def without(config: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return an entry without some keys."""
    return {key: value for key, value in config.items() if key not in keys}


def can_validate(config: Mapping[str, Any]) -> bool:
    """Say whether this environment has what an entry's validator, if it has one, imports."""
    validator = config.get("validator")
    path = validator.get("class") if isinstance(validator, Mapping) else validator
    if not isinstance(path, str):
        return True
    module = path.rpartition(".")[0]
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == module.partition(".")[0]:
            return True  # a wrong class path, which Kedro itself will name
        print(f"{path} does not validate here: {error}")
        return False
    return True


def tabular_config(port: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a registered Dataset that is read through the SDK."""
    kept = {"validator": config["validator"]} if "validator" in config else {}
    if not can_validate(kept):
        kept = {}
    return {"type": TabularInput, "port": port, **kept}


def bind(catalog: Any, name: str, config: dict[str, Any]) -> None:
    """Replace a dataset; the catalog keeps the validator that the entry names."""
    catalog._add_from_config(name, config)


class TabularInput(AbstractDataset[Any, Any]):
    """A registered Dataset that is read through the SDK."""

    def __init__(self, port: str) -> None:
        """Name the input."""
        self._port = port

    def load(self) -> Any:
        """Return its rows as a pandas frame."""
        from azureml.core import Run  # noqa: PLC0415  (4 s, and only where it is needed)

        return Run.get_context().input_datasets[self._port].to_pandas_dataframe()

    def save(self, data: Any) -> None:
        """Refuse: it is an input."""
        raise NotImplementedError(f"{self._port} is an input of the step")

    def _describe(self) -> dict[str, Any]:
        return {"port": self._port}


def numbers(data: Any, prefix: str = "") -> dict[str, float]:
    """Return a mapping's numbers by dotted name; nothing if it holds anything else."""
    if not isinstance(data, Mapping):
        return {}
    found: dict[str, float] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            inner = numbers(value, f"{name}.")
            if value and not inner:
                return {}
            found.update(inner)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = float(value)
        else:
            return {}
    return found


def log_metrics(metrics: Mapping[str, float]) -> None:
    """Log metrics to the run, where there is one."""
    try:
        from azureml.core import Run  # noqa: PLC0415
    except ImportError:
        return
    run = Run.get_context()
    for name, value in metrics.items():
        run.log(name, value)


def log_in_lines() -> None:
    """Log a line a message, unless the environment says how: Kedro's own wraps at 80 columns."""
    if "KEDRO_LOGGING_CONFIG" in os.environ:
        return
    lines = {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"}
    configure_logging(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
            "handlers": {"lines": lines},
            "root": {"handlers": ["lines"], "level": "WARNING"},
            "loggers": {"kedro": {"level": "INFO"}},
        }
    )


if __name__ == "__main__":
    log_in_lines()
    main(sys.argv[1:])
