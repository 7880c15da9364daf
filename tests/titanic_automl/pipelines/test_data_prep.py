from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from titanic_automl.parameters import PreparationParameters
from titanic_automl.pipelines import data_prep
from titanic_automl.pipelines.data_prep import nodes
from titanic_automl.pipelines.data_prep.statistics import fill_ages, group_edges, hash_passengers

HOW_TO = PreparationParameters()
EXTENDED = PreparationParameters(features="extended")
HOW_TO_COLUMNS = ["Pclass", "Sex", "SibSp", "Parch", "Embarked", "Age_Group", "Fare_Group"]


def split_and_prepare(
    passengers: Any, preparation: PreparationParameters
) -> tuple[Any, Any, dict[str, Any]]:
    train, test = nodes.split_passengers(passengers, preparation)
    learned = nodes.learn_statistics(train, preparation)
    return (
        nodes.prepare(train, learned, preparation),
        nodes.prepare(test, learned, preparation),
        learned,
    )


def how_to_rule(passengers: pd.DataFrame, filled_ages: np.ndarray) -> pd.DataFrame:
    """The how-to's four functions and its columns, restated with its faults mended."""
    frame = passengers.reset_index(drop=True).copy()
    frame["Age"] = filled_ages
    frame["Age"] = frame["Age"].astype("int64")
    frame["Age_Group"] = pd.qcut(frame["Age"], 5, labels=False)
    frame["Fare"] = frame["Fare"].fillna(0)
    frame["Fare_Group"] = pd.qcut(frame["Fare"], 5, labels=False)
    frame["Sex"] = (
        frame["Sex"].map({"male": 0, "female": 1, "unknown": 2}).fillna(2).astype("int64")
    )
    frame["Embarked"] = frame["Embarked"].replace("", "U").fillna("U")
    frame["Embarked"] = frame["Embarked"].map({"S": 0, "C": 1, "Q": 2, "U": 3})
    return frame.drop(columns=["PassengerId", "Name", "Ticket", "Cabin", "Age", "Fare"])


@pytest.mark.parametrize("seed", [0, 42, 7])
def test_training_rows_are_what_the_how_to_gives(passengers: pd.DataFrame, seed: int) -> None:
    preparation = PreparationParameters(random_seed=seed)
    train, _ = nodes.split_passengers(passengers, preparation)
    learned = nodes.learn_statistics(train, preparation)
    filled = nodes.prepare_age(train, learned, preparation)["Age"].to_numpy()
    known = train["Age"].notna().to_numpy()
    assert (filled[known] == train["Age"].to_numpy()[known]).all()

    prepared = nodes.prepare(train, learned, preparation)
    expected = how_to_rule(train, filled)
    pd.testing.assert_frame_equal(prepared[HOW_TO_COLUMNS], expected[HOW_TO_COLUMNS])
    assert (prepared.dtypes == "int64").all()
    assert list(prepared) == ["Survived", *HOW_TO_COLUMNS]


def test_missing_ages_are_drawn_from_the_how_tos_range(passengers: pd.DataFrame) -> None:
    train, test = nodes.split_passengers(passengers, HOW_TO)
    learned = nodes.learn_statistics(train, HOW_TO)
    mean, std = train["Age"].mean(), train["Age"].std()
    for part in (train, test):
        filled = nodes.prepare_age(part, learned, HOW_TO).loc[part["Age"].isna(), "Age"]
        assert filled.between(int(mean - std), int(mean + std) - 1).all()
        assert (filled % 1 == 0).all()
        assert filled.nunique() > 10


def test_filled_ages_depend_on_seed_and_passenger_only(passengers: pd.DataFrame) -> None:
    learned = nodes.learn_statistics(passengers, HOW_TO)
    whole = nodes.prepare_age(passengers, learned, HOW_TO).set_index("PassengerId")["Age"]
    some = passengers[passengers["Age"].isna()].sample(50, random_state=1)
    alone = nodes.prepare_age(some, learned, HOW_TO).set_index("PassengerId")["Age"]
    assert (alone == whole.loc[alone.index]).all()
    other_seed = nodes.prepare_age(some, learned, PreparationParameters(random_seed=1))
    assert (other_seed["Age"].to_numpy() != alone.to_numpy()).any()


def test_the_split_is_stratified_seeded_and_blind_to_row_order(passengers: pd.DataFrame) -> None:
    train, test = nodes.split_passengers(passengers, HOW_TO)
    assert len(train) + len(test) == 1309
    assert not set(train["PassengerId"]) & set(test["PassengerId"])
    for label, rows in passengers.groupby("Survived"):
        assert (test["Survived"] == label).sum() == round(len(rows) * 0.2)
    shuffled = nodes.split_passengers(passengers.sample(frac=1, random_state=3), HOW_TO)
    pd.testing.assert_frame_equal(shuffled[1], test)
    reseeded = nodes.split_passengers(passengers, PreparationParameters(random_seed=43))[1]
    overlap = len(set(reseeded["PassengerId"]) & set(test["PassengerId"])) / len(test)
    assert 0.1 < overlap < 0.35  # two independent fifths share a fifth


