"""What a step declares of its Python: an environment definition as a version and requirements.

Pure: nothing is looked up or built here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from azureml_loopback.execution.step import StepFailed

DEFAULT_PYTHON = "==3.10.*"
"""Where an environment names no Python."""

NOT_PACKAGES = frozenset({"python", "pip"})
"""Conda packages that make the environment itself and are not installed into it."""

PYPI_NAMES: Mapping[str, str] = {"pytorch": "torch", "py-xgboost": "xgboost"}
"""Conda's name -> PyPI's, where the package is the same and the name is not."""

PUBLIC_INDEX_HOSTS = frozenset({"pypi.org", "pypi.python.org"})
"""The index that every machine has, by whatever address it reaches it."""

_CONDA = re.compile(
    r"(?:[\w.-]+::)?(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<version>[=<>!~][^\[\]|]*|(?<=\s)\d[^\[\]|]*)?"
)
_FUZZY = re.compile(r"=\s*(?P<version>[^=<>!~,\s]+)(?:[=\s]\s*\S+)?")
_EXACT = re.compile(r"(?:==)?\s*(?P<version>\d[^=<>!~,\s]*)(?:[=\s]\s*\S+)?")
_PATCH = re.compile(r"==(\d+\.\d+)\.\d+(\.\*)?")


class EnvironmentBuildError(StepFailed):
    """A step's environment cannot be had; names it, what is wrong with it, and the remedy."""


@dataclass(frozen=True)
class DeclaredEnvironment:
    """An environment as it is declared, in pip's terms.

    Attributes:
        name: The environment's name.
        python: Version specifier of its Python.
        conda: Requirements from the conda section, which are installed first.
        pip: Lines from the pip section, options included, which may change what conda's brought.
    """

    name: str
    python: str = DEFAULT_PYTHON
    conda: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()


def declared_environment(definition: Mapping[str, Any]) -> DeclaredEnvironment:
    """Read an environment definition, as a run configuration or the environment service has it.

    Raises:
        EnvironmentBuildError: It leaves its packages to a Docker image, or holds a conda package
            that has no equal in pip's terms.
    """
    name = str(definition.get("name") or "unnamed")
    python = definition.get("python") or {}
    if python.get("userManagedDependencies"):
        raise EnvironmentBuildError(
            f"Environment '{name}' leaves its packages to its Docker image "
            "(python.user_managed_dependencies), and images are not run here; declare them in "
            "python.conda_dependencies, or start the service without --isolated"
        )
    dependencies = (python.get("condaDependencies") or {}).get("dependencies") or []
    try:
        return _declared(name, dependencies)
    except ValueError as error:
        raise EnvironmentBuildError(f"Environment '{name}': {error}") from None


def any_patch(specifier: str) -> str:
    """Return a Python version without its patch level, which no program depends on."""
    return _PATCH.sub(r"==\1.*", specifier)


def _declared(name: str, dependencies: Iterable[Any]) -> DeclaredEnvironment:
    entries = list(dependencies)
    conda = dict(_conda(str(entry)) for entry in entries if not isinstance(entry, Mapping))
    sections = [entry for entry in entries if isinstance(entry, Mapping)]
    unknown = sorted({key for section in sections for key in section} - {"pip"})
    if unknown:
        raise ValueError(f"section '{unknown[0]}' of its dependencies is unknown; there is: pip")
    lines = [str(line).strip() for section in sections for line in section["pip"] or []]
    return DeclaredEnvironment(
        name,
        python=conda.get("python") or DEFAULT_PYTHON,
        conda=tuple(
            PYPI_NAMES.get(package, package) + version
            for package, version in conda.items()
            if package not in NOT_PACKAGES
        ),
        pip=tuple(line for line in lines if line and not _names_public_index(line)),
    )


def _conda(entry: str) -> tuple[str, str]:
    """Return a conda package's name and its version as pip writes it."""
    match = _CONDA.fullmatch(entry.strip())
    version = _version((match["version"] or "").strip()) if match else None
    if match is None or version is None:
        raise ValueError(
            f"conda package '{entry}' is not understood; write it as NAME, NAME=VERSION or "
            "NAME>=VERSION, or move it to the pip section"
        )
    return match["name"].lower(), version


def _version(text: str) -> str | None:
    if not text:
        return ""
    fuzzy, exact = _FUZZY.fullmatch(text), _EXACT.fullmatch(text)
    if fuzzy:  # conda's single = takes whatever begins so
        text = f"=={fuzzy['version'].removesuffix('*').removesuffix('.')}.*"
    elif exact:
        text = f"=={exact['version']}"
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        return None


def _names_public_index(line: str) -> bool:
    """Say whether a line only names PyPI, which the machine may reach by an address of its own."""
    words = shlex.split(line)
    hosts = {urlsplit(word.partition("=")[2] or word).hostname for word in words[:2]}
    return line.startswith("-") and bool(hosts & PUBLIC_INDEX_HOSTS)
