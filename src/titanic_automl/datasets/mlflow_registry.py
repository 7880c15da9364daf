"""A model registry on this machine: MLflow on one SQLite file, artifacts beside it.

The catalog has two entries of this class over one registry, since Kedro forbids a node the same
dataset as input and output: saving to one makes a new version, loading the other gives the
champion.
"""

from __future__ import annotations

import json
import logging
import pickle
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from kedro.io import AbstractDataset

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_FILE = "model.pkl"
ALIAS = "champion"

_LOG = logging.getLogger(__name__)


class ModelVersion(TypedDict):
    """What the registry takes and gives, in plain values that any registry can keep.

    Attributes:
        model: Fitted estimator.
        artifacts: JSON values by name, saved beside the model.
        tags: Text by name, shown with the version.
        champion: On save, whether this version becomes the champion; true on load.
        version: Number of the version; on load only.
    """

    model: Any
    artifacts: dict[str, Any]
    tags: dict[str, str]
    champion: bool


class LoadedVersion(ModelVersion):
    """A version that was read from the registry."""

    version: int


class MlflowRegistryDataset(AbstractDataset[ModelVersion, LoadedVersion | None]):
    """Versions of one registered model.

    Example catalog entry::

        registered_model:
          type: titanic_automl.datasets.mlflow_registry.MlflowRegistryDataset
          filepath: data/06_models/registry/mlflow.db
          model_name: TitanicSurvivalInitial
    """

    def __init__(
        self, *, filepath: str, model_name: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Name the registry and the model; nothing is opened yet.

        Args:
            filepath: The SQLite file; the versions' artifacts go to the folder it is in.
            model_name: Name that versions are registered under.
            metadata: Kedro's free metadata.
        """
        self._filepath = Path(filepath)
        self._model_name = model_name
        self.metadata = metadata

    def save(self, data: ModelVersion) -> None:
        """Register a new version, and move the champion to it if it says so.

        The artifacts are complete before the registry hears of them: an interrupted save leaves
        no version behind.
        """
        client = self._client()
        source = self._write_artifacts(data)
        self._create_registered_model(client)
        version = client.create_model_version(
            self._model_name, str(source), tags=dict(data["tags"])
        )
        if data["champion"]:
            client.set_registered_model_alias(self._model_name, ALIAS, version.version)
        _LOG.info("Registered version %s of model %s", version.version, self._model_name)

    def load(self) -> LoadedVersion | None:
        """Return the champion, or nothing where none is registered."""
        if not self._filepath.exists():
            return None
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  (2 s)

        try:
            version = self._client().get_model_version_by_alias(self._model_name, ALIAS)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise
        # by name, not by the path that was recorded: the project's folder may have moved
        folder = self._filepath.parent / self._model_name / Path(str(version.source)).name
        return LoadedVersion(
            model=pickle.loads((folder / MODEL_FILE).read_bytes()),
            artifacts={file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")},
            tags=dict(version.tags),
            champion=True,
            version=int(version.version),
        )

    def _exists(self) -> bool:
        return self.load() is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath.as_posix(), "model_name": self._model_name}

    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient  # noqa: PLC0415  (2 s)

        # on import, mlflow sets up a handler of its own that tells of each table it creates
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        address = f"sqlite:///{self._filepath.as_posix()}"
        return MlflowClient(tracking_uri=address, registry_uri=address)

    def _create_registered_model(self, client: MlflowClient) -> None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            client.create_registered_model(self._model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _write_artifacts(self, data: ModelVersion) -> Path:
        versions = self._filepath.parent / self._model_name
        versions.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".writing-", dir=versions))
        try:
            (folder / MODEL_FILE).write_bytes(pickle.dumps(data["model"]))
            for name, value in data["artifacts"].items():
                (folder / f"{name}.json").write_text(json.dumps(value, indent=2))
            complete = folder.with_name(folder.name.removeprefix(".writing-"))
            return folder.rename(complete)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
