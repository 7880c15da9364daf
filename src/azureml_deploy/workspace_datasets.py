"""Catalog entries that read a workspace, and what `kedro azureml results` brought from it.

Travels with the steps that read by them: an entry is the same on this machine and on the cluster.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from azureml_deploy.datasets import current_run, current_workspace, read_version
from azureml_deploy.pickles import MissingPackagesError, load_pickle
from azureml_deploy.service_errors import status_of

LATEST = "latest"


class _ReadOnly(AbstractDataset[Any, Any]):
    """What is read here is written by others."""

    def save(self, data: Any) -> None:
        """Refuse."""
        raise DatasetError(f"{type(self).__name__} is read only")


class RegisteredDataset(_ReadOnly):
    """A registered Dataset of the workspace, of one version or the latest.

    A tabular one loads as a pandas frame. Of a file one, each file is loaded as ``dataset`` says;
    several give a mapping by their path. Example catalog entry::

        azureml_titanic:
          type: azureml_deploy.workspace_datasets.RegisteredDataset
          name: titanic_ds
          version: 1
          dataset: pandas.CSVDataset
    """

    def __init__(
        self,
        *,
        name: str,
        version: int | str = LATEST,
        dataset: str | dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the Dataset; nothing is asked of the workspace yet.

        Args:
            name: The name that it is registered under.
            version: Its number, or ``latest``.
            dataset: How a file is loaded, as in a catalog, without a path.
            metadata: Kedro's free metadata.
        """
        self._name, self._version, self._dataset = name, version, dataset
        self.metadata = metadata

    def load(self) -> Any:
        """Return its rows, or what its files hold."""
        from azureml.core import Dataset  # noqa: PLC0415

        found = Dataset.get_by_name(current_workspace(), self._name, version=self._version)
        if hasattr(found, "to_pandas_dataframe"):
            return found.to_pandas_dataframe()
        with tempfile.TemporaryDirectory() as folder:
            found.download(folder, overwrite=True)
            return _load_files(Path(folder), self._dataset, f"registered Dataset {self._name}")

    def _describe(self) -> dict[str, Any]:
        return {"name": self._name, "version": self._version}


class RunOutputDataset(_ReadOnly):
    """An output of a pipeline's run, such as ``metrics_output``.

    Example catalog entry::

    azureml_metrics:
      type: azureml_deploy.workspace_datasets.RunOutputDataset
      experiment_name: titanic_automl
      output: metrics_output
      dataset: json.JSONDataset
    """

    def __init__(
        self,
        *,
        output: str,
        dataset: str | dict[str, Any],
        experiment_name: str | None = None,
        run_id: str = LATEST,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the output; nothing is asked of the workspace yet.

        Args:
            output: Its ``pipeline_output_name``.
            dataset: How it is loaded, as in a catalog, without a path.
            experiment_name: Whose latest completed run with such an output is meant; in a step, its
                own by default.
            run_id: Of one run, or ``latest``.
            metadata: Kedro's free metadata.
        """
        self._output, self._dataset = output, dataset
        self._experiment_name, self._run_id = experiment_name, run_id
        self.metadata = metadata

    def load(self) -> Any:
        """Return what the output holds."""
        run_id, found = self._find()
        with tempfile.TemporaryDirectory() as folder:
            found.download(folder, overwrite=True, show_progress=False)
            place = Path(folder) / found.path_on_datastore
            return _load_files(place, self._dataset, f"output {self._output} of run {run_id}")

    def _find(self) -> tuple[str, Any]:
        """Return the run's id and the SDK's `PortDataReference`."""
        from azureml.pipeline.core import PipelineRun  # noqa: PLC0415

        if self._run_id != LATEST:
            run = PipelineRun.get(current_workspace(), self._run_id)
            return run.id, run.get_pipeline_output(self._output)
        name = self._experiment_name or _own_experiment()
        if name is None:
            raise DatasetError(
                f"Output {self._output} of the latest run: outside a run, experiment_name must say "
                "which experiment is meant"
            )
        for run in _completed_runs(name):
            try:
                return run.id, run.get_pipeline_output(self._output)
            except Exception as error:
                if status_of(error) != 404:  # an experiment may hold runs of other pipelines
                    raise
        raise DatasetError(
            f"Experiment '{name}' has no completed run with an output {self._output}"
        )

    def _describe(self) -> dict[str, Any]:
        return {
            "output": self._output,
            "experiment_name": self._experiment_name,
            "run_id": self._run_id,
        }


class DownloadedPickleDataset(_ReadOnly):
    """A pickle that `kedro azureml results` brought: checked, and loaded with a warning."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the file; what says where it comes from is beside it."""
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        """Return what the pickle holds."""
        source = _checked_source(self._path)
        try:
            return load_pickle(self._path, source)
        except MissingPackagesError as error:
            raise DatasetError(str(error)) from None

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._path.as_posix()}


class DownloadedModelDataset(_ReadOnly):
    """A registered version that `kedro azureml results` brought; nothing if there is none yet.

    Loads in the form of `azureml_deploy.datasets.ModelRegistryDataset`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder; what says where it comes from is beside it."""
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, Any] | None:
        """Return model and artifacts."""
        if not self._path.is_dir():
            return None
        source = _checked_source(self._path)
        told = json.loads(source_file(self._path).read_text(encoding="utf-8"))
        try:
            version = read_version(self._path, source)
        except MissingPackagesError as error:
            raise DatasetError(str(error)) from None
        return {**version, "tags": {}, "champion": True, "version": told["version"]}

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._path.as_posix()}


def _own_experiment() -> str | None:
    run = current_run()
    return str(run.experiment.name) if run else None


def _completed_runs(experiment_name: str) -> Iterator[Any]:
    """Yield an experiment's completed pipeline runs, the newest first."""
    from azureml.core import Experiment, Run  # noqa: PLC0415

    experiment = Experiment(current_workspace(), experiment_name, _create_in_cloud=False)
    runs: Iterator[Any] = Run.list(experiment, type="azureml.PipelineRun", status="Completed")
    return runs


def source_file(path: Path) -> Path:
    """Return the file that says where a file or a folder comes from."""
    return path.with_name(f"{path.name}.source.json")


def _checked_source(path: Path) -> str:
    """Say where something comes from, its files having the checksums that they came with."""
    note = source_file(path)
    if not note.is_file():
        raise DatasetError(
            f"{path} has no {note.name} beside it, so it was not brought here by: "
            "kedro azureml results RUN"
        )
    told = json.loads(note.read_text(encoding="utf-8"))
    for name, expected in told["sha256"].items():
        file = path / name if path.is_dir() else path
        found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "none"
        if found != expected:
            raise DatasetError(
                f"{file} is not as it came from run {told['run_id']}: its checksum differs; bring "
                f"it again: kedro azureml results {told['run_id']}"
            )
    return f"run {told['run_id']} of workspace {told['workspace']}"


def _load_files(place: Path, dataset: str | dict[str, Any] | None, what: str) -> Any:
    """Load one file as itself, and several as a mapping by their path."""
    if dataset is None:
        raise DatasetError(f"The {what} is of files: say by dataset: how one is loaded")
    found = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    if not found:
        raise DatasetError(f"The {what} has no files any more")
    config = {"type": dataset} if isinstance(dataset, str) else dataset

    def load(file: Path) -> Any:
        return AbstractDataset.from_config(file.name, {**config, "filepath": str(file)}).load()

    if len(found) == 1:
        return load(found[0])
    return {file.relative_to(place).as_posix(): load(file) for file in found}
