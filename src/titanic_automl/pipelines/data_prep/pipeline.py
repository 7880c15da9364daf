"""The preparation of passengers as one modular pipeline, and its use for training and test rows."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from titanic_automl.pipelines.data_prep import nodes


def preparation_pipeline(
    namespace: str,
    *,
    passengers: str,
    statistics: str,
    prepared: str,
    preparation: str = "params:preparation",
) -> Pipeline:
    """Prepare passengers with learned statistics, once in each namespace.

    Args:
        namespace: Kedro namespace of this use.
        passengers: Dataset of the raw passengers.
        statistics: Dataset of the learned statistics.
        prepared: Dataset of the prepared passengers.
        preparation: Dataset of the preparation parameters.
    """
    return Pipeline(
        [
            node(
                nodes.prepare_age,
                ["passengers", "statistics", "preparation"],
                "with_age_group",
                name="prepare_age",
            ),
            node(
                nodes.prepare_fare,
                ["with_age_group", "statistics"],
                "with_fare_group",
                name="prepare_fare",
            ),
            node(nodes.prepare_genders, "with_fare_group", "with_sex", name="prepare_genders"),
            node(nodes.prepare_embarked, "with_sex", "with_embarked", name="prepare_embarked"),
            node(
                nodes.prepare_family,
                ["with_embarked", "statistics", "preparation"],
                "with_family",
                name="prepare_family",
            ),
            node(
                nodes.select_features,
                ["with_family", "preparation"],
                "prepared",
                name="select_features",
            ),
        ],
        namespace=namespace,
        inputs={
            "passengers": passengers,
            "statistics": statistics,
            "preparation": preparation,
        },
        outputs={"prepared": prepared},
    )


def create_pipeline() -> Pipeline:
    """Raw dataset to prepared training and test rows."""
    split = [
        node(
            nodes.split_passengers,
            ["titanic_ds", "params:preparation"],
            ["train_passengers", "test_passengers"],
            name="split_passengers",
        ),
        node(
            nodes.learn_statistics,
            ["train_passengers", "params:preparation"],
            "learned_statistics",
            name="learn_statistics",
        ),
    ]
    prepare = (
        preparation_pipeline(
            part,
            passengers=f"{part}_passengers",
            statistics="learned_statistics",
            prepared=f"titanic_{part}",
        )
        for part in ("train", "test")
    )
    return sum(prepare, Pipeline(split))
