"""Typed parameters of the nodes. Kedro validates ``params:…`` inputs by these type hints."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

FeatureSet = Literal["how_to", "extended"]


class Parameters(BaseModel):
    """A group of parameters: immutable, and an unknown name is answered with the known ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _names_are_known(cls, given: Any) -> Any:
        known = list(cls.model_fields)
        for name in given if isinstance(given, dict) else ():
            if name not in known:
                close = get_close_matches(name, known, n=1)
                meant = f"did you mean '{close[0]}'? " if close else ""
                message = f"'{name}' is unknown; {meant}(choose from: {', '.join(known)})"
                raise PydanticCustomError("unknown_name", "{message}", {"message": message})
        return given


class PreparationParameters(Parameters):
    """How raw passengers become rows for AutoML (``params:preparation``)."""

    random_seed: int = Field(42, ge=0, lt=2**32)
    """Seed of the split and of the filled ages; 42 is the how-to's ``RANDOM_SEED``."""

    test_size: float = Field(0.2, gt=0, lt=1)
    """Share of each class that is held out."""

    features: FeatureSet = "how_to"
    """Which columns AutoML sees: the how-to's seven, or those and six more."""

    quantile_groups: int = Field(5, ge=2, le=100)
    """Classes that Age and Fare are cut into; the how-to has five of each."""


class ReportParameters(Parameters):
    """How the hold-out evaluation is made (``params:report``)."""

    random_seed: int = Field(42, ge=0, lt=2**32)
    """Seed of the bootstrap and of the permutations."""

    bootstrap_resamples: int = Field(1000, ge=100)
    """Resamples of the test rows behind each interval."""

    confidence_level: float = Field(0.95, gt=0, lt=1)
    """Share of the resamples inside an interval."""

    permutation_repeats: int = Field(10, ge=1)
    """Shuffles of each column behind its permutation importance."""
