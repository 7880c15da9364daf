"""`python -m local_automl`: what it prints, what it leaves and how it fails."""

import json
import pickle
import subprocess
import sys

import pandas as pd
import pytest

SETTINGS = {
    "task": "classification",
    "label_column_name": "survived",
    "primary_metric": "AUC_weighted",
    "iterations": 3,
    "n_cross_validations": 3,
    "allowed_models": ["LogisticRegression"],
}


def run(*arguments):
    command = [sys.executable, "-m", "local_automl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def files(tmp_path, passengers):
    settings, data = tmp_path / "settings.json", tmp_path / "training.parquet"
    settings.write_text(json.dumps(SETTINGS))
    passengers.to_parquet(data)
    return settings, data, tmp_path / "deep" / "output"


def test_a_run_prints_iterations_and_leaves_model_and_metrics(files, passengers):
    settings, data, output = files
    done = run(
        *("--settings", settings, "--training-data", data, "--validation-data", data),
        *("--output", output, "--random-seed", 5),
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [set(line) for line in lines] == [
        {"iteration", "learner", "metric", "value", "best"}
    ] * 4
    assert lines[-1]["learner"] == "VotingEnsemble"
    assert sorted(path.name for path in output.iterdir()) == ["metrics.json", "model.pkl"]
    table = pd.DataFrame(json.loads((output / "metrics.json").read_text()))
    assert table.loc["AUC_weighted", "3"] == [lines[-1]["value"]]
    model = pickle.loads((output / "model.pkl").read_bytes())
    assert len(model.predict(passengers)) == len(passengers)


def test_training_data_may_be_a_directory(files, passengers, tmp_path):
    settings, _, output = files
    parts = tmp_path / "parts"
    parts.mkdir()
    passengers.iloc[:60].to_parquet(parts / "part-0.parquet")
    passengers.iloc[60:].to_parquet(parts / "part-1.parquet")
    done = run("--settings", settings, "--training-data", parts, "--output", output)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("change", "code", "part"),
    [
        ({"label_column_name": "survivd"}, 1, "did you mean 'survived'?"),
        (
            {
                "task": "regression",
                "primary_metric": None,
                "allowed_models": None,
                "label_column_name": "sex",
            },
            1,
            "needs numbers",
        ),
        ({"primary_metric": "AUC"}, 2, "did you mean 'AUC_weighted'?"),
        ({"iteratons": 3}, 2, "did you mean 'iterations'?"),
    ],
)
def test_a_users_mistake_is_one_line(files, change, code, part):
    settings, data, output = files
    settings.write_text(json.dumps(SETTINGS | change))
    done = run("--settings", settings, "--training-data", data, "--output", output)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
    assert part in done.stderr
    assert done.stdout == ""
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "part"),
    [("{", "not JSON"), ("[]", "found a list"), (None, "no such file")],
)
def test_a_settings_file_that_is_none(files, content, part):
    settings, data, output = files
    settings.unlink() if content is None else settings.write_text(content)
    done = run("--settings", settings, "--training-data", data, "--output", output)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert str(settings) in done.stderr
    assert part in done.stderr


def test_data_that_is_missing_or_no_parquet(files, tmp_path):
    settings, data, output = files
    done = run("--settings", settings, "--training-data", tmp_path / "no", "--output", output)
    assert done.returncode == 2
    assert "no such file" in done.stderr
    data.write_text("a,b")
    done = run("--settings", settings, "--training-data", data, "--output", output)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "not readable as parquet" in done.stderr


def test_wrong_usage(files):
    done = run("--settings", files[0])
    assert done.returncode == 2
    assert "--training-data" in done.stderr.splitlines()[-1]
