"""The pipelines by name: ``kedro run --pipelines NAME``."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from titanic_automl.pipelines import data_prep, evaluation, registration, scoring, training


def register_pipelines() -> dict[str, Pipeline]:
    """Name the project's pipelines.

    Returns:
        Each pipeline by its name; ``__default__`` goes from the raw CSV to the registered model,
        and ``scoring`` is run by itself once there is one.
    """
    stages = {
        "data_prep": data_prep.create_pipeline(),
        "training": training.create_pipeline(),
        "evaluation": evaluation.create_pipeline(),
        "registration": registration.create_pipeline(),
    }
    return {
        "__default__": sum(stages.values(), Pipeline([])),
        **stages,
        "scoring": scoring.create_pipeline(),
    }
