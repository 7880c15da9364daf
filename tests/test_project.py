"""The project's shape, its two commands, and Kedro's own tools on it."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]


def test_the_top_level_is_a_kedro_projects() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    top = {name.partition("/")[0] for name in listed}
    expected = {"conf", "data", "src", "notebooks", "tests", "pyproject.toml", "README.md"}
    assert expected <= top
    extra = {name for name in top - expected if not name.startswith(".")}
    assert extra == {"LICENSE", "constraints.txt"}


def test_pins_and_commits_name_no_registry() -> None:
    pins = (ROOT / "constraints.txt").read_text()
    assert "://" not in pins
    assert re.search(r"^kedro==1\.7\.", pins, re.MULTILINE)


def readme_command(heading: str) -> str:
    section = (ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1]
    return re.search(r"```bash\n(.*?)```", section, re.DOTALL).group(1).strip()  # type: ignore[union-attr]


def test_ci_runs_the_readmes_second_command_literally() -> None:
    command = subprocess.run(
        ["bash", ".ci/run", "--print"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert command == readme_command("Test it")
    assert command.endswith("pytest")
    assert readme_command("Run it").endswith("kedro run")


Kedro = Callable[..., Any]


def test_the_pipelines_are_listed(project: Path, kedro: Kedro) -> None:
    listed = kedro(project, "registry", "list")
    assert listed.returncode == 0, listed.stderr
    names = {line.removeprefix("- ").strip() for line in listed.stdout.splitlines() if line}
    assert names == {
        "__default__", "data_prep", "training", "evaluation", "registration", "scoring",
    }  # fmt: skip


def test_the_datasets_are_described(project: Path, kedro: Kedro) -> None:
    described = kedro(project, "catalog", "describe-datasets")
    assert described.returncode == 0, described.stderr
    for name in ("titanic_ds", "titanic_train", "registered_model", "roc_curve_plot"):
        assert name in described.stdout


def test_kedro_viz_shows_the_pipeline_and_its_plots(finished_copy: Path, kedro: Kedro) -> None:
    built = kedro(finished_copy, "viz", "build", "--include-previews")
    assert built.returncode == 0, built.stderr
    assert "cycle" not in built.stdout + built.stderr
    api = finished_copy / "build" / "api"
    shown = json.loads((api / "main").read_text())
    assert shown["layers"][0] == "raw"
    identifiers = {node["name"]: node["id"] for node in shown["nodes"]}
    assert {"prepare_age", "train_model", "register_model"} <= {
        name.rpartition(".")[2] for name in identifiers
    }
    for plot in ("roc_curve", "precision_recall", "confusion_matrix", "calibration",
                 "leaderboard", "permutation_importance"):  # fmt: skip
        details = json.loads((api / "nodes" / identifiers[f"{plot}_plot"]).read_text())
        picture = (finished_copy / "data" / "08_reporting" / f"{plot}.png").read_bytes()
        assert base64.b64decode(details["preview"]) == picture


def test_kedro_jupyter_starts(project: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kedro", "jupyter", "lab", "--version"]
    environment = {**os.environ, "DO_NOT_TRACK": "1", "JUPYTER_DATA_DIR": str(tmp_path / "jupyter")}
    started = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert started.returncode == 0, started.stderr
    assert re.search(r"^4\.\d+", started.stdout, re.MULTILINE)
    (kernel,) = (tmp_path / "jupyter" / "kernels").iterdir()
    assert "kedro.ipython" in (kernel / "kernel.json").read_text()


def test_importing_the_pipelines_pulls_in_no_training_library() -> None:
    check = (
        "import sys, titanic_automl.pipeline_registry as registry; registry.register_pipelines();"
        "print(sorted({'sklearn', 'scipy', 'matplotlib', 'mlflow', 'flaml', 'polars', 'pandera'}"
        " & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout.strip() == "[]"


def test_ten_million_passengers_would_take_the_same_pipeline(
    project: Path, finished: Path, kedro: Kedro
) -> None:
    run = kedro(project, "run", "--env", "scale", "--pipelines", "data_prep")
    assert run.returncode == 0, run.stderr
    for part in ("train", "test"):
        by_polars, by_pandas = (
            pq.read_table(folder / "data" / "05_model_input" / f"titanic_{part}.parquet")
            for folder in (project, finished)
        )
        assert by_polars.cast(by_pandas.schema) == by_pandas
        assert by_polars.schema.types == by_pandas.schema.types
    assert (project / "data/04_feature/learned_statistics.json").read_bytes() == (
        finished / "data/04_feature/learned_statistics.json"
    ).read_bytes()
