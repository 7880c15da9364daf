"""Split the passengers, learn statistics from the training rows, prepare any passengers with them."""

from titanic_automl.pipelines.data_prep.pipeline import create_pipeline, preparation_pipeline

__all__ = ["create_pipeline", "preparation_pipeline"]
