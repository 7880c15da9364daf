"""Evaluation as a pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from titanic_automl.pipelines.evaluation import nodes, plots
from titanic_automl.prediction import predict_survival


def create_pipeline() -> Pipeline:
    """Best model and held-out passengers to metrics, leaderboard and plots."""
    return Pipeline(
        [
            node(
                predict_survival,
                ["best_model", "titanic_test", "test_passengers"],
                "test_predictions",
                name="predict_test",
            ),
            node(
                nodes.evaluate,
                ["test_predictions", "params:report"],
                "holdout_metrics",
                name="evaluate",
            ),
            node(
                nodes.make_leaderboard,
                ["automl_metrics", "params:automl.primary_metric"],
                "leaderboard",
                name="make_leaderboard",
            ),
            node(plots.plot_roc_curve, "test_predictions", "roc_curve_plot", name="plot_roc_curve"),
            node(
                plots.plot_precision_recall_curve,
                "test_predictions",
                "precision_recall_plot",
                name="plot_precision_recall_curve",
            ),
            node(
                plots.plot_confusion_matrix,
                "test_predictions",
                "confusion_matrix_plot",
                name="plot_confusion_matrix",
            ),
            node(
                plots.plot_calibration,
                "test_predictions",
                "calibration_plot",
                name="plot_calibration",
            ),
            node(
                plots.plot_leaderboard,
                ["leaderboard", "params:automl.primary_metric"],
                "leaderboard_plot",
                name="plot_leaderboard",
            ),
            node(
                plots.plot_permutation_importance,
                ["best_model", "titanic_test", "params:report"],
                "permutation_importance_plot",
                name="plot_permutation_importance",
            ),
        ]
    )
