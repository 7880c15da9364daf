"""What Kedro, the registry and the plots add to the same functions called from a plain script.

python tests/benchmarks/overhead.py [--runs 5]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from measure import side_by_side, table

ROOT = Path(__file__).parents[2]

PLAIN = """
import sys
import pandas as pd
from titanic_automl.parameters import PreparationParameters, ReportParameters
from titanic_automl.pipelines.data_prep import nodes

preparation = PreparationParameters()
passengers = pd.read_csv("data/01_raw/titanic.csv", dtype={"Ticket": str},
                         keep_default_na=False, na_values=[""])
train_rows, test_rows = nodes.split_passengers(passengers, preparation)
learned = nodes.learn_statistics(train_rows, preparation)
prepared = [nodes.prepare(rows, learned, preparation) for rows in (train_rows, test_rows)]
if "--train" in sys.argv:
    from local_automl.engine import train
    from local_automl.settings import AutoMLSettings
    from titanic_automl.pipelines.evaluation.nodes import evaluate
    from titanic_automl.prediction import predict_survival
    settings = AutoMLSettings(task="classification", primary_metric="AUC_weighted",
        label_column_name="Survived", iterations=30, n_cross_validations=5,
        enable_early_stopping=False)
    model = train(prepared[0], settings).model
    evaluate(predict_survival(model, prepared[1], test_rows), ReportParameters())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    python = [sys.executable, "-c"]
    kedro = [sys.executable, "-m", "kedro"]
    stages = {
        "preparation": {
            "plain script, preparation": [*python, PLAIN],
            "`kedro run --pipelines data_prep`": [*kedro, "run", "--pipelines", "data_prep"],
            "`kedro registry list`": [*kedro, "registry", "list"],
        },
        "the whole": {
            "plain script: prepare, train, evaluate": [*python, PLAIN, "--train"],
            "`kedro run`": [*kedro, "run"],
        },
    }
    for commands in stages.values():
        print(
            f"\n{table(side_by_side(commands, runs=runs, folder=ROOT), 'the script')}", flush=True
        )


if __name__ == "__main__":
    main()
