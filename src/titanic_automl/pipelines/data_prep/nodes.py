"""Nodes that make rows for AutoML out of raw passengers.

Every node takes the frame that its dataset loads (pandas here and on the cluster, polars with
``--env scale``) and gives one of the same kind; narwhals writes the expressions once for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.typing import IntoDataFrameT
from numpy.typing import NDArray

from titanic_automl.parameters import FeatureSet, PreparationParameters
from titanic_automl.pipelines.data_prep.statistics import (
    LearnedStatistics,
    age_statistics,
    fare_statistics,
    fill_ages,
    group,
    hash_passengers,
    ticket_passengers,
)

Frame = nw.DataFrame[Any]

LABEL = "Survived"
GENDERS = {"male": 0, "female": 1}
UNKNOWN_GENDER = 2
PORTS = {"S": 0, "C": 1, "Q": 2}
UNKNOWN_PORT = 3
TITLES = {
    **{"Mr": 0, "Mrs": 1, "Mme": 1, "Miss": 2, "Mlle": 2, "Ms": 2, "Master": 3},
    **dict.fromkeys(("Capt", "Col", "Dr", "Major", "Rev"), 4),
    **dict.fromkeys(("Don", "Dona", "Jonkheer", "Lady", "Sir", "the Countess"), 5),
}
UNKNOWN_TITLE = 6
DECKS = {deck: code for code, deck in enumerate("ABCDEFGT", start=1)}
UNKNOWN_DECK = 0

HOW_TO_TYPES: dict[str, Any] = {
    "Pclass": nw.Int64,
    "Sex": nw.Int64,
    "SibSp": nw.Int64,
    "Parch": nw.Int64,
    "Embarked": nw.Int64,
    "Age_Group": nw.Int64,
    "Fare_Group": nw.Int64,
}
FEATURE_TYPES: Mapping[FeatureSet, dict[str, Any]] = {
    "how_to": HOW_TO_TYPES,
    "extended": {
        **HOW_TO_TYPES,
        "Age": nw.Float64,
        "Fare": nw.Float64,
        "Title": nw.Int64,
        "Deck": nw.Int64,
        "FamilySize": nw.Int64,
        "TicketPassengers": nw.Int64,
    },
}


def split_passengers(
    passengers: IntoDataFrameT, preparation: PreparationParameters
) -> tuple[IntoDataFrameT, IntoDataFrameT]:
    """Hold out a share of each class, chosen by seed and PassengerId and not by row.

    Args:
        passengers: Raw passengers with PassengerId and Survived, in any order.
        preparation: ``random_seed`` and ``test_size``.

    Returns:
        Training and test passengers, each sorted by PassengerId. Of a class of n rows,
        ``round(n * test_size)`` are test rows.
    """
    frame = _sorted(nw.from_native(passengers, eager_only=True))
    test_rows = _test_rows(frame["PassengerId"].to_numpy(), frame[LABEL].to_numpy(), preparation)
    mask = nw.Series.from_numpy("test", test_rows, backend=frame.implementation)
    return (
        nw.maybe_reset_index(frame.filter(~mask)).to_native(),
        nw.maybe_reset_index(frame.filter(mask)).to_native(),
    )


def learn_statistics(
    passengers: IntoDataFrameT, preparation: PreparationParameters
) -> LearnedStatistics:
    """Learn from the training passengers all that preparation applies to others.

    Args:
        passengers: Raw training passengers.
        preparation: Seed, feature set and number of groups.

    Returns:
        Values for JSON; the same for any order of the rows.
    """
    frame = nw.from_native(passengers, eager_only=True)
    learned = LearnedStatistics(
        age=age_statistics(frame["PassengerId"].to_numpy(), _floats(frame["Age"]), preparation),
        fare=fare_statistics(_floats(frame["Fare"]), preparation),
    )
    if preparation.features == "extended":
        tickets = frame.filter(~nw.col("Ticket").is_null())["Ticket"].to_list()
        learned["ticket_passengers"] = ticket_passengers(tickets)
    return learned


@nw.narwhalify(eager_only=True)
def prepare_age(
    passengers: Frame, statistics: LearnedStatistics, preparation: PreparationParameters
) -> Frame:
    """Fill Age with a draw that depends on seed and passenger, and add its Age_Group.

    Args:
        passengers: Passengers with PassengerId and Age (years; may be missing).
        statistics: ``age`` as learned from the training rows.
        preparation: ``random_seed``.
    """
    age = statistics["age"]
    ids, ages = passengers["PassengerId"].to_numpy(), _floats(passengers["Age"])
    filled = fill_ages(ids, ages, age, preparation.random_seed)
    return passengers.with_columns(
        nw.Series.from_numpy("Age", filled, backend=passengers.implementation)
    ).with_columns(group(nw.col("Age").cast(nw.Int64), age["group_edges"]).alias("Age_Group"))


@nw.narwhalify(eager_only=True)
def prepare_fare(passengers: Frame, statistics: LearnedStatistics) -> Frame:
    """Fill a missing Fare with 0 and add its Fare_Group.

    Args:
        passengers: Passengers with Fare (pounds; may be missing).
        statistics: ``fare`` as learned from the training rows.
    """
    filled = nw.col("Fare").cast(nw.Float64).fill_null(0.0)
    return passengers.with_columns(filled).with_columns(
        group(nw.col("Fare"), statistics["fare"]["group_edges"]).alias("Fare_Group")
    )


@nw.narwhalify(eager_only=True)
def prepare_genders(passengers: Frame) -> Frame:
    """Encode Sex: male 0, female 1, anything else or missing 2."""
    sex = nw.col("Sex")
    return passengers.with_columns(
        _codes(lambda gender: sex == gender, GENDERS, UNKNOWN_GENDER).alias("Sex")
    )


@nw.narwhalify(eager_only=True)
def prepare_embarked(passengers: Frame) -> Frame:
    """Encode Embarked: S 0, C 1, Q 2, anything else, empty or missing 3."""
    embarked = nw.col("Embarked")
    return passengers.with_columns(
        _codes(lambda port: embarked == port, PORTS, UNKNOWN_PORT).alias("Embarked")
    )


@nw.narwhalify(eager_only=True)
def prepare_family(
    passengers: Frame, statistics: LearnedStatistics, preparation: PreparationParameters
) -> Frame:
    """Add Title, Deck, FamilySize and TicketPassengers, where the feature set has them.

    Args:
        passengers: Passengers with Name, Cabin, Ticket, SibSp and Parch.
        statistics: ``ticket_passengers``; a ticket that no training passenger had counts 1.
        preparation: ``features``; with ``how_to`` the passengers are returned as they are.
    """
    if preparation.features == "how_to":
        return passengers
    counts = statistics["ticket_passengers"]
    name, cabin, ticket = (
        nw.col(column).cast(nw.String).fill_null("") for column in ("Name", "Cabin", "Ticket")
    )
    return passengers.with_columns(
        _codes(
            lambda title: name.str.contains(f", {title}.", literal=True), TITLES, UNKNOWN_TITLE
        ).alias("Title"),
        _codes(cabin.str.starts_with, DECKS, UNKNOWN_DECK).alias("Deck"),
        (nw.col("SibSp") + nw.col("Parch") + 1).alias("FamilySize"),
        ticket.replace_strict(
            list(counts), list(counts.values()), default=1, return_dtype=nw.Int64
        ).alias("TicketPassengers"),
    )


@nw.narwhalify(eager_only=True)
def select_features(passengers: Frame, preparation: PreparationParameters) -> Frame:
    """Keep the label, if there is one, and the feature set, with the types that AutoML expects.

    Returns:
        Rows sorted by PassengerId, which is itself no feature; labels, codes and counts as int64,
        continuous columns as float64.
    """
    types = FEATURE_TYPES[preparation.features]
    if LABEL in passengers.columns:
        types = {LABEL: nw.Int64, **types}
    selected = _sorted(passengers).select(nw.col(name).cast(kind) for name, kind in types.items())
    return nw.maybe_reset_index(selected)


def prepare(
    passengers: IntoDataFrameT, statistics: LearnedStatistics, preparation: PreparationParameters
) -> IntoDataFrameT:
    """Prepare raw passengers as the preparation pipeline does, in one call.

    For where there is no Kedro run: a registered model that brings its own statistics.
    """
    prepared: IntoDataFrameT = prepare_age(passengers, statistics, preparation)
    prepared = prepare_fare(prepared, statistics)
    prepared = prepare_embarked(prepare_genders(prepared))
    prepared = prepare_family(prepared, statistics, preparation)
    prepared = select_features(prepared, preparation)
    return prepared


def _sorted(frame: Frame) -> Frame:
    """Sort by PassengerId, unless it is sorted: ten million rows take a second to sort."""
    return frame if frame["PassengerId"].is_sorted() else frame.sort("PassengerId")


def _test_rows(
    passenger_ids: NDArray[Any], labels: NDArray[Any], preparation: PreparationParameters
) -> NDArray[np.bool_]:
    ranks = hash_passengers(passenger_ids, preparation.random_seed, "split")
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = labels == label
        size = round(np.count_nonzero(rows) * preparation.test_size)
        if size:
            test |= rows & (ranks <= np.partition(ranks[rows], size - 1)[size - 1])
    return test


def _floats(series: nw.Series[Any]) -> NDArray[np.float64]:
    return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)


def _codes(matches: Callable[[str], nw.Expr], codes: Mapping[str, int], otherwise: int) -> nw.Expr:
    """Give each value the code of the key that matches it."""
    code: nw.Expr = nw.lit(otherwise)
    for value, number in codes.items():
        code = nw.when(matches(value)).then(nw.lit(number)).otherwise(code)
    return code
