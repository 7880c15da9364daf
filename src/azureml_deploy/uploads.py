"""Files as registered Datasets: uploaded once, a new version only where paths or content changed.

The files' digest is a tag of the version and a part of their path on the datastore. So an upload
that broke off is done again to the same place, and nothing is registered before it is complete.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from azureml_deploy.catalog import CatalogEntry
from azureml_deploy.config import RegisteredDataset
from azureml_deploy.deployment import Deployment
from azureml_deploy.errors import ConfigError, ServiceError
from azureml_deploy.found import Found, State
from azureml_deploy.service_errors import Patience
from azureml_deploy.wording import many, size_text

DIGEST_TAG = "content_sha256"
UPLOADS = "kedro-azureml"
"""Folder of the default datastore that files are uploaded to."""

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class Table:
    """How the text or Parquet files of a tabular Dataset are read."""

    file_format: Literal["parquet", "delimited"]
    separator: str = ","


@dataclass(frozen=True)
class Source:
    """What a Dataset is made of.

    Attributes:
        key: Its name in the catalog.
        name: The name that it is registered under.
        files: Files of this machine by their path below the upload.
        urls: Files that are on the web or in a storage already.
        description: For people.
        create_new_version: Whether changed files become a new version.
        table: How it is read; nothing for a file Dataset.
    """

    key: str
    name: str
    files: tuple[tuple[str, Path], ...]
    urls: tuple[str, ...]
    description: str | None
    create_new_version: bool
    table: Table | None

    @cached_property
    def digest(self) -> str:
        """Return the digest of all that makes a version another one."""
        total = hashlib.sha256()
        for name, path in self.files:
            total.update(f"file\0{name}\0{_digest_of(path)}\n".encode())
        for url in self.urls:
            total.update(f"url\0{url}\n".encode())
        total.update(f"{self.table}".encode())
        return total.hexdigest()

    @property
    def folder(self) -> str:
        """Return where its files go on the datastore."""
        return f"{UPLOADS}/{self.name}/{self.digest[:20]}"

    @property
    def contents(self) -> str:
        """Say what it holds."""
        size = sum(path.stat().st_size for _, path in self.files)
        parts = [f"{many(len(self.files), 'file')}, {size_text(size)}"] if self.files else []
        return ", ".join([*parts, *self.urls])


def source_of(
    project_path: Path, key: str, dataset: RegisteredDataset, table: Table | None
) -> Source:
    """Look up the files of a Dataset.

    Args:
        project_path: What its paths are relative to.
        key: Its name in the catalog.
        dataset: What azureml.yml says of it.
        table: How a tabular Dataset is read.

    Raises:
        ConfigError: A path has no file, or a tabular Dataset's format is not known.
    """
    if dataset.type == "tabular" and table is None:
        raise ConfigError(
            f"datasets.{key}: type is tabular, but the catalog entry is neither Parquet nor "
            "delimited text; use type: file"
        )
    local = [path for path in dataset.paths if not _URL.match(path)]
    return Source(
        key=key,
        name=dataset.name or key,
        files=tuple(_files(project_path, key, local)),
        urls=tuple(path for path in dataset.paths if _URL.match(path)),
        description=dataset.description,
        create_new_version=dataset.create_new_version,
        table=table if dataset.type == "tabular" else None,
    )


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
    if not (source.files or source.urls):
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
    return Table(entry.file_format, entry.config.get("load_args", {}).get("sep", ","))


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
    for name, path in source.files:
        # upload_directory takes a folder, and a pattern for what is meant in it
        below = Path(name).parent
        root = path.parents[len(Path(name).parts) - 1]
        Dataset.File.upload_directory(
            src_dir=str(root / below),
            target=(datastore, (Path(source.folder) / below).as_posix()),
            pattern=glob.escape(path.as_posix()),
            overwrite=True,
            show_progress=False,
        )
    places = [*((datastore, f"{source.folder}/{name}") for name, _ in source.files), *source.urls]
    if source.table is None:
        dataset = Dataset.File.from_files(places)
    elif source.table.file_format == "parquet":
        dataset = Dataset.Tabular.from_parquet_files(places)
    else:
        dataset = Dataset.Tabular.from_delimited_files(places, separator=source.table.separator)
    return dataset.register(
        workspace,
        source.name,
        description=source.description,
        tags={DIGEST_TAG: source.digest},
        create_new_version=True,
    )


def _files(project_path: Path, key: str, paths: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Yield each file with its path below what the paths have in common."""
    found: list[Path] = []
    roots: list[Path] = []
    for text in paths:
        path = (project_path / text).absolute()
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        if not files:
            raise ConfigError(f"datasets.{key}.paths: {text} has no file (looked in {path})")
        found += files
        roots.append(path.parent if path.is_file() else path)
    root = Path(os.path.commonpath(roots)) if roots else project_path
    return ((file.relative_to(root).as_posix(), file) for file in found)


def _digest_of(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()