def test_test_rows_teach_nothing(passengers: pd.DataFrame) -> None:
    train, test = nodes.split_passengers(passengers, EXTENDED)
    learned = nodes.learn_statistics(train, EXTENDED)
    changed = passengers.copy()
    changed.loc[changed["PassengerId"].isin(test["PassengerId"]), ["Age", "Fare"]] = [99.0, 500.0]
    assert nodes.learn_statistics(nodes.split_passengers(changed, EXTENDED)[0], EXTENDED) == learned


@pytest.mark.parametrize("preparation", [HOW_TO, EXTENDED], ids=lambda each: each.features)
def test_order_partitions_and_engine_do_not_matter(
    passengers: pd.DataFrame, preparation: PreparationParameters, tmp_path: Any
) -> None:
    train, test, learned = split_and_prepare(passengers, preparation)
    parts = [passengers.iloc[700:], passengers.iloc[:300], passengers.iloc[300:700]]
    for number, part in enumerate(parts):
        part.to_csv(tmp_path / f"part-{number}.csv", index=False)
    variants = [
        passengers.sample(frac=1, random_state=5),
        pd.concat(parts),
        pl.read_csv(tmp_path / "part-*.csv", schema_overrides={"Ticket": pl.String}),
    ]
    for variant in variants:
        other_train, other_test, other_learned = split_and_prepare(variant, preparation)
        assert other_learned == learned
        for ours, theirs in ((train, other_train), (test, other_test)):
            frame = theirs.to_pandas() if isinstance(theirs, pl.DataFrame) else theirs
            pd.testing.assert_frame_equal(frame, ours)


def test_the_bytes_of_the_outputs_do_not_depend_on_row_order(
    passengers: pd.DataFrame, tmp_path: Any
) -> None:
    written = []
    for name, rows in (("a", passengers), ("b", passengers.sample(frac=1, random_state=9))):
        catalog = DataCatalog.from_config(
            {
                f"titanic_{part}": {
                    "type": "pandas.ParquetDataset",
                    "filepath": str(tmp_path / name / f"{part}.parquet"),
                    "save_args": {"engine": "pyarrow", "index": False},
                }
                for part in ("train", "test")
            }
        )
        catalog["titanic_ds"] = MemoryDataset(rows)
        catalog["params:preparation"] = HOW_TO
        SequentialRunner().run(data_prep.create_pipeline(), catalog)
        written.append([(tmp_path / name / f"{p}.parquet").read_bytes() for p in ("train", "test")])
    assert written[0] == written[1]


def test_the_pipeline_and_the_one_call_agree(passengers: pd.DataFrame) -> None:
    for preparation in (HOW_TO, EXTENDED):
        train, test, _ = split_and_prepare(passengers, preparation)
        catalog = DataCatalog({"titanic_ds": MemoryDataset(passengers)})
        catalog["params:preparation"] = preparation
        outputs = SequentialRunner().run(data_prep.create_pipeline(), catalog)
        pd.testing.assert_frame_equal(outputs["titanic_train"].load(), train)
        pd.testing.assert_frame_equal(outputs["titanic_test"].load(), test)


def test_preparation_is_one_modular_pipeline_in_two_namespaces() -> None:
    pipeline = data_prep.create_pipeline()
    train, test = (
        {
            node.name.removeprefix(f"{part}."): node.func
            for node in pipeline.filter(node_namespaces=[part]).nodes
        }
        for part in ("train", "test")
    )
    assert train == test
    assert {"prepare_age", "prepare_fare", "prepare_genders", "prepare_embarked"} <= set(train)


def test_nodes_change_nothing_that_they_are_given(passengers: pd.DataFrame) -> None:
    before = passengers.copy(deep=True)
    split_and_prepare(passengers, EXTENDED)
    pd.testing.assert_frame_equal(passengers, before)


