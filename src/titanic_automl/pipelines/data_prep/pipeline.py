"""The preparation of passengers as one modular pipeline, and its use for training and test rows."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from titanic_automl.pipelines.data_prep import nodes


def preparation_pipeline(namespace: str, *, prepared: str, statistics: str) -> Pipeline:
    """Prepare ``<namespace>.passengers`` with learned statistics.

    Args:
        namespace: Kedro namespace of this use.
        prepared: Name of the output dataset.
        statistics: Name of the dataset of the learned statistics.
    """
    preparation = "params:preparation"
    return Pipeline(
        [
            node(
                nodes.prepare_age,
                ["passengers", "statistics", preparation],
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
                ["with_embarked", "statistics", preparation],
                "with_family",
                name="prepare_family",
            ),
            node(
                nodes.select_features,
                ["with_family", preparation],
                "prepared",
                name="select_features",
            ),
        ],
        namespace=namespace,
        parameters=preparation,
        inputs={"statistics": statistics},
        outputs={"prepared": prepared},
    )


def create_pipeline() -> Pipeline:
    """Raw dataset to prepared training and test rows."""
    split = Pipeline(
        [
            node(
                nodes.split_passengers,
                ["titanic_ds", "params:preparation"],
                ["train.passengers", "test.passengers"],
                name="split_passengers",
            ),
            node(
                nodes.learn_statistics,
                ["train.passengers", "params:preparation"],
                "learned_statistics",
                name="learn_statistics",
            ),
        ]
    )
    return (
        split
        + preparation_pipeline("train", prepared="titanic_train", statistics="learned_statistics")
        + preparation_pipeline("test", prepared="titanic_test", statistics="learned_statistics")
    )
