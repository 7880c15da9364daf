"""Measure the model on the held-out passengers, and draw what the numbers say."""

from titanic_automl.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
