"""The scoring pipeline of a project, opened with the model that it is to serve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from azureml_deploy.config import Serving
from azureml_deploy.datasets import ModelFolderDataset
from azureml_deploy.errors import ConfigError, UsageError
from azureml_deploy.pickles import MissingPackagesError
from azureml_deploy.project import Project, Selection, load_context, open_config, open_project
from azureml_deploy.remote.scorer import Scorer, ScoringError, quiet_kedro
from azureml_deploy.serving.models import ServedModel

_NO_FRAME = ("polars", "spark", "dask", "ibis")
"""Dataset modules whose nodes take another kind of table than the one made of a request."""


@dataclass(frozen=True)
class ServingProject:
    """A project opened for its scoring pipeline.

    Attributes:
        project: Planned with the scoring pipeline's nodes.
        serving: azureml.yml's ``serving``.
        registry: The dataset that the pipeline reads the model from.
    """

    project: Project
    serving: Serving
    registry: str


def open_serving(metadata: Any, selection: Selection) -> ServingProject:
    """Open a project for serving.

    Args:
        metadata: Kedro's `ProjectMetadata`.
        selection: Environment and parameters; its pipelines are replaced by ``serving.pipeline``.

    Raises:
        ConfigError: azureml.yml does not say what to serve, or what it names does not fit.
    """
    serving = open_config(metadata, selection.env).serving
    if serving is None:
        raise ConfigError(
            "azureml.yml: has no serving, which says what answers requests. Add:\n"
            "serving: {pipeline: NAME, request: DATASET, response: DATASET}"
        )
    project = open_project(metadata, replace(selection, pipelines=(serving.pipeline,)))
    entry = project.sources.catalog.entry(serving.request)
    if any(f"{name}." in entry.type for name in _NO_FRAME):
        raise ConfigError(
            f"serving.request: '{serving.request}' is a {entry.type}, and a request becomes a "
            "pandas table; name an environment (--env) whose catalog loads it with pandas"
        )
    inputs = project.sources.pipeline.inputs()
    models = sorted(inputs & set(project.config.roles.registry))
    if len(models) != 1:
        raise ConfigError(
            f"serving.pipeline: '{serving.pipeline}' must read one dataset of roles.registry "
            f"({', '.join(project.config.roles.registry) or 'none'}); it reads: "
            f"{', '.join(sorted(inputs))}"
        )
    return ServingProject(project, serving, models[0])


def open_scorer(
    metadata: Any,
    selection: Selection,
    opened: ServingProject,
    downloaded: tuple[Path, ServedModel] | None = None,
) -> tuple[Scorer, ServedModel]:
    """Load model and pipeline.

    Args:
        metadata: Kedro's `ProjectMetadata`.
        selection: What the project was opened with.
        opened: The project.
        downloaded: A registered version and its folder; without one, the catalog's own champion.

    Returns:
        The scorer, and what it serves.

    Raises:
        UsageError: There is no champion.
        ConfigError: The pipeline cannot be served.
    """
    from kedro.framework.project import settings  # noqa: PLC0415
    from kedro.io import DatasetError  # noqa: PLC0415

    catalog = load_context(settings, metadata, selection).catalog
    quiet_kedro()
    try:
        model = _load_model(catalog, opened, downloaded)
        roles = opened.serving.model_dump(include={"request", "response", "row_key"})
        pipeline = opened.project.sources.pipeline
        scorer = Scorer(pipeline, catalog, **roles, loaded={opened.registry: model})
    except (ScoringError, DatasetError) as error:
        raise ConfigError(f"serving: {_reason(error, opened)}") from error
    return scorer, downloaded[1] if downloaded else _champion(opened, model)


def _load_model(
    catalog: Any, opened: ServingProject, downloaded: tuple[Path, ServedModel] | None
) -> Any:
    if downloaded is not None:
        folder, served = downloaded
        source = f"model {served.name} version {served.version} of {served.source}"
        return ModelFolderDataset(model_path=str(folder), source=source).load()
    model = catalog.load(opened.registry)
    if model is None:
        raise UsageError(
            f"There is no champion to serve: '{opened.registry}' of the catalog has none. "
            "Train and register one (kedro run), or name a workspace's model: MODEL:VERSION"
        )
    return model


def _champion(opened: ServingProject, model: Any) -> ServedModel:
    entry = opened.project.sources.catalog.entry(opened.registry)
    return ServedModel(
        name=str(entry.config.get("model_name", opened.registry)),
        version=str(model.get("version", "?")) if isinstance(model, dict) else "?",
        source=f"'{opened.registry}' of the catalog",
    )


def _reason(error: Exception, opened: ServingProject) -> str:
    """Say why, and where a model can be served whose packages this environment cannot have."""
    cause = error.__cause__ or error
    if not isinstance(cause, MissingPackagesError | ImportError):
        return str(error if isinstance(error, ScoringError) else cause)
    return (
        f"the model needs packages that are not here ({cause}). It is served in environment "
        f"'{environment_of(opened)}' of azureml.yml: kedro azureml serve --to FOLDER writes what "
        "Model.deploy takes"
    )


def environment_of(opened: ServingProject) -> str:
    """Return the environment, by its name in azureml.yml, that an endpoint runs in."""
    return opened.serving.environment or opened.project.config.default.environment
