"""What a user sees of `kedro run`: a good run's outputs, and one message for each mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

Kedro = Callable[..., Any]


def outputs(project: Path) -> dict[str, bytes]:
    """The bytes of all that runs have written."""
    written = (project / "data").glob("0[2-8]_*/**/*")
    return {str(path): path.read_bytes() for path in written if path.is_file()}


def test_a_run_leaves_what_the_readme_says(finished: Path) -> None:
    data = finished / "data"
    for part, rows in (("train", 1047), ("test", 262)):
        table = pq.read_table(data / "05_model_input" / f"titanic_{part}.parquet")
        assert table.num_rows == rows
        assert {str(kind) for kind in table.schema.types} == {"int64"}
    learned = json.loads((data / "04_feature" / "learned_statistics.json").read_text())
    assert len(learned["age"]["group_edges"]) == len(learned["fare"]["group_edges"]) == 4

    with (data / "08_reporting" / "automl_metrics.json").open() as file:
        table = pd.DataFrame(json.load(file))  # as the how-to reads it
    leaderboard = pd.read_csv(data / "08_reporting" / "leaderboard.csv")
    assert len(leaderboard) == table.shape[1] == 4
    assert leaderboard["AUC_weighted"].is_monotonic_decreasing

    holdout = json.loads((data / "08_reporting" / "holdout_metrics.json").read_text())
    predictions = pd.read_csv(data / "07_model_output" / "test_predictions.csv")
    right = (predictions["Survived"] == predictions["Prediction"]).mean()
    assert holdout["accuracy"]["value"] == pytest.approx(right)
    plots = {path.stem for path in (data / "08_reporting").glob("*.png")}
    assert plots == {
        "roc_curve", "precision_recall", "confusion_matrix", "calibration", "leaderboard",
        "permutation_importance",
    }  # fmt: skip


def test_a_run_shows_its_progress_and_what_it_registered(finished: Path) -> None:
    log = (finished / "run.log").read_text()
    for iteration in range(4):
        assert f"iteration {iteration}" in log
    assert "VotingEnsemble" in log
    assert "Registered version 1 of model TitanicSurvivalInitial" in log
    assert "The new model is the first champion of TitanicSurvivalInitial" in log
    assert "Warning" not in log


def test_the_champion_scores_new_passengers_as_it_was_trained(
    finished_copy: Path, kedro: Kedro
) -> None:
    prediction_file = finished_copy / "data" / "07_model_output" / "predictions.csv"
    run = kedro(finished_copy, "run", "--pipelines", "scoring")
    assert run.returncode == 0, run.stderr
    predictions = pd.read_csv(prediction_file)
    assert predictions["PassengerId"].tolist() == list(range(2001, 2009))
    assert predictions["Probability"].between(0, 1).all()
    assert (predictions["Prediction"] == (predictions["Probability"] >= 0.5)).all()

    # the project has moved on to other features; the champion brings its own
    run = kedro(finished_copy, "run", "--pipelines", "scoring", "--params",
                "preparation.features=extended")  # fmt: skip
    assert run.returncode == 0, run.stderr
    pd.testing.assert_frame_equal(pd.read_csv(prediction_file), predictions)


def test_a_second_run_is_a_challenger(finished_copy: Path, kedro: Kedro) -> None:
    run = kedro(finished_copy, "run", "--params",
                "automl.iterations=2,preparation.features=extended")  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "Registered version 2 of model TitanicSurvivalInitial" in run.stderr
    report = json.loads((finished_copy / "data/08_reporting/registration.json").read_text())
    assert report["champion_version"] == 1
    assert report["promoted"] is (report["challenger"] >= report["champion"])
    assert ("takes the champion's place" in run.stderr) is report["promoted"]

    named = kedro(
        finished_copy, "run", "--pipelines", "registration", "--params", "model_name=Another"
    )
    assert named.returncode == 0, named.stderr
    assert "Registered version 1 of model Another" in named.stderr


MISTAKES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unknown parameter": (
        ("--params", "preparation.test_sise=0.3"),
        ("  preparation: 'test_sise' is unknown; did you mean 'test_size'?", "conf/base/parameters.yml"),
    ),
    "parameter out of range": (
        ("--params", "preparation.test_size=1.5"),
        ("  preparation.test_size: Input should be less than 1, found 1.5\n", "conf/base/parameters.yml"),
    ),
    "unknown feature set": (
        ("--params", "preparation.features=all"),
        ("  preparation.features: Input should be 'how_to' or 'extended', found 'all'\n",),
    ),
    "unknown metric": (
        ("--params", "automl.primary_metric=AUC"),
        ("primary_metric 'AUC' is unknown", "did you mean 'AUC_weighted'?", "norm_macro_recall"),
    ),
    "unknown setting": (
        ("--params", "automl.iteration=3"),
        ("setting 'iteration' is unknown; did you mean 'iterations'?",),
    ),
    "several at once": (
        ("--params", "automl.iterations=many,random_seed=x"),
        ("automl.iterations: ", "preparation.random_seed: ", "report.random_seed: "),
    ),
    "unknown pipeline": (("--pipelines", "trainning"), ("trainning",)),
    "unknown node": (("--nodes", "prepare"), ("prepare",)),
    "no champion": (("--pipelines", "scoring"), ("no champion", "kedro run")),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_message_and_changes_nothing(
    project: Path, kedro: Kedro, mistake: str
) -> None:
    arguments, words = MISTAKES[mistake]
    before = outputs(project)
    run = kedro(project, "run", *arguments)
    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    assert len(run.stderr.splitlines()) < 12
    for word in words:
        assert run.stderr.count(word) == 1
    assert outputs(project) == before


def test_a_bad_file_gets_one_message_and_changes_nothing(finished_copy: Path, kedro: Kedro) -> None:
    raw = finished_copy / "data" / "01_raw" / "titanic.csv"
    lines = raw.read_text().splitlines()
    lines[1] = lines[1].replace("female", "femail")
    lines[3] = lines[3].replace(",2,1,2,", ",two,1,2,")
    lines[9] = lines[9].replace("9,1,1,", "9,1,4,", 1)
    raw.write_text("\n".join(lines) + "\n")
    before = outputs(finished_copy)
    run = kedro(finished_copy, "run")
    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    assert len(run.stderr.splitlines()) < 12
    message = run.stderr[run.stderr.index("Error: ") :].splitlines()
    assert message == [
        "Error: Dataset 'titanic_ds' breaks its contract in 3 places:",
        "  column Sex, row 1: is 'femail', must be one of male, female, unknown",
        "  column Age, row 3: is 'two', must be a number",
        "  column Pclass, row 9: is '4', must be one of 1, 2, 3",
        "Row 1 is the first below the header. Correct these values in the file that the catalog "
        "names for this dataset; nothing was written.",
    ]
    assert outputs(finished_copy) == before


def test_a_missing_file_is_named(project: Path, kedro: Kedro) -> None:
    (project / "data" / "01_raw" / "titanic.csv").unlink()
    run = kedro(project, "run")
    assert run.returncode == 1
    assert "data/01_raw/titanic.csv" in run.stderr
    assert "Traceback" not in run.stderr


def test_passengers_of_one_class_stop_at_training(project: Path, kedro: Kedro) -> None:
    raw = project / "data" / "01_raw" / "titanic.csv"
    rows = pd.read_csv(raw, dtype=str, keep_default_na=False)
    rows[rows["Survived"] == "1"].to_csv(raw, index=False)
    run = kedro(project, "run")
    assert run.returncode == 1
    assert "Error: Training on these rows is not possible" in run.stderr
    assert "Survived" in run.stderr
    assert "Traceback" not in run.stderr
    assert not list((project / "data" / "06_models").glob("*.pkl"))


def test_malformed_configuration_is_named(project: Path, kedro: Kedro) -> None:
    with (project / "conf" / "base" / "parameters.yml").open("a") as file:
        file.write("automl: [unclosed\n")
    run = kedro(project, "run")
    assert run.returncode == 1
    assert "parameters.yml" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_defect_of_the_code_keeps_its_traceback(project: Path, kedro: Kedro) -> None:
    nodes = project / "src" / "titanic_automl" / "pipelines" / "data_prep" / "nodes.py"
    nodes.write_text(nodes.read_text().replace("age = statistics", "age = 1 / 0, statistics"))
    run = kedro(project, "run", "--pipelines", "data_prep")
    assert run.returncode == 1
    assert "ZeroDivisionError" in run.stderr
    assert "Traceback" in run.stderr
