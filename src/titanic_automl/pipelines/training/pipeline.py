"""Training as a pipeline of one node."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from titanic_automl.pipelines.training.nodes import train_model


def create_pipeline() -> Pipeline:
    """Prepared training rows to the best model and the metrics of every iteration."""
    return Pipeline(
        [
            node(
                train_model,
                ["titanic_train", "params:automl", "params:random_seed"],
                ["best_model", "automl_metrics"],
                name="train_model",
                tags="azureml.automl",
            )
        ]
    )
