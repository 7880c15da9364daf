from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.io import DatasetError
from sklearn.linear_model import LogisticRegression

from titanic_automl.datasets.mlflow_registry import MlflowRegistryDataset


def version(number: int, *, champion: bool) -> dict[str, Any]:
    return {
        "model": LogisticRegression(max_iter=number),
        "artifacts": {"learned_statistics": {"number": number}, "settings": {"iterations": [1]}},
        "tags": {"AUC_weighted": repr(0.8 + number / 100)},
        "champion": champion,
    }


@pytest.fixture
def dataset(tmp_path: Path) -> MlflowRegistryDataset:
    return MlflowRegistryDataset(filepath=str(tmp_path / "registry" / "mlflow.db"), model_name="M")


def test_versions_are_registered_and_the_champion_is_loaded(
    dataset: MlflowRegistryDataset, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    assert dataset.load() is None
    assert not dataset.exists()
    caplog.set_level("INFO")
    dataset.save(version(1, champion=True))
    dataset.save(version(2, champion=False))
    assert "Registered version 1 of model M" in caplog.messages
    assert "Registered version 2 of model M" in caplog.messages

    champion = dataset.load()
    assert champion is not None
    assert champion["version"] == 1
    assert champion["model"].max_iter == 1
    assert champion["artifacts"] == version(1, champion=True)["artifacts"]
    assert champion["tags"] == {"AUC_weighted": "0.81"}

    dataset.save(version(3, champion=True))
    assert (dataset.load() or {})["version"] == 3
    assert len(list((tmp_path / "registry" / "M").iterdir())) == 3


def test_the_registry_may_be_moved(dataset: MlflowRegistryDataset, tmp_path: Path) -> None:
    dataset.save(version(1, champion=True))
    (tmp_path / "registry").rename(tmp_path / "moved")
    moved = MlflowRegistryDataset(filepath=str(tmp_path / "moved" / "mlflow.db"), model_name="M")
    assert (moved.load() or {})["version"] == 1


def test_another_name_is_another_model(dataset: MlflowRegistryDataset, tmp_path: Path) -> None:
    dataset.save(version(1, champion=True))
    other = MlflowRegistryDataset(filepath=str(tmp_path / "registry" / "mlflow.db"), model_name="N")
    assert other.load() is None


def test_a_version_that_cannot_be_written_leaves_nothing(
    dataset: MlflowRegistryDataset, tmp_path: Path
) -> None:
    dataset.save(version(1, champion=True))
    broken = {**version(2, champion=True), "artifacts": {"statistics": {"a": object()}}}
    with pytest.raises(DatasetError, match="not JSON serializable"):
        dataset.save(broken)
    assert len(list((tmp_path / "registry" / "M").iterdir())) == 1
    assert (dataset.load() or {})["version"] == 1
