"""What an endpoint adds to its model: the same passengers scored in six ways, side by side.

    python tests/benchmarks/serving.py [--runs 100]

Makes a project with a champion in a temporary folder. Latency: one request after another. Throughput:
eight clients that ask at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pandas as pd

ROOT = Path(__file__).parents[2]
ROWS = (1, 100, 1000)
CLIENTS = 8
MODEL_ONLY = "the model alone, rows prepared before"


def make_project(folder: Path) -> Path:
    for part in ("conf", "src"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data" / "01_raw").mkdir(parents=True)
    for path in (ROOT / "data" / "01_raw").glob("*.csv"):
        shutil.copy(path, folder / "data" / "01_raw")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder)
    kedro = [sys.executable, "-m", "kedro", "run"]
    subprocess.run(kedro, cwd=folder, check=True, capture_output=True)
    return folder


def passengers(folder: Path, rows: int) -> pd.DataFrame:
    found = pd.read_csv(
        folder / "data/01_raw/titanic.csv",
        dtype={"Ticket": str},
        keep_default_na=False,
        na_values=[""],
    )
    return found.drop(columns="Survived").head(rows)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "kedro", "azureml", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.match(r"(http://\S+):", line):
                    yield found[1]
                    break
        finally:
            process.terminate()


def ways(folder: Path, client: httpx.Client) -> Mapping[str, Callable[[pd.DataFrame], object]]:
    """Name to a function of raw passengers; the first is what the others are compared with."""
    from kedro.framework.session import KedroServiceSession
    from kedro.framework.startup import bootstrap_project

    from azureml_deploy.project import Selection
    from azureml_deploy.serving.opening import open_scorer, open_serving
    from titanic_automl.datasets.mlflow_registry import MlflowRegistryDataset
    from titanic_automl.parameters import PreparationParameters
    from titanic_automl.pipelines.data_prep.nodes import prepare
    from titanic_automl.prediction import predict_survival
    from titanic_automl.schemas import Passengers

    os.chdir(folder)
    metadata = bootstrap_project(folder)
    champion = MlflowRegistryDataset(
        filepath="data/06_models/registry/mlflow.db", model_name="TitanicSurvivalInitial"
    ).load()
    assert champion is not None
    model, learned = champion["model"], champion["artifacts"]["learned_statistics"]
    preparation = PreparationParameters.model_validate(champion["artifacts"]["preparation"])
    contract = Passengers(survived=False)
    scorer, _ = open_scorer(metadata, Selection(), open_serving(metadata, Selection()))
    session = KedroServiceSession.create(project_path=folder, serving_mode=True)
    logging.disable(logging.INFO)
    ready = {rows: prepare(passengers(folder, rows), learned, preparation) for rows in ROWS}

    def functions(raw: pd.DataFrame) -> object:
        return predict_survival(model, prepare(raw, learned, preparation), raw)

    def by_session(raw: pd.DataFrame) -> object:
        raw.to_csv(folder / "data/01_raw/new_passengers.csv", index=False)
        return session.run(pipeline_names=["scoring"])["predictions"].load()

    return {
        MODEL_ONLY: lambda raw: model.predict_proba(ready[len(raw)]),
        "the project's functions, called": functions,
        "the contract checked, then they": lambda raw: functions(contract.validate(raw)),
        "the scorer: checked, in Kedro's runner": lambda raw: scorer.score(records(raw)),
        "`kedro azureml serve`: over HTTP": lambda raw: ask(client, records(raw)),
        "Kedro's own service session, files": by_session,
    }


def records(raw: pd.DataFrame) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(raw.to_json(orient="records"))
    return found


def ask(client: httpx.Client, rows: list[dict[str, object]]) -> object:
    answer = client.post("/score", json={"data": rows})
    answer.raise_for_status()
    return answer.json()["result"]


def latency(
    contenders: Mapping[str, Callable[[pd.DataFrame], object]], raw: pd.DataFrame, runs: int
) -> dict[str, list[float]]:
    """Milliseconds of each, asked in turn, so that a machine's drift meets them all."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs + 1):
        for name, score in contenders.items():
            start = time.perf_counter()
            score(raw)
            taken[name].append(1000 * (time.perf_counter() - start))
    return {name: found[1:] for name, found in taken.items()}


def throughput(client: httpx.Client, raw: pd.DataFrame, seconds: float) -> float:
    """Answers a second to several clients at once."""
    rows = records(raw)
    start = time.perf_counter()

    def one_client(_: int) -> int:
        asked = 0
        while time.perf_counter() - start < seconds:
            ask(client, rows)
            asked += 1
        return asked

    with ThreadPoolExecutor(CLIENTS) as pool:
        answered = sum(pool.map(one_client, range(CLIENTS)))
    return answered / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = make_project(Path(name) / "titanic")
        with serving(folder) as address, httpx.Client(
            base_url=address, trust_env=False, timeout=60
        ) as client:  # fmt: skip
            contenders = ways(folder, client)
            for rows in ROWS:
                raw = passengers(folder, rows)
                taken = latency(contenders, raw, runs)
                print(f"\n**{rows} passenger{'s' if rows > 1 else ''}**\n")
                print("| | median ms | 95 % below ms | / the model alone |\n|---|---|---|---|")
                base = taken[MODEL_ONLY]
                for each, found in taken.items():
                    ratio = statistics.median(a / b for a, b in zip(found, base, strict=True))
                    high = statistics.quantiles(found, n=20)[-1]
                    print(f"| {each} | {statistics.median(found):.1f} | {high:.1f} | {ratio:.1f} |")
                rate = throughput(client, raw, 10)
                print(f"\n{CLIENTS} clients at once: {rate:.0f} answers a second,"
                      f" {rate * rows:.0f} passengers", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
