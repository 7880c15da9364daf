"""What AutoML tried, read from the metrics that it left."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from azureml_deploy.errors import ServiceError
from azureml_deploy.runs.iterations import plot_leaderboard, read_leaderboard

# Azure's own: the names are the iterations' runs, and not in order; learners are not told
AZURES = {
    "AutoML_1b2c_10": {"AUC_weighted": [0.9], "accuracy": [0.8]},
    "AutoML_1b2c_2": {"AUC_weighted": [0.7], "accuracy": [0.9]},
    "AutoML_1b2c_9": {"accuracy": [0.1]},
}
OURS = {
    "0": {"normalized_root_mean_squared_error": [0.3], "learner": ["LightGBM"]},
    "1": {"normalized_root_mean_squared_error": [0.1, 0.2], "learner": ["ElasticNet"]},
    "2": {"normalized_root_mean_squared_error": [0.25], "learner": ["RandomForest"]},
}


def written(folder: Path, values: Any) -> Path:
    file = folder / "metrics.json"
    file.write_text(values if isinstance(values, str) else json.dumps(values))
    return file


def test_azures_iterations_are_in_order_and_the_best_is_known(tmp_path: Path) -> None:
    board = read_leaderboard(written(tmp_path, AZURES), "AUC_weighted")
    assert [iteration.number for iteration in board.iterations] == [2, 10]
    assert (board.best.number, board.best.learner) == (10, "")
    assert board.best_so_far == (0.7, 0.9)
    assert board.others == ("accuracy",)


def test_of_an_error_the_smallest_is_best(tmp_path: Path) -> None:
    board = read_leaderboard(written(tmp_path, OURS), "normalized_root_mean_squared_error")
    assert (board.best.number, board.best.learner) == (1, "ElasticNet")
    assert board.best_so_far == (0.3, 0.2, 0.2)


def test_an_unknown_primary_metric_is_the_files_first(tmp_path: Path) -> None:
    assert read_leaderboard(written(tmp_path, AZURES), None).metric == "AUC_weighted"


@pytest.mark.parametrize("values", ["{", "[]", "{}", {"one": {"a": [1]}}, {"1": {"a": ["x"]}}])
def test_what_is_no_metrics_file_is_one_sentence(values: Any, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"metrics\.json holds no metrics of AutoML's") as caught:
        read_leaderboard(written(tmp_path, values), "a")
    assert "\n" not in str(caught.value)


def test_the_plot_is_a_picture_or_matplotlib_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = read_leaderboard(written(tmp_path, AZURES), "AUC_weighted")
    plot_leaderboard(board, tmp_path / "board.png")
    assert (tmp_path / "board.png").read_bytes().startswith(b"\x89PNG")
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError):
        plot_leaderboard(board, tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()
