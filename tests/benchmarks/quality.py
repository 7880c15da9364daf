"""How well the models predict: repeated cross-validation and the hold-out, both feature sets.

    pip install -c constraints.txt "flaml[automl]"
    python tests/benchmarks/quality.py [--repeats 3] [--features how_to extended]

In every fold all is done anew on the training rows alone: statistics, preparation, search and fit.
FLAML's own AutoML, with its defaults, gets in each fold the seconds that ours took there.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from local_automl.engine import train
from local_automl.settings import AutoMLSettings
from titanic_automl.parameters import FeatureSet, PreparationParameters
from titanic_automl.pipelines.data_prep import nodes

RAW = Path(__file__).parents[2] / "data" / "01_raw" / "titanic.csv"
CODES = ["Sex", "Embarked", "Title", "Deck"]
SETTINGS = AutoMLSettings(
    task="classification",
    primary_metric="AUC_weighted",
    label_column_name="Survived",
    iterations=30,
    n_cross_validations=5,
    enable_early_stopping=False,
    verbosity=logging.WARNING,
)

Fit = Callable[[pd.DataFrame, float], Any]


def logistic_regression(rows: pd.DataFrame, _: float) -> Any:
    codes = [name for name in CODES if name in rows]
    transform = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), codes), remainder=StandardScaler()
    )
    model = make_pipeline(transform, LogisticRegression(max_iter=1000))
    return model.fit(rows.drop(columns="Survived"), rows["Survived"])


def lightgbm(rows: pd.DataFrame, _: float) -> Any:
    return LGBMClassifier(verbose=-1).fit(rows.drop(columns="Survived"), rows["Survived"])


def local_automl(rows: pd.DataFrame, _: float) -> Any:
    return train(rows, SETTINGS).model


def flaml_defaults(rows: pd.DataFrame, seconds: float) -> Any:
    from flaml import AutoML

    search = AutoML()
    search.fit(
        X_train=rows.drop(columns="Survived"), y_train=rows["Survived"], task="classification",
        metric="roc_auc", time_budget=seconds, verbose=0,
    )  # fmt: skip
    return search


CONTENDERS: dict[str, Fit] = {
    "local_automl (this project's default run)": local_automl,
    "FLAML's defaults, in the same time": flaml_defaults,
    "logistic regression": logistic_regression,
    "LightGBM's defaults": lightgbm,
}


def scores_of(
    train_rows: pd.DataFrame, test_rows: pd.DataFrame, preparation: PreparationParameters
) -> dict[str, tuple[float, float, float]]:
    """AUC, accuracy and seconds of each contender, fitted on one part and judged on the other."""
    learned = nodes.learn_statistics(train_rows, preparation)
    fit_on, judge_on = (
        nodes.prepare(rows, learned, preparation) for rows in (train_rows, test_rows)
    )
    scores, seconds = {}, 0.0
    for name, fit in CONTENDERS.items():
        start = time.perf_counter()
        model = fit(fit_on, seconds)
        took = time.perf_counter() - start
        seconds = seconds or took  # the first contender's time is the second's budget
        probability = model.predict_proba(judge_on.drop(columns="Survived"))[:, 1]
        truth = judge_on["Survived"]
        scores[name] = (
            roc_auc_score(truth, probability), accuracy_score(truth, probability >= 0.5), took,
        )  # fmt: skip
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--features", nargs="+", default=["how_to", "extended"])
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    os.environ["DO_NOT_TRACK"] = "1"
    passengers = pd.read_csv(RAW, dtype={"Ticket": str}, keep_default_na=False, na_values=[""])
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=arguments.repeats, random_state=0)
    print(
        "| features | model | CV AUC (± s.d. of folds) | CV accuracy | hold-out AUC | hold-out accuracy | s per fit |"
    )
    print("|---|---|---|---|---|---|---|")
    for features in arguments.features:
        report(passengers, folds, features)


def report(passengers: pd.DataFrame, folds: RepeatedStratifiedKFold, features: FeatureSet) -> None:
    preparation = PreparationParameters(features=features)
    by_fold = defaultdict(list)
    for fit_on, judge_on in folds.split(passengers, passengers["Survived"]):
        parts = passengers.iloc[fit_on], passengers.iloc[judge_on]
        for name, scores in scores_of(*parts, preparation).items():
            by_fold[name].append(scores)
    holdout = scores_of(*nodes.split_passengers(passengers, preparation), preparation)
    for name, scores in by_fold.items():
        auc, accuracy, seconds = np.array(scores).T
        print(
            f"| {features} | {name} | {auc.mean():.4f} ± {auc.std():.3f} | {accuracy.mean():.4f} "
            f"| {holdout[name][0]:.4f} | {holdout[name][1]:.4f} | {np.median(seconds):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
