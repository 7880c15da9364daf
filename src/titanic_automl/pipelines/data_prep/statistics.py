"""What preparation learns from the training rows, and the groups that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from pandas.util import hash_array

from titanic_automl.parameters import PreparationParameters

Floats = NDArray[np.float64]


class AgeStatistics(TypedDict):
    """Ages of the training rows, in years."""

    mean: float
    std: float
    fill_low: int
    fill_high: int
    group_edges: list[float]


class FareStatistics(TypedDict):
    """Fares of the training rows, in pounds."""

    group_edges: list[float]


class LearnedStatistics(TypedDict, total=False):
    """Plain JSON values; ``ticket_passengers`` only with ``features: extended``."""

    age: AgeStatistics
    fare: FareStatistics
    ticket_passengers: dict[str, int]


def hash_passengers(passenger_ids: NDArray[Any], random_seed: int, purpose: str) -> NDArray[Any]:
    """Hash each PassengerId, by seed and purpose, whatever its row.

    pandas' ``hash_array`` mixes integers by a bijection on 64 bits, the same in every version from
    1.5 to 3.1, so distinct passengers have distinct hashes and ranks by them have no ties.

    Args:
        passenger_ids: Integers, shape (n,).
        random_seed: Seed of the run.
        purpose: What the hash decides, so that two decisions of one seed are independent.

    Returns:
        Unsigned 64-bit integers, shape (n,).
    """
    salt = hash_array(np.array([f"{purpose} {random_seed}"], dtype=object))
    return hash_array(passenger_ids.astype(np.uint64) ^ salt)


def fill_ages(
    passenger_ids: NDArray[Any], ages: Floats, age: AgeStatistics, random_seed: int
) -> Floats:
    """Fill each missing age with a draw, uniform on the how-to's ``[mean - std, mean + std)``.

    Args:
        passenger_ids: Integers, shape (n,); with the seed they decide what is drawn.
        ages: Years, not a number where missing, shape (n,).
        age: The ages' statistics, whose ``fill_low`` and ``fill_high`` bound the draw.
        random_seed: Seed of the run.

    Returns:
        A copy of the ages with whole years drawn for the missing ones.
    """
    filled = ages.copy()
    missing = np.isnan(ages)
    years = max(age["fill_high"] - age["fill_low"], 1)
    draws = hash_passengers(passenger_ids[missing], random_seed, "age") % np.uint64(years)
    filled[missing] = draws.astype(np.float64) + age["fill_low"]
    return filled


def group_edges(values: Floats, groups: int) -> list[float]:
    """Return the inner edges that cut ``values`` into groups of equal size.

    These are ``pandas.qcut``'s edges with ``duplicates="drop"``: where quantiles tie, the groups
    between them fall together.

    Args:
        values: Values in any order, shape (n,); none gives no edges, so one group.
        groups: Number of groups.
    """
    if not len(values):
        return []
    edges = np.unique(np.quantile(values, np.linspace(0, 1, groups + 1)))
    return [float(edge) for edge in edges[1:-1]]


def group(column: nw.Expr, edges: Sequence[float]) -> nw.Expr:
    """Number the group that a value falls in, from 0; a group ends with its upper edge.

    Values beyond those learned from fall in the first or the last group.
    """
    if not edges:
        return (column * 0).cast(nw.Int64)
    return nw.sum_horizontal(*((column > edge).cast(nw.Int64) for edge in edges))


def age_statistics(
    passenger_ids: NDArray[Any], ages: Floats, preparation: PreparationParameters
) -> AgeStatistics:
    """Learn the range that missing ages are drawn from, and the edges of the filled ages' groups.

    As in the how-to, the groups are of the ages after filling, in whole years. With fewer than two
    known ages there is no spread, and with none the age filled is 0.
    """
    known = np.sort(ages[~np.isnan(ages)])  # sorted: a sum must not depend on the rows' order
    mean = float(known.mean()) if len(known) else 0.0
    std = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    learned = AgeStatistics(
        mean=mean,
        std=std,
        fill_low=max(int(mean - std), 0),
        fill_high=int(mean + std),
        group_edges=[],
    )
    filled = np.trunc(fill_ages(passenger_ids, ages, learned, preparation.random_seed))
    learned["group_edges"] = group_edges(filled, preparation.quantile_groups)
    return learned


def fare_statistics(fares: Floats, preparation: PreparationParameters) -> FareStatistics:
    """Learn the edges of the fares' groups; a missing fare counts as 0, as in the how-to."""
    filled = np.nan_to_num(fares, nan=0.0)
    return FareStatistics(group_edges=group_edges(filled, preparation.quantile_groups))


def ticket_passengers(tickets: Sequence[str | None]) -> dict[str, int]:
    """Count the training passengers on each ticket, in the tickets' order."""
    known, counts = np.unique([ticket for ticket in tickets if ticket], return_counts=True)
    return {str(ticket): int(count) for ticket, count in zip(known, counts, strict=True)}
