"""Registration as a pipeline of one node."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from titanic_automl.pipelines.registration.nodes import register_model


def create_pipeline() -> Pipeline:
    """Evaluated model to a new version in the registry, and a report of the decision."""
    return Pipeline(
        [
            node(
                register_model,
                [
                    "best_model",
                    "learned_statistics",
                    "params:preparation",
                    "params:automl",
                    "holdout_metrics",
                    "test_passengers",
                    "champion",
                    "params:model_name",
                ],
                ["registered_model", "registration"],
                name="register_model",
                tags="azureml.register",
            )
        ]
    )
