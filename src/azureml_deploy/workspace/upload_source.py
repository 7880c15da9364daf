"""What a registered Dataset is made of: files of this machine by their content, and addresses."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from azureml_deploy.config import RegisteredDataset
from azureml_deploy.errors import ConfigError
from azureml_deploy.wording import many, size_text

UPLOADS = "kedro-azureml"
"""Folder of the default datastore that files are uploaded to."""

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_BLOCK = 1 << 20
_KINDS: Mapping[str, str] = {"i": "long", "u": "long", "f": "float", "b": "bool"}


@dataclass(frozen=True)
class Table:
    """How the text or Parquet files of a tabular Dataset are read.

    Attributes:
        file_format: Which of the two.
        separator: Between columns of text.
        load_args: How the catalog has pandas read them; nothing where it does not.
    """

    file_format: Literal["parquet", "delimited"]
    separator: str = ","
    load_args: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class LocalPath:
    """A file or a folder of this machine.

    Attributes:
        path: Where it is.
        place: Where it goes, below the upload's own folder; empty for that folder itself.
    """

    path: Path
    place: str

    @cached_property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """Return each file with its place, in a fixed order."""
        if self.path.is_file():
            return ((self.place, self.path),)
        found = sorted(path for path in self.path.rglob("*") if path.is_file())
        return tuple(
            (f"{self.place}/{path.relative_to(self.path).as_posix()}".lstrip("/"), path)
            for path in found
        )


@dataclass(frozen=True)
class Source:
    """What a Dataset is made of.

    Attributes:
        key: Its name in the catalog.
        name: The name that it is registered under.
        local: What is uploaded.
        urls: Files that are on the web or in a storage already.
        description: For people.
        create_new_version: Whether changed files become a new version.
        table: How it is read; nothing for a file Dataset.
    """

    key: str
    name: str
    local: tuple[LocalPath, ...]
    urls: tuple[str, ...]
    description: str | None
    create_new_version: bool
    table: Table | None

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """Return all files with their places."""
        return tuple(file for local in self.local for file in local.files)

    @cached_property
    def digest(self) -> str:
        """Return the digest of all that makes a version another one."""
        total = hashlib.sha256()
        for place, path in self.files:
            total.update(f"file\0{place}\0{_digest_of(path)}\n".encode())
        for url in self.urls:
            total.update(f"url\0{url}\n".encode())
        if self.table:
            total.update(f"table\0{self.table.file_format}\0{self.table.separator}\n".encode())
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
        local=tuple(_local(project_path, key, local)),
        urls=tuple(path for path in dataset.paths if _URL.match(path)),
        description=dataset.description,
        create_new_version=dataset.create_new_version,
        table=table if dataset.type == "tabular" else None,
    )


def column_kinds(source: Source) -> dict[str, str]:
    """Return of each column of text what pandas reads it as: long, float, bool or string.

    The SDK would guess it from the first rows, and make the rest nothing where it guessed wrong.

    Args:
        source: Files that the catalog has pandas read; of others, no column is known.
    """
    if source.table is None or source.table.load_args is None or source.urls:
        return {}
    import pandas as pd  # noqa: PLC0415

    kinds: dict[str, set[str]] = {}
    for _, path in source.files:
        frame = pd.read_csv(path, **source.table.load_args)
        for name, dtype in frame.dtypes.items():
            kinds.setdefault(str(name), set()).add(_KINDS.get(dtype.kind, "string"))
    return {name: _common(found) for name, found in kinds.items()}


def _common(kinds: set[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    return "float" if kinds == {"long", "float"} else "string"


def _local(project_path: Path, key: str, texts: Sequence[str]) -> Iterator[LocalPath]:
    """Yield each path with its place below what all have in common."""
    paths = [(project_path / text).absolute() for text in texts]
    folders = [path.parent if path.is_file() else path for path in paths]
    root = Path(os.path.commonpath(folders)) if folders else project_path
    for text, path in zip(texts, paths, strict=True):
        place = path.relative_to(root).as_posix()
        local = LocalPath(path, "" if place == "." else place)
        if not local.files:
            raise ConfigError(f"datasets.{key}.paths: {text} has no file (looked in {path})")
        yield local


def _digest_of(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()
