"""Rules on AutoML: roles, its data, its settings, and who loads its model."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from azureml_deploy.catalog import CatalogEntry
from azureml_deploy.plan import AUTOML_ENVIRONMENT, Step
from azureml_deploy.planning import parameter_value
from azureml_deploy.ports import base_name, is_parameter
from azureml_deploy.preflight.packages import listed
from azureml_deploy.preflight.rule import Problem, Situation

RUNTIME = "azureml-train-automl-runtime"


def unbound_role(situation: Situation) -> Iterator[Problem]:
    """Find roles that are needed and not bound, or bound to what is not there."""
    roles = situation.config.roles
    for step in situation.steps("automl"):
        node = situation.project.sources.nodes[step.nodes[0]]
        inputs = [base_name(name) for name in node.inputs if not is_parameter(name)]
        outputs = [base_name(name) for name in node.outputs]
        parameters = [name for name in node.inputs if is_parameter(name)]
        for role, required, names in (
            ("training_data", True, inputs),
            ("validation_data", False, inputs),
            ("model", True, outputs),
            ("metrics", False, outputs),
            ("automl_settings", True, parameters),
        ):
            yield from _role(step, role, required, names, getattr(roles, role))
        bound = {*roles.training_data, *roles.validation_data, *roles.model, *roles.metrics}
        for name in (*inputs, *outputs):
            if name not in bound:
                yield Problem(
                    f"step {step.name}, dataset {name}",
                    "an AutoMLStep has no such input or output: the dataset has no role",
                    "bind it under roles: in azureml.yml (training_data, validation_data, model, "
                    "metrics), or take it out of the node",
                )
    for step in situation.steps("register"):
        node = situation.project.sources.nodes[step.nodes[0]]
        datasets = [base_name(n) for n in (*node.inputs, *node.outputs) if not is_parameter(n)]
        inputs = [base_name(name) for name in node.inputs]
        yield from _role(step, "registry", True, datasets, roles.registry)
        yield from _role(step, "model", True, inputs, roles.model)
        yield from _role(step, "model_name", True, node.inputs, roles.model_name)


def _role(
    step: Step, role: str, required: bool, names: list[str], bound: tuple[str, ...]
) -> Iterator[Problem]:
    found = [name for name in bound if name in names]
    place = f"step {step.name}, roles.{role}"
    if required and not found:
        what = f"bound to {', '.join(bound)}, which is" if bound else "not bound; it is"
        yield Problem(
            place,
            f"{what} none of the node's {', '.join(names) or 'datasets (it has none)'}",
            f"name it in azureml.yml: roles: {{{role}: NAME}}",
        )
    elif role in {"training_data", "validation_data", "automl_settings"} and len(found) > 1:
        yield Problem(
            place, f"bound to {' and '.join(found)}, and can be one only", "keep one of them"
        )


def not_tabular(situation: Situation) -> Iterator[Problem]:
    """Find AutoML data that Azure ML cannot read as a table."""
    made = {port.dataset for step in situation.plan.steps for port in step.outputs}
    for step in situation.steps("automl"):
        for port in step.inputs:
            outside = port.travels == "Dataset" and port.dataset not in made
            kind = situation.project.sources.catalog.entry(port.catalog_names[0]).type
            if outside and port.dataset_type == "file":
                yield Problem(
                    f"step {step.name}, dataset {port.dataset}",
                    f"{port.role} is a registered file Dataset, which AutoML cannot read",
                    f"register it as a table: datasets: {{{port.dataset}: {{type: tabular}}}}",
                )
            elif port.role and not outside and port.file_format is None:
                yield Problem(
                    f"step {step.name}, dataset {port.dataset}",
                    f"{port.role} is {kind}, which AutoML cannot read as a table",
                    "save it as Parquet (pandas.ParquetDataset) or delimited text "
                    "(pandas.CSVDataset)",
                )


def column_missing(situation: Situation) -> Iterator[Problem]:
    """Find a label, or a column of time, that a local sample of the data does not have."""
    for step in situation.steps("automl"):
        if step.settings is None:
            continue
        wanted = {"label_column_name": step.settings.label_column_name}
        if step.settings.time_column_name:
            wanted["time_column_name"] = step.settings.time_column_name
        for port in step.inputs:
            entry = situation.project.sources.catalog.entry(port.catalog_names[0])
            columns = sample_columns(situation.project.path, entry) if port.role else None
            for setting, name in wanted.items():
                if columns is not None and name not in columns:
                    yield Problem(
                        f"step {step.name}, dataset {port.dataset}",
                        f"{setting} is '{name}', but {entry.path} has only {', '.join(columns)}",
                        f"correct {setting}, or prepare the data anew if the file is an old one",
                    )


def sample_columns(project_path: Path, entry: CatalogEntry) -> list[str] | None:
    """Return the columns of a dataset's local file; nothing where there is none to read."""
    path = project_path / (entry.path or "")
    if entry.location != "local" or not path.is_file():
        return None
    if entry.file_format == "parquet":
        import pyarrow.parquet  # noqa: PLC0415

        try:
            return list(pyarrow.parquet.read_schema(path).names)
        except (OSError, pyarrow.ArrowException):
            return None
    if entry.file_format == "delimited":
        separator = entry.config.get("load_args", {}).get("sep", ",")
        with path.open(newline="", encoding="utf-8", errors="replace") as lines:
            return next(csv.reader(lines, delimiter=separator), None)
    return None


