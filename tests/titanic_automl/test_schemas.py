from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import narwhals as nw
import pandas as pd
import polars as pl
import pytest

from titanic_automl.schemas import MOST_VIOLATIONS, PASSENGERS, ContractError, Passengers

HEADER = "PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked"
GOOD = '1,1,3,"Abbott, Mr. A",male,30,0,0,A/5 21171,7.25,,S'

Reader = Callable[[str], Any]


def by_pandas(csv: str) -> pd.DataFrame:
    return pd.read_csv(
        io.StringIO(csv), dtype={"Ticket": str}, keep_default_na=False, na_values=[""]
    )


def by_polars(csv: str) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(csv), schema_overrides={"Ticket": pl.String})


def lazily(csv: str) -> pl.LazyFrame:
    return by_polars(csv).lazy()


READERS = pytest.mark.parametrize("read", [by_pandas, by_polars, lazily])


def violations(read: Reader, *rows: str, header: str = HEADER) -> set[str]:
    with pytest.raises(ContractError) as caught:
        Passengers().validate(read("\n".join([header, *rows]) + "\n"))
    lines = str(caught.value).splitlines()
    assert lines[-1].endswith("nothing was written.")
    assert lines[0].startswith("Dataset 'passengers' breaks its contract")
    assert f"in {len(lines) - 2} place" in lines[0]
    return {line.strip() for line in lines[1:-1]}


@READERS
@pytest.mark.parametrize(
    ("row", "found"),
    [
        ('1,2,3,"A, Mr. B",male,30,0,0,x,7,,S', "column Survived, row 2: is '2', must be one of 0, 1"),
        ('1,1,7,"A, Mr. B",male,30,0,0,x,7,,S', "column Pclass, row 2: is '7', must be one of 1, 2, 3"),
        ('1,1,3,"A, Mr. B",man,30,0,0,x,7,,S', "column Sex, row 2: is 'man', must be one of male, female, unknown"),
        ('1,1,3,"A, Mr. B",male,-1,0,0,x,7,,S', "column Age, row 2: is '-1', must be from 0 to 120"),
        ('1,1,3,"A, Mr. B",male,old,0,0,x,7,,S', "column Age, row 2: is 'old', must be a number"),
        ('1,1,3,"A, Mr. B",male,30,0.5,0,x,7,,S', "column SibSp, row 2: is '0.5', must be a whole number"),
        ('1,1,3,"A, Mr. B",male,30,0,,x,7,,S', "column Parch, row 2: must be there"),
        ('1,1,3,"A, Mr. B",male,30,0,0,x,20000,,S', "column Fare, row 2: is '20000', must be from 0 to 10000"),
        ('1,1,3,"A, Mr. B",male,30,0,0,x,7,,Z', "column Embarked, row 2: is 'Z', must be one of S, C, Q, U"),
        ("1,1,3,,male,30,0,0,x,7,,S", "column Name, row 2: must be there"),
        ('0,1,3,"A, Mr. B",male,30,0,0,x,7,,S', "column PassengerId, row 2: is '0', must be from 1 to 2147483647"),
    ],
)  # fmt: skip
def test_a_bad_value_is_told_with_column_row_and_value(read: Reader, row: str, found: str) -> None:
    good = GOOD.replace("1,", "5,", 1)
    assert violations(read, good, row) == {found}


@READERS
def test_every_violation_is_told_whatever_else_is_wrong(read: Reader) -> None:
    found = violations(
        read,
        '1,1,7,"A, Mr. B",male,abc,0,0,x,7.5,,S',
        '1,2,3,"A, Mr. B",mole,-4,0,0,x,7.5,,S',
        '3,,3,,male,4,0.5,0,x,7.5,,X',
    )  # fmt: skip
    assert found == {
        "column Age, row 1: is 'abc', must be a number",
        "column PassengerId, row 1: is '1', must be unique",
        "column Pclass, row 1: is '7', must be one of 1, 2, 3",
        "column Age, row 2: is '-4', must be from 0 to 120",
        "column PassengerId, row 2: is '1', must be unique",
        "column Sex, row 2: is 'mole', must be one of male, female, unknown",
        "column Survived, row 2: is '2', must be one of 0, 1",
        "column Embarked, row 3: is 'X', must be one of S, C, Q, U",
        "column Name, row 3: must be there",
        "column SibSp, row 3: is '0.5', must be a whole number",
        "column Survived, row 3: must be there",
    }


@READERS
def test_duplicates_are_found_around_a_missing_identifier(read: Reader) -> None:
    found = violations(read, GOOD, GOOD.replace("1,", ",", 1), GOOD)
    assert found == {
        "column PassengerId, row 1: is '1', must be unique",
        "column PassengerId, row 2: must be there",
        "column PassengerId, row 3: is '1', must be unique",
    }


@READERS
def test_a_missing_column_and_an_empty_file_are_told(read: Reader) -> None:
    without_class = HEADER.replace("Pclass", "Class")
    assert violations(read, GOOD, header=without_class) == {
        "column Pclass, whole column: must be in the file"
    }
    assert violations(read) == {
        "column PassengerId, whole column: is 'no rows', must be at least one row"
    }


@READERS
def test_good_rows_pass_with_extra_columns_and_missing_values(read: Reader) -> None:
    rows = [f"{GOOD},x", '2,0,1,"B, Mrs. C",,,1,2,,,C85,,y']
    checked = Passengers().validate(read("\n".join([f"{HEADER},Extra", *rows])))
    assert nw.from_native(checked, eager_only=True)["PassengerId"].to_list() == [1, 2]


def test_a_lazy_frame_is_collected_with_the_columns_that_are_checked() -> None:
    checked = Passengers(columns=["PassengerId", "Age"]).validate(lazily(f"{HEADER}\n{GOOD}\n"))
    assert isinstance(checked, pl.DataFrame)
    assert checked.columns == ["PassengerId", "Age"]


def test_new_passengers_need_no_label() -> None:
    header, row = HEADER.replace("Survived,", ""), GOOD.replace("1,1,", "1,", 1)
    assert len(Passengers(survived=False).validate(by_pandas(f"{header}\n{row}\n"))) == 1
    with pytest.raises(ContractError, match="column Survived, whole column"):
        Passengers().validate(by_pandas(f"{header}\n{row}\n"))


def test_a_whole_number_written_as_a_decimal_becomes_one() -> None:
    checked = Passengers().validate(by_pandas(f"{HEADER}\n{GOOD.replace(',1,3,', ',1.0,3.0,')}\n"))
    assert checked["Pclass"].dtype == "int64"


def test_a_file_that_is_wrong_throughout_is_cut_and_counted() -> None:
    rows = [f'{i},9,3,"A, Mr. B",male,30,0,0,x,7,,S' for i in range(1, MOST_VIOLATIONS + 6)]
    with pytest.raises(ContractError, match="and 5 more") as caught:
        Passengers().validate(by_pandas("\n".join([HEADER, *rows])))
    assert len(caught.value.violations) == MOST_VIOLATIONS + 5


def test_an_unknown_column_in_the_catalog_is_refused() -> None:
    with pytest.raises(ValueError, match="no such columns"):
        Passengers(columns=["Age", "Agee"])
    assert set(PASSENGERS) == set(HEADER.split(","))
