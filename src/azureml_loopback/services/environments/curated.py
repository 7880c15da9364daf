"""The environments that a workspace has from the start, as Azure keeps them for everybody.

Their packages are Azure's own lists, shortened to what a step can miss; their images are named and
never pulled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from azureml_loopback.store import Document

RESERVED = ("azureml-", "microsoft")
"""No name of a user's own may begin so, in whatever letter case."""
VERSION = "1"
"""The only version of each."""
LABELS = ("latest", "prod")
"""What that version is labelled."""

_CPU = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
_GPU = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04"
_DATA = ("azureml-core~=1.61.0", "azureml-dataset-runtime[fuse,pandas]~=1.62.0")
_AUTOML = (*_DATA, "azureml-train-automl-runtime~=1.62.0", "azureml-mlflow~=1.62.0")

_SKLEARN = (*_DATA, "scikit-learn", "pandas", "matplotlib", "joblib")
"""Without the old versions, which no Python that this SDK runs on can install."""


def _environment(
    name: str, pip: Sequence[str], conda: Sequence[str] = (), image: str = _CPU
) -> Document:
    return {
        "name": name,
        "version": VERSION,
        "environmentVariables": {},
        "python": {
            "interpreterPath": "python",
            "userManagedDependencies": False,
            "condaDependencies": {
                "name": "project_environment",
                "channels": ["conda-forge"],
                "dependencies": ["python=3.10", "pip", *conda, {"pip": list(pip)}],
            },
        },
        "docker": {
            "baseImage": None,
            "baseDockerfile": f"FROM {image}\n",
            "platform": {"os": "Linux", "architecture": "amd64"},
        },
        "spark": {"repositories": [], "packages": [], "precachePackages": True},
    }


ENVIRONMENTS: Mapping[str, Document] = {
    environment["name"]: environment
    for environment in (
        _environment("AzureML-Minimal", _DATA),
        _environment(
            "AzureML-Tutorial",
            (*_AUTOML, "azureml-pipeline~=1.62.0", "azureml-interpret~=1.62.0"),
            ("pandas", "numpy", "tqdm", "scikit-learn", "matplotlib"),
        ),
        _environment("AzureML-sklearn-1.5", (*_DATA, "scikit-learn~=1.5.0", "matplotlib")),
        # retired in Azure, and still what its samples for this SDK name
        _environment("AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", _SKLEARN),
        _environment("AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", _SKLEARN),
        _environment("AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu", (*_SKLEARN, "lightgbm")),
        _environment("AzureML-AutoML", _AUTOML),
        _environment("AzureML-AutoML-DNN", (*_AUTOML, "torch")),
        _environment("AzureML-AutoML-GPU", _AUTOML, image=_GPU),
        _environment("AzureML-AutoML-DNN-GPU", (*_AUTOML, "torch"), image=_GPU),
    )
}
"""Name -> definition."""
