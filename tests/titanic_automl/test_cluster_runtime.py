"""The nodes on what Azure's AutoML runtime pins: Python 3.10, pandas 1.5.3, scikit-learn 1.5.2."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]

# azureml-train-automl-runtime 1.62.0 pins the first four
RUNTIME = (
    "pandas==1.5.3",
    "numpy==1.23.5",
    "scikit-learn==1.5.2",
    "pyarrow==17.0.0",
    "kedro~=1.7.0",
    "kedro-datasets~=9.6.0",
    "omegaconf<2.4",
    "narwhals~=2.29",
    "pydantic~=2.14",
    "matplotlib<3.11",
    "flaml~=2.7.0",
    "lightgbm~=4.7",
)

PREPARED = ("05_model_input/titanic_train", "05_model_input/titanic_test",
            "02_intermediate/test_passengers")  # fmt: skip

DTYPES = "import pandas, sys; print({k: str(v) for k, v in pandas.read_parquet(sys.argv[1]).dtypes.items()})"


def pythons_310() -> Iterator[Path]:
    """Every Python 3.10 there may be, the one on the path first, which may be pyenv's shim."""
    on_path = shutil.which("python3.10")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/3.10*/bin/python3.10"))
    yield from sorted(Path("/usr").glob("**/bin/python3.10"))


def runs(python: Path) -> bool:
    check = [python, "-c", "import sys, venv; sys.exit(sys.version_info[:2] != (3, 10))"]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory, own_environment: Mapping[str, str]) -> Path:
    """The Python of an environment with the cluster's pins and this project's code."""
    python = next(filter(runs, pythons_310()), None)
    if python is None:
        message = "no Python 3.10 runs here; install one, for example with: uv python install 3.10"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    environment = tmp_path_factory.mktemp("runtime") / "venv"
    subprocess.run(
        [find_uv_bin(), "venv", "-q", "--python", python, environment],
        env=own_environment,
        check=True,
    )
    built = environment / "bin" / "python"
    install = [find_uv_bin(), "pip", "install", "-q", "--python", built]
    subprocess.run([*install, *RUNTIME], env=own_environment, check=True)
    subprocess.run([*install, "--no-deps", ROOT], env=own_environment, check=True)
    return built


def test_the_same_values_and_dtypes_as_here(
    runtime: Path, project: Path, finished: Path, own_environment: Mapping[str, str]
) -> None:
    run = subprocess.run(
        [runtime, "-m", "kedro", "run", "--pipelines", "data_prep,training,evaluation",
         "--params", "automl.iterations=2"],
        cwd=project,
        # pandera does not import beside pandas 1.5.3
        env={**own_environment, "KEDRO_DATASET_VALIDATION": "0"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    for name in PREPARED:
        ours, theirs = (folder / "data" / f"{name}.parquet" for folder in (finished, project))
        assert theirs.stat().st_size
        table, other = pq.read_table(ours), pq.read_table(theirs)
        assert other.to_pydict() == table.to_pydict()
        if name.startswith("05"):
            assert other.schema.types == table.schema.types
            read = [runtime, "-c", DTYPES, theirs]
            dtypes = subprocess.run(
                read, env=own_environment, capture_output=True, text=True, check=True
            ).stdout
            assert dtypes.count("'int64'") == table.num_columns
    statistics = "data/04_feature/learned_statistics.json"
    learned, other_learned = (
        json.loads((folder / statistics).read_text()) for folder in (finished, project)
    )
    for group in ("age", "fare"):
        for name, value in learned[group].items():
            assert other_learned[group][name] == pytest.approx(value, rel=1e-12)
    assert (project / "data" / "08_reporting" / "roc_curve.png").exists()
    assert (project / "data" / "08_reporting" / "holdout_metrics.json").exists()
