"""Catalog entries of the workspace: its model registry. Travels with the steps that register."""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from azureml_deploy.pickles import load_pickle

MODEL_FILE = "model.pkl"
CHAMPION_TAG = "champion"
MADE_BY = "kedro.run_id"
"""Property of a version: the step's run that registered it."""
READ_PREFIX = "kedro.read_model."
"""With a model's name, a tag of a step's run: the version that it loaded."""


class ModelRegistryDataset(AbstractDataset[Any, Any]):
    """Versions of one registered model of the workspace.

    Saving takes ``{"model": …, "artifacts": {name: JSON}, "tags": {name: text}, "champion": bool}``
    and makes a version of it; loading gives the champion in the same form with its ``version``, or
    nothing where there is none. Azure ML's v1 models have no aliases, so a tag marks the champion.
    """

    def __init__(
        self,
        *,
        model_name: str,
        model_path: str | None = None,
        version: int | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the model; nothing is asked of the workspace yet.

        Args:
            model_name: Name that versions are registered under.
            model_path: The model's own file, registered as it is rather than pickled anew.
            version: What is loaded in the champion's place.
            metadata: Kedro's free metadata.
        """
        self._model_name = model_name
        self._model_path = model_path
        self._version = version
        self.metadata = metadata

    def save(self, data: Mapping[str, Any]) -> None:
        """Register a version, and then move the champion's tag to it if it says so."""
        from azureml.core.model import Model  # noqa: PLC0415

        run, workspace = current_run(), current_workspace()
        # Model.register refuses a path outside the working directory
        folder = Path(tempfile.mkdtemp(prefix="model-", dir=Path.cwd()))
        try:
            self._write(data, folder)
            model = Model.register(
                workspace=workspace,
                model_path=folder.name,
                model_name=self._model_name,
                tags={name: str(value) for name, value in data.get("tags", {}).items()},
                properties={MADE_BY: run.id} if run else None,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if data.get("champion"):
            before = Model.list(workspace, name=self._model_name, tags=[CHAMPION_TAG])
            model.add_tags({CHAMPION_TAG: "true"})
            for other in before:
                if other.version != model.version:
                    other.remove_tags([CHAMPION_TAG])
        print(f"Registered version {model.version} of model {model.name}")

    def load(self) -> dict[str, Any] | None:
        """Return the champion, or the one version that was asked for; nothing if there is none."""
        run, workspace = current_run(), current_workspace()
        model = (
            champion_of(workspace, self._model_name)
            if self._version is None
            else version_of(workspace, self._model_name, self._version)
        )
        if model is None:
            return None
        if run:
            run.tag(f"{READ_PREFIX}{model.name}", str(model.version))
        source = f"model {model.name} version {model.version} of workspace {workspace.name}"
        with tempfile.TemporaryDirectory() as target:
            model.download(target, exist_ok=True)
            return {
                **read_version(Path(target), source),
                "tags": {k: v for k, v in model.tags.items() if k != CHAMPION_TAG},
                "champion": CHAMPION_TAG in model.tags,
                "version": int(model.version),
            }

    def _write(self, data: Mapping[str, Any], folder: Path) -> None:
        source = Path(self._model_path) if self._model_path else None
        if source is not None and source.is_file():
            shutil.copyfile(source, folder / MODEL_FILE)
        else:
            (folder / MODEL_FILE).write_bytes(pickle.dumps(data["model"]))
        for name, value in data.get("artifacts", {}).items():
            text = json.dumps(value, indent=2, ensure_ascii=False)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")

    def _describe(self) -> dict[str, Any]:
        return {"model_name": self._model_name, "version": self._version}


class ModelFolderDataset(AbstractDataset[Any, Any]):
    """A version that was downloaded, or that Azure ML put beside an endpoint's entry script."""

    def __init__(
        self, *, model_path: str, model_name: str | None = None, source: str | None = None
    ) -> None:
        """Name the folder.

        Args:
            model_path: The folder, or one above it.
            model_name: The model's name, for messages.
            source: Where it comes from, for the warning that its pickle is loaded with.
        """
        self._model_path = Path(model_path)
        self._model_name = model_name
        self._source = source or model_path

    def load(self) -> dict[str, Any]:
        """Return model and artifacts; who made the pickle is trusted with this process."""
        return read_version(self._model_path, self._source)

    def save(self, data: Any) -> None:
        """Refuse: a version never changes."""
        raise NotImplementedError(f"{self._model_path} is a registered version")

    def _describe(self) -> dict[str, Any]:
        return {"model_path": self._model_path.as_posix(), "model_name": self._model_name}


def read_version(folder: Path, source: str) -> dict[str, Any]:
    """Read what ``ModelRegistryDataset`` registered.

    Args:
        folder: The version's folder, or one above it.
        source: Where it comes from, for the warning that its pickle is loaded with.

    Returns:
        ``{"model": …, "artifacts": {name: JSON}}``.

    Raises:
        FileNotFoundError: There is no model, or there are several.
        MissingPackagesError: The model needs packages that are not here.
    """
    found = sorted(folder.rglob(MODEL_FILE))
    if len(found) != 1:
        raise FileNotFoundError(f"{len(found)} files {MODEL_FILE} below {folder}; one is needed")
    files = sorted(found[0].parent.glob("*.json"))
    return {
        "model": load_pickle(found[0], source),
        "artifacts": {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files},
    }


def champion_of(workspace: Any, model_name: str) -> Any:
    """Return the champion as a `Model`; of two, which a broken registration leaves, the last."""
    from azureml.core.model import Model  # noqa: PLC0415

    champions = Model.list(workspace, name=model_name, tags=[CHAMPION_TAG])
    return max(champions, key=lambda model: int(model.version), default=None)


def version_of(workspace: Any, model_name: str, version: int) -> Any:
    """Return one version as a `Model`, or nothing."""
    from azureml.core.model import Model  # noqa: PLC0415

    versions = Model.list(workspace, name=model_name)
    return next((model for model in versions if int(model.version) == version), None)


def current_run() -> Any:
    """Return the run that this process is the step of; nothing outside a run."""
    from azureml.core import Run  # noqa: PLC0415
    from azureml.core.run import _OfflineRun  # noqa: PLC0415

    run = Run.get_context()
    return None if isinstance(run, _OfflineRun) else run


def current_workspace() -> Any:
    """Return the run's workspace; outside a run, that of config.json, as the how-to does."""
    from azureml.core import Workspace  # noqa: PLC0415

    run = current_run()
    return run.experiment.workspace if run else Workspace.from_config()
