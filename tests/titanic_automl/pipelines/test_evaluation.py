from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

from titanic_automl.metrics import METRICS
from titanic_automl.parameters import ReportParameters
from titanic_automl.pipelines.evaluation import nodes, plots
from titanic_automl.prediction import predict_survival

RNG = np.random.default_rng(0)
PREPARED = pd.DataFrame({"Sex": RNG.integers(0, 2, 200), "Pclass": RNG.integers(1, 4, 200)}).assign(
    Survived=lambda rows: (rows["Sex"] + RNG.normal(0, 0.5, 200) > 0.5).astype(int)
)
MODEL = LogisticRegression().fit(PREPARED[["Sex", "Pclass"]], PREPARED["Survived"])
PASSENGERS = pd.DataFrame({"PassengerId": np.arange(1000, 1200)})
REPORT = ReportParameters(bootstrap_resamples=200, permutation_repeats=3)


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    return predict_survival(MODEL, PREPARED, PASSENGERS)


def test_predictions_are_the_models_by_passenger(predictions: pd.DataFrame) -> None:
    assert list(predictions) == ["PassengerId", "Survived", "Prediction", "Probability"]
    features = PREPARED[["Sex", "Pclass"]]
    np.testing.assert_array_equal(predictions["Probability"], MODEL.predict_proba(features)[:, 1])
    np.testing.assert_array_equal(predictions["Prediction"], MODEL.predict(features))
    unknown = predict_survival(MODEL, features, PASSENGERS.iloc[::-1])
    assert list(unknown) == ["PassengerId", "Prediction", "Probability"]
    assert unknown["PassengerId"].tolist() == PASSENGERS["PassengerId"].tolist()


def test_hold_out_metrics_have_values_and_intervals(predictions: pd.DataFrame) -> None:
    metrics = nodes.evaluate(predictions, REPORT)
    assert set(metrics) == set(METRICS)
    for name, metric in METRICS.items():
        expected = metric(PREPARED["Survived"].to_numpy(), predictions["Probability"].to_numpy())
        assert metrics[name]["value"] == pytest.approx(expected)
    for name in ("AUC_weighted", "accuracy", "log_loss", "f1_score_weighted", "balanced_accuracy"):
        assert metrics[name]["low"] < metrics[name]["value"] < metrics[name]["high"]


AUTOML_METRICS = {
    "0": {"learner": ["LightGBM"], "AUC_weighted": [0.8], "normalized_mean_absolute_error": [0.2]},
    "1": {"learner": ["KNN"], "AUC_weighted": [0.9], "normalized_mean_absolute_error": [0.3]},
    "2": {"learner": ["SVM"], "AUC_weighted": [0.8], "normalized_mean_absolute_error": [0.1]},
}


@pytest.mark.parametrize(
    ("metric", "order"),
    [("AUC_weighted", [1, 0, 2]), ("normalized_mean_absolute_error", [2, 0, 1])],
)
def test_the_leaderboard_begins_with_the_best(metric: str, order: list[int]) -> None:
    leaderboard = nodes.make_leaderboard(AUTOML_METRICS, metric)
    assert leaderboard["iteration"].tolist() == order
    assert list(leaderboard)[:3] == ["iteration", "learner", metric]
    # what Azure's AutoML leaves has no learner
    bare = {k: {metric: v[metric]} for k, v in AUTOML_METRICS.items()}
    assert nodes.make_leaderboard(bare, metric)["iteration"].tolist() == order
    assert plots.plot_leaderboard(nodes.make_leaderboard(bare, metric), metric).axes


def test_plots_draw_what_they_are_given(predictions: pd.DataFrame) -> None:
    roc = plots.plot_roc_curve(predictions)
    auc = METRICS["AUC_weighted"](predictions["Survived"], predictions["Probability"])
    assert f"AUC = {auc:.2f}" in _legend(roc)
    assert "AP = " in _legend(plots.plot_precision_recall_curve(predictions))
    matrix = plots.plot_confusion_matrix(predictions)
    shown = sum(int(text.get_text()) for text in matrix.axes[0].texts)
    assert shown == len(predictions)
    assert plots.plot_calibration(predictions).axes[0].lines
    leaderboard = nodes.make_leaderboard(AUTOML_METRICS, "AUC_weighted")
    bars = plots.plot_leaderboard(leaderboard, "AUC_weighted").axes[0]
    assert [label.get_text() for label in bars.get_yticklabels()] == [
        "SVM #2",
        "LightGBM #0",
        "KNN #1",
    ]
    importance = plots.plot_permutation_importance(MODEL, PREPARED, REPORT).axes[0]
    assert [label.get_text() for label in importance.get_yticklabels()] == ["Pclass", "Sex"]


def _legend(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.axes[0].get_legend().get_texts())
