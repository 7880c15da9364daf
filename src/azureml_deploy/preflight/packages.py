"""Which packages an environment has, as far as that can be known here."""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Iterable, Mapping

from azureml_deploy.config import Environment

IMPORT_NAMES: Mapping[str, str] = {
    "azureml": "azureml-core",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "kedro_datasets": "kedro-datasets",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Import name -> distribution, where the two differ and the package may not be installed here."""

PROVIDED: Mapping[str, tuple[str, ...]] = {
    "azureml-train-automl-runtime": (
        *(
            "azureml-core",
            "azureml-dataset-runtime",
            "azureml-mlflow",
            "azureml-train-automl-client",
        ),
        *(
            "dask",
            "joblib",
            "lightgbm",
            "numpy",
            "pandas",
            "psutil",
            "pyarrow",
            "pydantic",
            "pyyaml",
        ),
        *("requests", "scikit-learn", "scipy", "shap", "statsmodels", "tqdm"),
    ),
    "azureml-defaults": ("azureml-core", "azureml-dataset-runtime"),
    "azureml-dataset-runtime": ("azureml-dataprep", "numpy", "pyarrow"),
    "azureml-sdk": ("azureml-core", "azureml-dataset-runtime", "azureml-pipeline"),
}
"""What packages bring that need not be installed here; read off what
azureml-train-automl-runtime 1.62.0 and azureml-defaults 1.61.0 resolve to with Python 3.10."""

DATASET_PACKAGES: Mapping[str, str] = {
    "geopandas": "geopandas",
    "matplotlib": "matplotlib",
    "networkx": "networkx",
    "pandas": "pandas",
    "pillow": "PIL",
    "plotly": "plotly",
    "polars": "polars",
    "spark": "pyspark",
    "tensorflow": "tensorflow",
    "yaml": "yaml",
}
"""Module of kedro_datasets -> the package that its datasets import."""


_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)")


def listed(environment: Environment) -> frozenset[str]:
    """Return the distributions that an environment names itself, by normalised name."""
    return frozenset(name for name, _ in _requirements(environment))


def lacking(environment: Environment, distributions: Iterable[str]) -> frozenset[str]:
    """Return which distributions neither the environment nor its packages' requirements bring.

    Requirements are followed as far as the packages are installed here. Conditions on Python and
    platform are taken to hold, so what is doubtful counts as there.
    """
    missing = set(distributions)
    pending = list(_requirements(environment))
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending and missing:
        name, extras = pending.pop(0)
        if (name, extras) not in seen:
            seen.add((name, extras))
            missing.discard(name)
            missing.difference_update(PROVIDED.get(name, ()))
            pending.extend(
                (wanted, its_extras)
                for wanted, its_extras, condition in _requires(name)
                if condition is None or condition in extras
            )
    return frozenset(missing)


def distribution_of(package: str) -> str:
    """Return the distribution that an import name belongs to."""
    if package in IMPORT_NAMES:
        return IMPORT_NAMES[package]
    name = normalise(package)
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        # slow, since it reads what every installed distribution holds
        return normalise(_installed().get(package, [name])[0])
    return name


def normalise(name: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def _installed() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def _requirements(environment: Environment) -> Iterable[tuple[str, frozenset[str]]]:
    for text in (*environment.conda_packages, *environment.pip_packages):
        if found := _REQUIREMENT.match(text):
            yield _name_and_extras(found)


@functools.cache
def _requires(name: str) -> tuple[tuple[str, frozenset[str], str | None], ...]:
    """Return an installed distribution's requirements, each with the extra that asks for it.

    Read by pattern: the standard library's parser takes a second for AutoML's two hundred packages.
    """
    try:
        metadata = importlib.metadata.distribution(name).read_text("METADATA") or ""
    except importlib.metadata.PackageNotFoundError:
        return ()
    header = metadata.partition("\n\n")[0]
    found = []
    for line in header.splitlines():
        if line.startswith("Requires-Dist:"):
            text = line.partition(":")[2]
            requirement = _REQUIREMENT.match(text)
            extra = _EXTRA.search(text)
            if requirement:
                asked = extra.group(1) if extra else None
                found.append((*_name_and_extras(requirement), asked))
    return tuple(found)


def _name_and_extras(found: re.Match[str]) -> tuple[str, frozenset[str]]:
    extras = (found.group(2) or "").split(",")
    return normalise(found.group(1)), frozenset(extra.strip() for extra in extras if extra)
