"""Split the passengers, learn from the training rows, and prepare any passengers by that."""

from titanic_automl.pipelines.data_prep.pipeline import create_pipeline, preparation_pipeline

__all__ = ["create_pipeline", "preparation_pipeline"]
