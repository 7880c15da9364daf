"""Nodes that draw the evaluation; each returns a matplotlib figure that its dataset saves as a PNG.

matplotlib and scikit-learn's displays are imported where they draw: two seconds that every command
which only lists, plans or runs other nodes saves. Kedro resolves the nodes' type hints when it
checks parameters, so the figures are ``Any`` there.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from titanic_automl.parameters import ReportParameters
from titanic_automl.prediction import LABEL

CLASSES = ("died", "survived")
SHOWN_ITERATIONS = 15


def plot_roc_curve(test_predictions: pd.DataFrame) -> Any:
    """Draw the receiver operating characteristic of the test passengers."""
    from sklearn.metrics import RocCurveDisplay  # noqa: PLC0415

    figure, axes = _figure("ROC, held-out passengers")
    RocCurveDisplay.from_predictions(
        test_predictions[LABEL],
        test_predictions["Probability"],
        name="best model",
        plot_chance_level=True,
        ax=axes,
    )
    return figure


def plot_precision_recall_curve(test_predictions: pd.DataFrame) -> Any:
    """Draw precision against recall of the test passengers."""
    from sklearn.metrics import PrecisionRecallDisplay  # noqa: PLC0415

    figure, axes = _figure("Precision and recall, held-out passengers")
    PrecisionRecallDisplay.from_predictions(
        test_predictions[LABEL],
        test_predictions["Probability"],
        name="best model",
        plot_chance_level=True,
        ax=axes,
    )
    return figure


def plot_confusion_matrix(test_predictions: pd.DataFrame) -> Any:
    """Draw how many test passengers of each class were predicted as each class."""
    from sklearn.metrics import ConfusionMatrixDisplay  # noqa: PLC0415

    figure, axes = _figure("Confusion matrix, held-out passengers")
    ConfusionMatrixDisplay.from_predictions(
        test_predictions[LABEL],
        test_predictions["Prediction"],
        labels=[0, 1],
        display_labels=CLASSES,
        cmap="Blues",
        colorbar=False,
        ax=axes,
    )
    return figure


def plot_calibration(test_predictions: pd.DataFrame) -> Any:
    """Draw the share that survived against the predicted probability, in ten equal groups."""
    from sklearn.calibration import CalibrationDisplay  # noqa: PLC0415

    figure, axes = _figure("Calibration, held-out passengers")
    CalibrationDisplay.from_predictions(
        test_predictions[LABEL],
        test_predictions["Probability"],
        n_bins=10,
        strategy="quantile",
        name="best model",
        ax=axes,
    )
    return figure


def plot_leaderboard(leaderboard: pd.DataFrame, primary_metric: str) -> Any:
    """Draw the best iterations of the AutoML run as bars."""
    shown = leaderboard.head(SHOWN_ITERATIONS).iloc[::-1]
    learners = shown["learner"] if "learner" in shown else [""] * len(shown)
    names = [
        f"{learner} #{iteration}".strip()
        for learner, iteration in zip(learners, shown["iteration"], strict=True)
    ]
    figure, axes = _figure(f"Leaderboard, cross-validated {primary_metric}")
    bars = axes.barh(names, shown[primary_metric], color="#4c78a8")
    axes.bar_label(bars, fmt="%.4f", padding=3)
    low, high = shown[primary_metric].min(), shown[primary_metric].max()
    margin = max(high - low, 0.01)
    axes.set_xlim(low - margin, high + margin)
    axes.set_xlabel(primary_metric)
    return figure


def plot_permutation_importance(
    model: Any, titanic_test: pd.DataFrame, report: ReportParameters
) -> Any:
    """Draw how much the test AUC falls when a column is shuffled (Breiman 2001)."""
    from sklearn.inspection import permutation_importance  # noqa: PLC0415

    features = titanic_test.drop(columns=LABEL)
    importance = permutation_importance(
        model,
        features,
        titanic_test[LABEL],
        scoring="roc_auc",
        n_repeats=report.permutation_repeats,
        random_state=report.random_seed,
    )
    order = importance.importances_mean.argsort()
    figure, axes = _figure("Permutation importance, held-out passengers")
    axes.barh(
        features.columns[order],
        importance.importances_mean[order],
        xerr=importance.importances_std[order],
        color="#4c78a8",
    )
    axes.set_xlabel("fall of AUC when shuffled")
    return figure


def _figure(title: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes
