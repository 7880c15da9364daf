from __future__ import annotations

import pandas as pd
import pytest

from local_automl.settings import AutoMLSettings
from titanic_automl.errors import UserError
from titanic_automl.parameters import PreparationParameters
from titanic_automl.pipelines import training
from titanic_automl.pipelines.data_prep import nodes
from titanic_automl.pipelines.training.nodes import train_model

SETTINGS = AutoMLSettings(
    task="classification",
    primary_metric="AUC_weighted",
    label_column_name="Survived",
    iterations=2,
    n_cross_validations=3,
)


@pytest.fixture(scope="module")
def prepared(passengers: pd.DataFrame) -> pd.DataFrame:
    preparation = PreparationParameters()
    return nodes.prepare(passengers, nodes.learn_statistics(passengers, preparation), preparation)


def test_training_gives_the_two_outputs_of_an_automl_step(prepared: pd.DataFrame) -> None:
    model, metrics = train_model(prepared, SETTINGS, random_seed=1)
    features = prepared.drop(columns="Survived")
    assert model.predict_proba(features).shape == (1309, 2)
    assert set(model.predict(features)) == {0, 1}
    table = pd.DataFrame(metrics)
    assert list(table) == ["0", "1", "2"]  # two iterations and the ensemble of them
    assert all(0.5 < value[0] < 1 for value in table.loc["AUC_weighted"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows[rows["Survived"] == 1], "class"),
        (lambda rows: rows.drop(columns="Survived"), "Survived"),
        (lambda rows: rows.head(0), "row"),
    ],
)
def test_rows_that_cannot_be_learned_from_get_one_clear_error(
    prepared: pd.DataFrame, spoil: object, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train_model(spoil(prepared), SETTINGS, random_seed=1)  # type: ignore[operator]


def test_the_training_node_is_the_one_tagged_for_azure() -> None:
    (node,) = training.create_pipeline().nodes
    assert node.tags == {"azureml.automl"}
    assert len(node.outputs) == 2
