"""Scoring as a pipeline: the preparation of training, with the champion's statistics."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from titanic_automl.pipelines.data_prep import preparation_pipeline
from titanic_automl.pipelines.scoring.nodes import unpack_champion
from titanic_automl.prediction import predict_survival


def create_pipeline() -> Pipeline:
    """New passengers to predictions with probabilities."""
    champion = ["champion_model", "champion_statistics", "champion_preparation"]
    model, statistics, preparation = champion
    return Pipeline(
        [
            node(unpack_champion, "champion", champion, name="unpack_champion"),
            *preparation_pipeline(
                "scoring",
                passengers="new_passengers",
                statistics=statistics,
                preparation=preparation,
                prepared="prepared_new_passengers",
            ).nodes,
            node(
                predict_survival,
                [model, "prepared_new_passengers", "new_passengers"],
                "predictions",
                name="predict_survival",
            ),
        ]
    )
