"""Small tables that every learner can learn something from."""

import numpy as np
import pandas as pd
import pytest

ROWS = 120


@pytest.fixture(scope="session")
def passengers() -> pd.DataFrame:
    """A classification table with a text, gaps, an identifier and a constant."""
    random = np.random.RandomState(0)
    age = random.uniform(1, 80, ROWS)
    sex = random.choice(["female", "male"], ROWS)
    chance = 1 / (1 + np.exp(-(2.5 * (sex == "female") - age / 40)))
    return pd.DataFrame(
        {
            "age": np.where(random.rand(ROWS) < 0.1, np.nan, age),
            "sex": sex,
            "alone": random.rand(ROWS) < 0.5,
            "ticket": [f"T{number}" for number in range(ROWS)],
            "ship": "Titanic",
            "survived": (random.rand(ROWS) < chance).astype(int),
        }
    )


@pytest.fixture(scope="session")
def houses() -> pd.DataFrame:
    """A regression table."""
    random = np.random.RandomState(1)
    frame = pd.DataFrame(random.normal(size=(ROWS, 3)), columns=["size", "year", "noise"])
    price = 3 * frame["size"] + frame["year"] ** 2 + random.normal(0, 0.2, ROWS)
    return frame.assign(price=price)


@pytest.fixture(scope="session")
def sales() -> pd.DataFrame:
    """Two daily series with a weekly season and a trend, 90 days each."""
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    step = np.arange(90)
    parts = [
        pd.DataFrame(
            {
                "day": days,
                "store": store,
                "promotion": (step % 5 == 0).astype(int),
                "sold": level + 0.1 * step + 4 * np.sin(2 * np.pi * step / 7),
            }
        )
        for store, level in (("north", 10.0), ("south", 50.0))
    ]
    return pd.concat(parts, ignore_index=True)
