from __future__ import annotations

import logging
from typing import Any

import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from titanic_automl.metrics import METRICS
from titanic_automl.parameters import PreparationParameters
from titanic_automl.pipelines import registration
from titanic_automl.pipelines.data_prep import nodes as data_prep
from titanic_automl.pipelines.registration import nodes

SETTINGS = {"task": "classification", "primary_metric": "AUC_weighted"}


@pytest.mark.parametrize(
    ("challenger", "champion", "metric", "becomes"),
    [
        (0.5, None, "AUC_weighted", True),
        (0.81, 0.80, "AUC_weighted", True),
        (0.80, 0.80, "AUC_weighted", True),
        (0.79, 0.80, "AUC_weighted", False),
        (0.39, 0.40, "log_loss", True),
        (0.41, 0.40, "log_loss", False),
    ],
)
def test_the_champion_rule(
    challenger: float, champion: float | None, metric: str, becomes: bool
) -> None:
    assert nodes.becomes_champion(challenger, champion, metric) is becomes


def a_model(
    passengers: pd.DataFrame, preparation: PreparationParameters, depth: int
) -> tuple[Any, Any]:
    learned = data_prep.learn_statistics(passengers, preparation)
    prepared = data_prep.prepare(passengers, learned, preparation)
    model = DecisionTreeClassifier(max_depth=depth, random_state=0)
    return model.fit(prepared.drop(columns="Survived"), prepared["Survived"]), learned


@pytest.fixture
def champion(passengers: pd.DataFrame) -> dict[str, Any]:
    """Version 4, of the extended feature set, registered on the first 300 passengers."""
    preparation = PreparationParameters(features="extended")
    model, learned = a_model(passengers, preparation, depth=3)
    version, _ = nodes.register_model(
        model, learned, preparation, SETTINGS, {"AUC_weighted": {"value": 0.9}},
        passengers.head(300), None, "M",
    )  # fmt: skip
    return {**version, "version": 4}


def test_the_first_model_is_the_champion_and_brings_all_that_scoring_needs(
    passengers: pd.DataFrame, champion: dict[str, Any]
) -> None:
    assert champion["champion"]
    assert set(champion["artifacts"]) == {
        "learned_statistics", "preparation", "automl_settings", "holdout_metrics", "registration",
    }  # fmt: skip
    assert champion["tags"]["AUC_weighted"] == "0.9"
    assert champion["tags"]["test_data_sha256"] == nodes.checksum(passengers.head(300))
    raw = passengers[passengers["PassengerId"] == 5]
    score = nodes.score_version(champion, pd.concat([raw, passengers.tail(1)]), "accuracy")
    assert score in (0, 0.5, 1)


@pytest.mark.parametrize(("value", "promoted"), [(0.91, True), (0.9, True), (0.89, False)])
def test_on_the_same_rows_what_was_recorded_counts(
    passengers: pd.DataFrame,
    champion: dict[str, Any],
    value: float,
    promoted: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    test_passengers = passengers.head(300).sample(frac=1, random_state=0)
    preparation = PreparationParameters()
    model, learned = a_model(passengers, preparation, depth=2)
    version, report = nodes.register_model(
        model, learned, preparation, SETTINGS, {"AUC_weighted": {"value": value}},
        test_passengers, champion, "M",
    )  # fmt: skip
    assert version["champion"] is report["promoted"] is promoted
    assert report["champion"] == 0.9
    assert report["champion_version"] == 4
    verdict = "takes the champion's place from" if promoted else "The champion stays"
    assert verdict in caplog.text
    assert "version 4 (0.9000)" in caplog.text


def test_on_new_rows_the_champion_is_scored_first_as_it_was_prepared(
    passengers: pd.DataFrame, champion: dict[str, Any]
) -> None:
    new_rows = passengers.tail(300)
    extended = PreparationParameters(features="extended")
    prepared = data_prep.prepare(new_rows, champion["artifacts"]["learned_statistics"], extended)
    probability = champion["model"].predict_proba(prepared.drop(columns="Survived"))[:, 1]
    expected = METRICS["AUC_weighted"](prepared["Survived"].to_numpy(), probability)
    assert nodes.champion_score(champion, new_rows, "AUC_weighted") == pytest.approx(expected)
    assert nodes.champion_score(champion, passengers.head(300), "AUC_weighted") == 0.9
    assert nodes.champion_score(None, new_rows, "AUC_weighted") is None


def test_the_registering_node_is_the_one_tagged_for_azure_and_needs_the_evaluation() -> None:
    (node,) = registration.create_pipeline().nodes
    assert node.tags == {"azureml.register"}
    assert "holdout_metrics" in node.inputs
    assert node.outputs == ["registered_model", "registration"]
