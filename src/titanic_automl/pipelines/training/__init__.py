"""Train a model by AutoML: the step that Azure ML's AutoMLStep takes over on the cluster."""

from titanic_automl.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
