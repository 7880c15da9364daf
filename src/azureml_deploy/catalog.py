"""The catalog as configuration: what each dataset is, with nothing imported or opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Literal

import parse  # type: ignore[import-untyped]
from kedro.io import CatalogConfigResolver

Location = Literal["memory", "local", "remote", "service"]

PATH_KEYS = ("filepath", "path", "filename")
"""Keys that hold a path, as `kedro.framework.context` has them."""

_MEMORY = ("MemoryDataset", "SharedMemoryDataset")
_PROTOCOL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")
_RUNTIME_PATTERN = "{default}"


@dataclass(frozen=True)
class CatalogEntry:
    """One dataset as the catalog describes it.

    Attributes:
        name: Dataset, with its transcoding.
        type: Class as it is written; `MemoryDataset` where there is no entry.
        config: The entry, a factory's placeholders filled in.
        pattern: The dataset factory that it comes from.
    """

    name: str
    type: str
    config: Mapping[str, Any]
    pattern: str | None = None

    @cached_property
    def path_key(self) -> str | None:
        """Return the key that holds its path."""
        return next((key for key in PATH_KEYS if isinstance(self.config.get(key), str)), None)

    @cached_property
    def path(self) -> str | None:
        """Return its path as it is written."""
        return self.config[self.path_key] if self.path_key else None

    @cached_property
    def location(self) -> Location:
        """Return where it is: in memory, in a file here, at a URL, or in some service."""
        if self.type.rpartition(".")[2] in _MEMORY:
            return "memory"
        if self.path is None:
            return "service"
        remote = _PROTOCOL.match(self.path) and not self.path.startswith("file:")
        return "remote" if remote else "local"

    @cached_property
    def file_name(self) -> str:
        """Return the name of its file; empty where it is a folder."""
        if self.path is None or self.path_key == "path":
            return ""
        return PurePosixPath(self.path.replace("\\", "/")).name

    @cached_property
    def file_format(self) -> Literal["parquet", "delimited"] | None:
        """Return how Azure ML reads it as a table, if it can."""
        kind = self.type.rpartition(".")[2].lower()
        suffix = PurePosixPath(self.file_name).suffix.lower()
        declared = str(self.config.get("file_format", "")).lower()
        if "parquet" in kind or declared == "parquet" or suffix == ".parquet":
            return "parquet"
        if "csv" in kind or declared == "csv" or suffix in {".csv", ".tsv"}:
            return "delimited"
        return None


class _AnyCredentials(dict[str, Any]):
    """Credentials of any name: a plan needs none, and must not fail for want of them."""

    def __missing__(self, name: str) -> str:
        return name


@dataclass(frozen=True)
class Catalog:
    """The entries by dataset name, factories included."""

    config: Mapping[str, Any]
    _known: dict[str, CatalogEntry] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compile the factories once: Kedro compiles them anew for each dataset."""
        credentials = _AnyCredentials({"": ""})
        resolver = CatalogConfigResolver(
            dict(self.config), credentials, {_RUNTIME_PATTERN: {"type": "MemoryDataset"}}
        )
        patterns = [(p, parse.compile(p)) for p in resolver.list_patterns()]
        object.__setattr__(self, "_patterns", patterns)

    def entry(self, name: str) -> CatalogEntry:
        """Return what a dataset is, as `DataCatalog` would find it."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> CatalogEntry:
        pattern, config = None, self.config.get(name)
        if config is None:
            patterns: list[tuple[str, Any]] = self._patterns  # type: ignore[attr-defined]
            matches = ((p, match) for p, compiled in patterns if (match := compiled.parse(name)))
            pattern, match = next(matches)
            config = _fill(self.config.get(pattern, {}), match.named)
        if pattern == _RUNTIME_PATTERN and pattern not in self.config:
            pattern = None
        kind = config.get("type", "MemoryDataset")
        if str(kind).rpartition(".")[2] == "CachedDataset" and isinstance(config["dataset"], dict):
            config = config["dataset"]
            kind = config["type"]
        text = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        return CatalogEntry(name, text, MappingProxyType(dict(config)), pattern)


def _fill(value: Any, named: Mapping[str, str]) -> Any:
    """Put the matched parts of a dataset's name in the place of a factory's placeholders."""
    if isinstance(value, Mapping):
        return {key: _fill(part, named) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_fill(part, named) for part in value]
    return value.format_map(named) if isinstance(value, str) and "}" in value else value


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a value of a configuration file."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from strings(part)
