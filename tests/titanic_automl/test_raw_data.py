from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from titanic_automl import raw_data
from titanic_automl.raw_data import RawDataError

ROOT = Path(__file__).parents[2]
RAW = ROOT / "data" / "01_raw" / "titanic.csv"


def test_the_committed_file_is_what_the_command_derives(tmp_path: Path) -> None:
    derived = tmp_path / "new" / "titanic.csv"
    raw_data.write(derived)
    assert derived.read_bytes() == RAW.read_bytes()
    assert hashlib.sha256(RAW.read_bytes()).hexdigest() == raw_data.SHA256
    assert list(derived.parent.iterdir()) == [derived]


def test_the_data_card_counts_what_the_file_has(passengers: pd.DataFrame) -> None:
    missing = passengers.isna().sum()
    assert missing[missing > 0].to_dict() == {"Age": 263, "Fare": 1, "Cabin": 1014, "Embarked": 2}
    assert passengers["PassengerId"].tolist() == list(range(1, 1310))
    card = (ROOT / "data" / "README.md").read_text()
    for column in passengers.columns:
        assert f"| {column} |" in card
        row = next(line for line in card.splitlines() if line.startswith(f"| {column} |"))
        assert int(row.split("|")[3]) == missing[column]
    assert raw_data.SHA256 in card


def test_another_source_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arff = raw_data.read_source()
    lines = arff.splitlines()
    shorter, changed = "\n".join(lines[:-1]), arff.replace("Allen, Miss.", "Allen, Mrs.")
    monkeypatch.setattr(raw_data, "read_source", lambda: shorter)
    with pytest.raises(RawDataError, match="1308 passengers; 1309 were expected"):
        raw_data.write(tmp_path / "titanic.csv")
    monkeypatch.setattr(raw_data, "read_source", lambda: changed)
    with pytest.raises(RawDataError, match="SHA-256"):
        raw_data.write(tmp_path / "titanic.csv")
    assert list(tmp_path.iterdir()) == []