def wrong_settings(situation: Situation) -> Iterator[Problem]:
    """Find AutoML settings that AutoMLConfig would refuse."""
    from local_automl.settings import SettingsError, settings_from_mapping  # noqa: PLC0415

    for step in situation.steps("automl"):
        node = situation.project.sources.nodes[step.nodes[0]]
        for name in situation.config.roles.automl_settings:
            if name not in node.inputs:
                continue
            value = parameter_value(situation.project.sources.parameters, name)
            try:
                settings_from_mapping(value, name)
            except SettingsError as error:
                yield Problem(
                    f"step {step.name}, {name}", str(error), f"correct {name} in the parameters"
                )


def unused_environment(situation: Situation) -> Iterator[Problem]:
    """Find environments that azureml.yml gives to AutoML's nodes, where they cannot be used."""
    for step in situation.steps("automl"):
        node = situation.project.sources.nodes[step.nodes[0]]
        for index, override in enumerate(situation.config.steps):
            # one that names the node among others may be meant for those
            if override.environment and override.tag and override.applies_to(node.name, node.tags):
                yield Problem(
                    f"step {step.name}, steps.{index}.environment",
                    f"'{override.environment}' is not used: the step runs in {AUTOML_ENVIRONMENT}",
                    "take it out of azureml.yml",
                )


def model_without_runtime(situation: Situation) -> Iterator[Problem]:
    """Find steps that load Azure's model where its classes cannot be imported."""
    models = {
        port.dataset
        for step in situation.steps("automl")
        for port in step.outputs
        if port.role == "model"
    }
    roles = situation.config.roles
    # a role for AutoML's model says that what the registry holds was trained by AutoML, too
    registered = set(roles.registry) if roles.model else set()
    for step in situation.steps("script", "register"):
        read = {
            base_name(name)
            for node in step.nodes
            for name in situation.project.sources.nodes[node].inputs
        }
        loaded = sorted(read & (models | registered))
        environment = situation.config.environments[step.environment]
        curated = "automl" in (environment.curated or "").lower()
        if loaded and not curated and RUNTIME not in listed(environment):
            yield Problem(
                f"step {step.name}, environment {step.environment}",
                f"loads {loaded[0]}, a model that AutoML trained, without {RUNTIME}",
                f"add {RUNTIME} to environments.{step.environment}.pip_packages with "
                "python_version '3.10', or give the nodes such an environment under steps:",
            )
