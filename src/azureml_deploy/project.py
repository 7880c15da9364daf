"""A Kedro project opened for planning: configuration and nodes, no data and no hooks of runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from azureml_deploy.catalog import Catalog
from azureml_deploy.config import AzureMLConfig
from azureml_deploy.config_file import load_config
from azureml_deploy.cut_config import references_in
from azureml_deploy.errors import DeployError, UsageError
from azureml_deploy.planning import Sources


@dataclass(frozen=True)
class Selection:
    """Which nodes, under which configuration: `kedro run`'s own options."""

    pipelines: Sequence[str] = ()
    tags: Sequence[str] = ()
    nodes: Sequence[str] = ()
    from_nodes: Sequence[str] = ()
    to_nodes: Sequence[str] = ()
    namespaces: Sequence[str] = ()
    env: str | None = None
    conf_source: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RawConfig:
    """One kind of configuration as its files say it, `${…}` unresolved.

    Attributes:
        base: Of the base environment.
        env: Of the run's environment; empty for `conf/local`, which never travels.
    """

    base: Mapping[str, Any]
    env: Mapping[str, Any]


@dataclass(frozen=True)
class Project:
    """What of a project a plan, its snapshots and its preflight need."""

    path: Path
    package_name: str
    project_name: str
    kedro_version: str
    source_dir: Path
    sources: Sources
    raw: Mapping[str, RawConfig]
    base_env: str
    run_env: str
    runtime_params: Mapping[str, Any]
    pipeline_names: tuple[str, ...]

    @property
    def config(self) -> AzureMLConfig:
        """Return azureml.yml."""
        return self.sources.config


def open_project(metadata: Any, selection: Selection) -> Project:
    """Open a bootstrapped project.

    Args:
        metadata: Kedro's `ProjectMetadata`, which every command gets.
        selection: The command's selectors.

    Raises:
        ConfigError: azureml.yml is missing or wrong.
        UsageError: A selector names what the project does not have.
        DeployError: The project's own configuration cannot be read.
    """
    from kedro.framework.project import pipelines, settings  # noqa: PLC0415

    with warnings.catch_warnings():
        # a plan is read by people and programs; Kedro's and omegaconf's own deprecations are not
        # what they asked for
        warnings.simplefilter("ignore")
        loader = load_context(settings, metadata, selection).config_loader
        config = load_config(loader)
        registered = _registered(pipelines)
        names = tuple(selection.pipelines) or ("__default__",)
        pipeline = _select(registered, names, selection)
        catalog = _load(loader, "catalog")
        parameters = _load(loader, "parameters")
        raw = {kind: _raw(loader, kind) for kind in ("catalog", "parameters", "globals")}
    return Project(
        path=Path(metadata.project_path),
        package_name=metadata.package_name,
        project_name=metadata.project_name,
        kedro_version=metadata.kedro_init_version,
        source_dir=Path(metadata.source_dir),
        sources=Sources(
            pipeline=pipeline,
            catalog=Catalog(catalog),
            config=config,
            parameters=parameters,
            pipeline_names={
                name: frozenset(node.name for node in found.nodes)
                for name, found in registered.items()
            },
            references=references_in({**raw["parameters"].base, **raw["parameters"].env}),
        ),
        raw=MappingProxyType(raw),
        base_env=getattr(loader, "base_env", "") or "base",
        run_env=loader.env or getattr(loader, "default_run_env", "") or "local",
        runtime_params=MappingProxyType(dict(selection.params)),
        pipeline_names=names,
    )


def open_config(metadata: Any, env: str | None) -> AzureMLConfig:
    """Read azureml.yml alone, for commands that ask of runs and not of nodes.

    Args:
        metadata: Kedro's `ProjectMetadata`.
        env: The configuration's environment.

    Raises:
        ConfigError: azureml.yml is missing or wrong.
    """
    from kedro.framework.project import settings  # noqa: PLC0415

    return load_config(load_context(settings, metadata, Selection(env=env)).config_loader)


def load_context(settings: Any, metadata: Any, selection: Selection) -> Any:
    """Load the context through the project's own session class, as `kedro run` does."""
    from kedro.framework.session import KedroSession  # noqa: PLC0415

    options: dict[str, Any] = {
        "project_path": metadata.project_path,
        "env": selection.env,
        "conf_source": selection.conf_source,
    }
    runtime_params = dict(selection.params)
    if issubclass(settings.SESSION_CLASS, KedroSession):
        options |= {"runtime_params": runtime_params, "save_on_close": False}
        with settings.SESSION_CLASS.create(**options) as session:
            return session.load_context()
    with settings.SESSION_CLASS.create(**options) as session:
        return session.load_context(runtime_params)


def _registered(pipelines: Any) -> dict[str, Any]:
    try:
        return dict(pipelines)
    except Exception as error:
        raise DeployError(f"The project's pipelines cannot be made: {error}") from error


def _select(registered: Mapping[str, Any], names: Sequence[str], selection: Selection) -> Any:
    from kedro.pipeline import Pipeline  # noqa: PLC0415

    from local_automl.settings import did_you_mean  # noqa: PLC0415

    for name in names:
        if name not in registered:
            hint = did_you_mean(name, registered)
            known = ", ".join(sorted(registered))
            raise UsageError(f"--pipelines: no pipeline '{name}'{hint} (registered: {known})")
    chosen = sum((registered[name] for name in names), Pipeline([]))
    try:
        selected = chosen.filter(
            tags=selection.tags or None,
            from_nodes=selection.from_nodes or None,
            to_nodes=selection.to_nodes or None,
            node_names=selection.nodes or None,
            node_namespaces=selection.namespaces or None,
        )
    except ValueError as error:
        raise UsageError(f"The selectors leave no pipeline: {error}") from None
    if not selected.nodes:
        raise UsageError(f"Pipeline {', '.join(names)} has no nodes to plan")
    return selected


def _load(loader: Any, kind: str) -> dict[str, Any]:
    from kedro.config import MissingConfigException  # noqa: PLC0415

    try:
        return dict(loader[kind])
    except MissingConfigException:
        return {}
    except Exception as error:
        raise DeployError(f"{kind}: {error}") from None


def _raw(loader: Any, kind: str) -> RawConfig:
    """Read a kind of configuration without resolving it."""
    from omegaconf import OmegaConf  # noqa: PLC0415

    if not hasattr(loader, "_read_raw_config"):  # not an OmegaConfigLoader: nothing to resolve
        return RawConfig(_load(loader, kind), {})
    try:
        base, env, *_ = loader._read_raw_config(kind)
    except Exception:
        return RawConfig({}, {})
    merged = [
        OmegaConf.to_container(OmegaConf.unsafe_merge(*files.values()), resolve=False)
        if files
        else {}
        for files in (base, env)
    ]
    run_env = loader.env or getattr(loader, "default_run_env", "")
    return RawConfig(_plain(merged[0]), {} if run_env == "local" else _plain(merged[1]))


def _plain(value: Any) -> dict[str, Any]:
    return {str(key): part for key, part in value.items()} if isinstance(value, dict) else {}
