"""Register the model, and decide whether it becomes the champion."""

from titanic_automl.pipelines.registration.pipeline import create_pipeline

__all__ = ["create_pipeline"]
