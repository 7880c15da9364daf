"""The training node."""

from __future__ import annotations

from typing import Any

import pandas as pd

from local_automl.errors import AutoMLError
from local_automl.settings import AutoMLSettings
from titanic_automl.errors import UserError


def train_model(
    training_data: pd.DataFrame, settings: AutoMLSettings, random_seed: int
) -> tuple[Any, dict[str, Any]]:
    """Search for the best model of the prepared rows.

    Args:
        training_data: Prepared rows with the label.
        settings: AutoML settings, by AutoMLConfig's names.
        random_seed: Seed of the search.

    Returns:
        The two outputs of an AutoMLStep: the best model, and the metrics of every iteration as
        ``{iteration: {metric: [value]}}``, which ``pandas.DataFrame`` makes a table of.

    Raises:
        UserError: If the rows cannot be learned from, such as rows of one class only.
    """
    from local_automl.engine import train  # noqa: PLC0415  (scikit-learn, and only to train)

    try:
        result = train(training_data, settings, random_seed=random_seed)
    except AutoMLError as error:
        raise UserError(f"Training on these rows is not possible: {error}") from error
    return result.model, result.metrics
