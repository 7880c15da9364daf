"""The node that takes a registered version apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from titanic_automl.errors import UserError
from titanic_automl.parameters import PreparationParameters
from titanic_automl.pipelines.data_prep.statistics import LearnedStatistics


def unpack_champion(
    champion: Mapping[str, Any] | None,
) -> tuple[Any, LearnedStatistics, PreparationParameters]:
    """Return the champion's model, learned statistics and preparation.

    Raises:
        UserError: If the registry has no champion yet.
    """
    if champion is None:
        raise UserError(
            "There is no champion to score with: dataset 'champion' in conf/base/catalog.yml names "
            "a registry without one. Train and register a model first: kedro run"
        )
    artifacts = champion["artifacts"]
    preparation = PreparationParameters.model_validate(artifacts["preparation"])
    return champion["model"], artifacts["learned_statistics"], preparation
