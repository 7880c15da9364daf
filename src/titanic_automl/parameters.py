"""Typed parameters of the nodes. Kedro validates ``params:…`` inputs by these type hints."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FeatureSet = Literal["how_to", "extended"]


class PreparationParameters(BaseModel):
    """How raw passengers become rows for AutoML (``params:preparation``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    random_seed: int = Field(42, ge=0, lt=2**32)
    """Seed of the split and of the filled ages; 42 is the how-to's ``RANDOM_SEED``."""

    test_size: float = Field(0.2, gt=0, lt=1)
    """Share of each class that is held out."""

    features: FeatureSet = "how_to"
    """Which columns AutoML sees: the how-to's seven, or those and eight more."""

    quantile_groups: int = Field(5, ge=2, le=100)
    """Classes that Age and Fare are cut into; the how-to has five of each."""


class ReportParameters(BaseModel):
    """How the hold-out evaluation is made (``params:report``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    random_seed: int = Field(42, ge=0, lt=2**32)
    """Seed of the bootstrap and of the permutations."""

    bootstrap_resamples: int = Field(1000, ge=100)
    """Resamples of the test rows behind each interval."""

    confidence_level: float = Field(0.95, gt=0, lt=1)
    """Share of the resamples inside an interval."""

    permutation_repeats: int = Field(10, ge=1)
    """Shuffles of each column behind its permutation importance."""
