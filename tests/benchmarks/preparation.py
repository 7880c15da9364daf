"""Preparation of 1.3 thousand, 1 and 10 million passengers, against what there is to beat.

    python tests/benchmarks/preparation.py [--rows 1309 1000000 10000000] [--runs 3]

Every contender is a process of its own, its start-up included, and writes Parquet. The rows are the
Titanic's, repeated with new PassengerIds. It all happens in a copy of the project in a temporary
folder, which needs 1 GB at 10 million rows.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl
from measure import side_by_side, table

ROOT = Path(__file__).parents[2]

NEEDED = ["PassengerId", "Survived", "Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked"]

PYARROW = """
import sys
import pyarrow.csv, pyarrow.parquet
source, target, *columns = sys.argv[1:]
options = pyarrow.csv.ConvertOptions(include_columns=columns)
table = pyarrow.csv.read_csv(source, convert_options=options)
pyarrow.parquet.write_table(table, target)
"""

HOW_TO = """
import sys
import numpy as np, pandas as pd, pyarrow as pa, pyarrow.parquet as pq
source, target, *columns = sys.argv[1:]
rng = np.random.default_rng(42)

def prepare_age(df):
    mean, std = df["Age"].mean(), df["Age"].std()
    is_null = df["Age"].isnull()
    df.loc[is_null, "Age"] = rng.integers(int(mean - std), int(mean + std), size=is_null.sum())
    df["Age"] = df["Age"].astype(int)
    df["Age_Group"] = pd.qcut(df["Age"], 5, labels=False)
    return df.drop(columns="Age")

def prepare_fare(df):
    df["Fare"] = df["Fare"].fillna(0)
    df["Fare_Group"] = pd.qcut(df["Fare"], 5, labels=False)
    return df.drop(columns="Fare")

def prepare_genders(df):
    df["Sex"] = df["Sex"].map({"male": 0, "female": 1, "unknown": 2}).fillna(2).astype(int)
    return df

def prepare_embarked(df):
    df["Embarked"] = df["Embarked"].replace("", "U").fillna("U")
    df["Embarked"] = df["Embarked"].map({"S": 0, "C": 1, "Q": 2, "U": 3})
    return df

df = pd.read_csv(source, usecols=columns or None)
df = df.drop(columns=[c for c in ("PassengerId", "Name", "Ticket", "Cabin") if c in df])
df = prepare_embarked(prepare_genders(prepare_fare(prepare_age(df))))
pq.write_table(pa.Table.from_pandas(df), target)
"""


def write_passengers(rows: int, path: Path) -> None:
    """Repeat the Titanic's passengers, in blocks so that the memory stays small."""
    titanic = pl.read_csv(ROOT / "data" / "01_raw" / "titanic.csv", infer_schema_length=0)
    with path.open("wb") as file:
        for start in range(0, rows, len(titanic) * 100):
            size = min(len(titanic) * 100, rows - start)
            block = pl.concat([titanic] * -(-size // len(titanic))).head(size)
            numbered = block.with_columns(PassengerId=pl.int_range(start + 1, start + size + 1))
            numbered.write_csv(file, include_header=start == 0)


def kedro(source: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "kedro", "run", "--pipelines", "data_prep", *arguments,
            "--params", f"passengers={source}"]  # fmt: skip


def copy_project(folder: Path) -> None:
    for part in ("conf", "src"):
        shutil.copytree(ROOT / part, folder / part)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1309, 1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        for rows in arguments.rows:
            source, target = folder / f"{rows}.csv", folder / "out.parquet"
            write_passengers(rows, source)
            files = [str(source), str(target)]
            python = [sys.executable, "-c"]
            commands = {
                "pyarrow: read needed columns, write": [*python, PYARROW, *files, *NEEDED],
                "pyarrow: read all columns, write": [*python, PYARROW, *files],
                "how-to's functions, faults mended, needed columns": [
                    *python,
                    HOW_TO,
                    *files,
                    *NEEDED,
                ],
                "how-to's functions, faults mended, all columns": [*python, HOW_TO, *files],
                "`kedro run --env scale` (polars), validated": kedro(source, "--env", "scale"),
            }
            figures = side_by_side(commands, runs=arguments.runs, folder=folder)
            print(f"\n{rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB\n", flush=True)
            print(table(figures, "the first"), flush=True)
            source.unlink()


if __name__ == "__main__":
    main()
