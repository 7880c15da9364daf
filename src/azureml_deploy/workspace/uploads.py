"""Files as registered Datasets: uploaded once, a new version only where paths or content changed.

The files' digest is a tag of the version and a part of their path on the datastore. So an upload
that broke off is done again to the same place, and nothing is registered before it is complete.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from azureml_deploy.catalog import CatalogEntry
from azureml_deploy.deployment import Deployment
from azureml_deploy.errors import ConfigError, ServiceError
from azureml_deploy.service_errors import Patience
from azureml_deploy.workspace.found import Found, State
from azureml_deploy.workspace.upload_source import Source, Table, column_kinds, source_of

DIGEST_TAG = "content_sha256"
"""Tag of a registered version: the digest of the files that it was made from."""


def find_datasets(
    workspace: Any, deployment: Deployment, patience: Patience, *, create: bool = True
) -> Iterator[Found]:
    """Find or register the Datasets that steps read and no step makes.

    Args:
        workspace: The workspace.
        deployment: What is deployed.
        patience: With the service.
        create: Whether to make what is missing.

    Yields:
        Each as soon as it is there.
    """
    project = deployment.project
    entering = {
        crossing.dataset: None
        for crossing in deployment.plan.crossings
        if crossing.travels == "Dataset" and crossing.from_step is None
    }
    for key in entering:
        table = _table(project.sources.catalog.entry(key))
        source = source_of(project.path, key, project.config.datasets[key], table)
        yield find_or_register(workspace, source, patience, create=create)


def find_or_register(
    workspace: Any, source: Source, patience: Patience, *, create: bool = True
) -> Found:
    """Return the registered version of a Dataset's files; make it where there is none.

    Args:
        workspace: The workspace.
        source: The files; without any, the Dataset is found by its name alone.
        patience: With the service.
        create: Whether to make what is missing.

    Raises:
        ConfigError: It has no paths and is not registered.
        ServiceError: The service failed.
    """
    latest = find_by_name(workspace, source.name, patience)
    if not (source.local or source.urls):
        if latest is None:
            raise ConfigError(
                f"datasets.{source.key}: there is no Dataset '{source.name}' in workspace "
                f"{workspace.name}, and no paths say what to register"
            )
        return _found(source, latest, "found", "by its name")
    if latest is not None:
        same = _version_of(workspace, latest, source, patience)
        if same is not None:
            return _found(source, same, "found", f"its content is unchanged: {source.contents}")
        if not source.create_new_version:
            return _found(source, latest, "found", "create_new_version is off: changed files stay")
    if not create:
        return Found("dataset", source.key, source.name, "missing", source.contents)
    made = patience.ask(f"Registering dataset '{source.name}'", _register, workspace, source)
    return _found(source, made, "created", source.contents)


def find_by_name(workspace: Any, name: str, patience: Patience) -> Any:
    """Return the latest version of a registered Dataset; nothing if there is none."""
    from azureml.core import Dataset  # noqa: PLC0415

    try:
        return patience.ask(f"Looking for dataset '{name}'", Dataset.get_by_name, workspace, name)
    except ServiceError as error:
        if "Cannot find dataset" in str(error):
            return None
        raise


def _table(entry: CatalogEntry) -> Table | None:
    if entry.file_format is None:
        return None
    load_args = entry.config.get("load_args", {})
    by_pandas = entry.type.endswith("pandas.CSVDataset")
    return Table(entry.file_format, load_args.get("sep", ","), load_args if by_pandas else None)


def _found(source: Source, dataset: Any, state: State, detail: str) -> Found:
    return Found(
        "dataset", source.key, source.name, state, detail, str(dataset.version), value=dataset
    )


def _version_of(workspace: Any, latest: Any, source: Source, patience: Patience) -> Any:
    """Return the version that has the same content; the latest is asked first, having most."""
    from azureml.core import Dataset  # noqa: PLC0415

    for number in range(int(latest.version), 0, -1):
        dataset = latest
        if number != int(latest.version):
            dataset = patience.ask(
                f"Reading version {number} of dataset '{source.name}'",
                Dataset.get_by_name,
                workspace,
                source.name,
                version=number,
            )
        if (dataset.tags or {}).get(DIGEST_TAG) == source.digest:
            return dataset
    return None


def _register(workspace: Any, source: Source) -> Any:
    from azureml.core import Dataset  # noqa: PLC0415

    datastore = workspace.get_default_datastore()
    places: list[Any] = list(source.urls)
    for local in source.local:
        place = PurePosixPath(source.folder, local.place)
        _upload(local.path, datastore, place)
        pattern = place if local.path.is_file() else place / "**"
        places.append((datastore, pattern.as_posix()))
    if source.table is None:
        dataset = Dataset.File.from_files(places)
    elif source.table.file_format == "parquet":
        dataset = Dataset.Tabular.from_parquet_files(places)
    else:
        types = _column_types(source)
        dataset = Dataset.Tabular.from_delimited_files(
            places,
            separator=source.table.separator,
            infer_column_types=not types,
            set_column_types=types or None,
        )
    return dataset.register(
        workspace,
        source.name,
        description=source.description,
        tags={DIGEST_TAG: source.digest},
        create_new_version=True,
    )


def _column_types(source: Source) -> dict[str, Any]:
    from azureml.data import DataType  # noqa: PLC0415

    makers = {
        "long": DataType.to_long,
        "float": DataType.to_float,
        "bool": DataType.to_bool,
        "string": DataType.to_string,
    }
    return {name: makers[kind]() for name, kind in column_kinds(source).items()}


def _upload(path: Path, datastore: Any, place: PurePosixPath) -> None:
    """Upload a file or a folder to its place."""
    from azureml.core import Dataset  # noqa: PLC0415

    is_file = path.is_file()
    Dataset.File.upload_directory(
        src_dir=str(path.parent if is_file else path),
        target=(datastore, (place.parent if is_file else place).as_posix()),
        # it takes folders only, and a pattern for what is meant in one
        pattern=glob.escape(path.as_posix()) if is_file else None,
        overwrite=True,
        show_progress=False,
    )