def test_extended_features_mean_what_they_say(passengers: pd.DataFrame) -> None:
    train, _ = nodes.split_passengers(passengers, EXTENDED)
    learned = nodes.learn_statistics(train, EXTENDED)
    prepared = nodes.prepare(train, learned, EXTENDED)
    titles = train["Name"].str.extract(r", (.*?)\.", expand=False).map(nodes.TITLES)
    decks = train["Cabin"].str[0].map(nodes.DECKS).fillna(nodes.UNKNOWN_DECK)
    assert (prepared["Title"] == titles.to_numpy()).all()
    assert (prepared["Deck"] == decks.to_numpy()).all()
    assert (prepared["FamilySize"] == (train["SibSp"] + train["Parch"] + 1).to_numpy()).all()
    sizes = train.groupby("Ticket")["Ticket"].transform("size")
    assert (prepared["TicketPassengers"] == sizes.to_numpy()).all()
    stranger = train.head(1).assign(
        Ticket="never seen", Name="Nobody", Cabin="Z9", PassengerId=9999
    )
    row = nodes.prepare(stranger, learned, EXTENDED).iloc[0]
    assert (row["Title"], row["Deck"], row["TicketPassengers"]) == (6, 0, 1)


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("Sex", "male", 0),
        ("Sex", "female", 1),
        ("Sex", "unknown", 2),
        ("Sex", "x", 2),
        ("Sex", "", 2),
        ("Sex", None, 2),
        ("Embarked", "S", 0),
        ("Embarked", "C", 1),
        ("Embarked", "Q", 2),
        ("Embarked", "U", 3),
        ("Embarked", "Z", 3),
        ("Embarked", "", 3),
        ("Embarked", None, 3),
    ],
)
@pytest.mark.parametrize("frame_type", [pd.DataFrame, pl.DataFrame])
def test_codes(frame_type: type, column: str, value: str | None, code: int) -> None:
    node = {"Sex": nodes.prepare_genders, "Embarked": nodes.prepare_embarked}[column]
    frame = frame_type({"PassengerId": [1, 2], column: [value, "male"]})
    assert node(frame)[column].to_list()[0] == code


def test_groups_are_qcuts_with_tied_edges_merged() -> None:
    values = np.array([0.0] * 6 + [7.0, 8.0, 9.0, 10.0])
    edges = group_edges(np.sort(values), 5)
    groups = nodes.prepare_fare(pd.DataFrame({"Fare": values}), {"fare": {"group_edges": edges}})[
        "Fare_Group"
    ]
    assert groups.tolist() == pd.qcut(values, 5, labels=False, duplicates="drop").tolist()
    assert group_edges(np.array([5.0, 5.0, 5.0]), 5) == []
    assert group_edges(np.array([]), 5) == []


def test_hashes_have_no_ties_and_know_their_purpose() -> None:
    ids = np.arange(1, 200_001)
    split = hash_passengers(ids, 42, "split")
    assert len(np.unique(split)) == len(ids)
    assert (
        abs(np.corrcoef(split.astype(float), hash_passengers(ids, 42, "age").astype(float))[0, 1])
        < 0.01
    )
    # the same for ever, or a model's statistics would no longer fit its passengers
    assert split[:2].tolist() == [11376698671001164376, 1207202083145454662]


@pytest.mark.parametrize("preparation", [HOW_TO, EXTENDED], ids=lambda each: each.features)
@given(data=st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_rows_in_any_order_can_be_prepared(
    passengers: pd.DataFrame, preparation: PreparationParameters, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.integers(0, 1308), min_size=1, max_size=60, unique=True))
    frame = passengers.iloc[rows].copy()
    if data.draw(st.booleans(), "all ages missing"):
        frame["Age"] = np.nan
    if data.draw(st.booleans(), "one fare"):
        frame["Fare"] = 7.25
    if data.draw(st.booleans(), "strange texts"):
        frame[["Sex", "Embarked"]] = data.draw(st.sampled_from(["", "x", "unknown"]))
    if data.draw(st.booleans(), "extra column"):
        frame["Extra"] = "extra"
    if data.draw(st.booleans(), "one class"):
        frame["Survived"] = 1

    train, test, learned = split_and_prepare(frame, preparation)

    assert len(train) + len(test) == len(frame)
    columns = ["Survived", *nodes.FEATURE_TYPES[preparation.features]]
    for part in (train, test):
        assert list(part) == columns
        assert part.notna().all().all()
        assert part["Sex"].isin([0, 1, 2]).all()
        assert part["Embarked"].isin([0, 1, 2, 3]).all()
        assert part["Age_Group"].between(0, 4).all()
        assert part["Fare_Group"].between(0, 4).all()
    again = split_and_prepare(frame.sample(frac=1, random_state=0), preparation)
    pd.testing.assert_frame_equal(again[0], train)
    assert again[2] == learned
    # a passenger alone is prepared as among others
    alone = nodes.prepare(frame.head(1), learned, preparation)
    whole = nodes.prepare(frame, learned, preparation)
    place = sorted(frame["PassengerId"]).index(frame["PassengerId"].iloc[0])
    assert alone.iloc[0].tolist() == whole.iloc[place].tolist()


def test_draws_fill_their_range_evenly() -> None:
    age = {"fill_low": 15, "fill_high": 43, "mean": 29.0, "std": 14.0, "group_edges": []}
    drawn = fill_ages(np.arange(1, 28_001), np.full(28_000, np.nan), age, 42)  # type: ignore[arg-type]
    counts = np.bincount(drawn.astype(int))[15:]
    assert len(counts) == 28
    assert counts.min() > 850
    assert counts.max() < 1150
