"""Score new passengers with the champion, prepared as it was trained."""

from titanic_automl.pipelines.scoring.pipeline import create_pipeline

__all__ = ["create_pipeline"]
