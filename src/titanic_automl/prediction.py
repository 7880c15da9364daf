"""What a classifier says of prepared passengers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LABEL = "Survived"


def survival_probability(model: Any, prepared: pd.DataFrame) -> NDArray[np.float64]:
    """Return each passenger's probability of survival, shape (n,).

    Args:
        model: Fitted classifier with ``predict_proba`` and ``classes_``, one of which is 1.
        prepared: Prepared passengers, with or without the label.
    """
    features = prepared.drop(columns=LABEL, errors="ignore")
    survived = list(model.classes_).index(1)
    return np.asarray(model.predict_proba(features)[:, survived], dtype=np.float64)


def predict_survival(model: Any, prepared: pd.DataFrame, passengers: pd.DataFrame) -> pd.DataFrame:
    """Say for each passenger whether they survive.

    Args:
        model: Fitted classifier.
        prepared: Prepared passengers, sorted by PassengerId.
        passengers: The same passengers before preparation, in any order.

    Returns:
        PassengerId, the label if it is known, Prediction (0 or 1) and Probability (of survival),
        sorted by PassengerId.
    """
    probability = survival_probability(model, prepared)
    known = {LABEL: prepared[LABEL].to_numpy()} if LABEL in prepared else {}
    return pd.DataFrame(
        {
            "PassengerId": np.sort(passengers["PassengerId"].to_numpy()),
            **known,
            "Prediction": (probability >= 0.5).astype(np.int64),
            "Probability": probability,
        }
    )
