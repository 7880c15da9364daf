"""Derive ``data/01_raw/titanic.csv`` from the copy of OpenML 40945 inside the scikit-learn wheel.

Run ``python -m titanic_automl.raw_data`` in the project folder to write the file again; the rows
and the checksum are checked before it is moved into place.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import sys
from importlib import resources
from pathlib import Path

import pandas as pd

SOURCE = ("tests", "data", "openml", "id_40945", "data-v1-dl-16826755.arff.gz")
ROWS = 1309
SHA256 = "e4ef0acfdd3304dc391967733076f1521fcc2e062bf86607e8662af60938cae2"
COLUMNS = {
    "survived": "Survived",
    "pclass": "Pclass",
    "name": "Name",
    "sex": "Sex",
    "age": "Age",
    "sibsp": "SibSp",
    "parch": "Parch",
    "ticket": "Ticket",
    "fare": "Fare",
    "cabin": "Cabin",
    "embarked": "Embarked",
}


class RawDataError(ValueError):
    """The source is not the Titanic of OpenML 40945, or cannot be found."""


def passengers_from_arff(arff: str) -> pd.DataFrame:
    """Read the passengers out of the text of the ARFF.

    Every value stays the text that the source has (an age of ``0.9167`` is not rounded on its way
    through a float). ``PassengerId`` is the 1-based row, since the ARFF has no identifier.

    Args:
        arff: Text of the ARFF, whose ``@data`` section is CSV with ``?`` for a missing value.

    Returns:
        A frame of strings, one row a passenger, in the columns of the raw dataset.
    """
    header, _, data = arff.partition("@data")
    names = [
        line.split()[1].strip("'")
        for line in header.splitlines()
        if line.lower().startswith("@attribute")
    ]
    source = pd.read_csv(
        io.StringIO(data),
        names=names,
        usecols=list(COLUMNS),
        dtype=str,
        escapechar="\\",
        na_values="?",
        keep_default_na=False,
    )
    passengers = source[list(COLUMNS)].rename(columns=COLUMNS)
    passengers.insert(0, "PassengerId", range(1, len(passengers) + 1))
    return passengers


def read_source() -> str:
    """Return the text of the ARFF that ships in the scikit-learn wheel.

    Raises:
        RawDataError: If this scikit-learn was installed without its test data.
    """
    path = resources.files("sklearn.datasets").joinpath(*SOURCE)
    if not path.is_file():
        raise RawDataError(
            f"{'/'.join(SOURCE)} is missing from the installed scikit-learn: "
            "install scikit-learn from its wheel, which carries it."
        )
    return gzip.decompress(path.read_bytes()).decode()


def to_csv(passengers: pd.DataFrame) -> bytes:
    """Return the CSV of the passengers, checked against the row count and checksum on record.

    Raises:
        RawDataError: If the rows or the bytes are not those of the committed file.
    """
    if len(passengers) != ROWS:
        raise RawDataError(f"The source has {len(passengers)} passengers; {ROWS} were expected.")
    csv = passengers.to_csv(index=False, lineterminator="\n").encode()
    checksum = hashlib.sha256(csv).hexdigest()
    if checksum != SHA256:
        raise RawDataError(f"The CSV has SHA-256 {checksum}; {SHA256} was expected.")
    return csv


def write(path: Path) -> None:
    """Write the raw dataset to ``path``, complete or not at all."""
    csv = to_csv(passengers_from_arff(read_source()))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(csv)
    temporary.replace(path)


def main() -> int:
    """Command line: ``python -m titanic_automl.raw_data [--output FILE]``."""
    parser = argparse.ArgumentParser(prog="python -m titanic_automl.raw_data", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("data/01_raw/titanic.csv"))
    path = parser.parse_args().output
    try:
        write(path)
    except (RawDataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Wrote {ROWS} passengers to {path} (SHA-256 {SHA256})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
