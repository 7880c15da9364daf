"""Columns of a table -> numbers that a learner takes, with scikit-learn's own transformers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from local_automl.errors import AutoMLError

# A text whose values nearly all differ names its row: a ticket number, a person.
ID_SHARE = 0.9
# Rarer values of a category than this share one column; so do values beyond the largest number.
RARE = 5
MOST_CATEGORIES = 30
# Below this many rows everything may be unique by chance.
_FEW_ROWS = 20

_OBJECT_KINDS = {"string": "categorical", "boolean": "boolean", "empty": "categorical"}
_GROUPS = ("numeric", "boolean", "categorical", "coded")


@dataclass(frozen=True)
class Columns:
    """The feature columns by the way they are prepared.

    Attributes:
        numeric: Imputed by the median.
        boolean: Encoded as 0 and 1, missing as -1.
        categorical: Text; one column per frequent value, missing is a value.
        coded: pandas categories that are numbers; prepared likewise.
        dropped: (column, reason) pairs that no learner sees.
    """

    numeric: tuple[str, ...]
    boolean: tuple[str, ...]
    categorical: tuple[str, ...]
    coded: tuple[str, ...]
    dropped: tuple[tuple[str, str], ...]

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns that a learner sees."""
        return (*self.numeric, *self.boolean, *self.categorical, *self.coded)


def choose_columns(features: pd.DataFrame, featurization: str) -> Columns:
    """Decide how each column is prepared, from its type and its values.

    Args:
        features: The training rows without the label, at least one row.
        featurization: `auto`, or `off` where every column must be numeric and complete.

    Returns:
        The columns by preparation.

    Raises:
        AutoMLError: No column is left, or featurization is off and a column needs it.
    """
    kinds = {str(name): _kind(features[name]) for name in features.columns}
    if featurization == "off":
        _check_numeric(features, kinds)
        dropped: dict[str, str] = {}
    else:
        _check_finite(features, kinds)
        reasons = {name: _reason_to_drop(features[name], kind) for name, kind in kinds.items()}
        dropped = {name: reason for name, reason in reasons.items() if reason}
    kept = {name: kind for name, kind in kinds.items() if name not in dropped}
    if not kept:
        why = "; ".join(f"'{name}' is {reason}" for name, reason in dropped.items())
        raise AutoMLError(
            "training data has no feature column left to learn from"
            + (f": {why}. Add a column that varies." if why else " besides the label. Add one.")
        )
    return Columns(
        **{group: tuple(n for n, kind in kept.items() if kind == group) for group in _GROUPS},
        dropped=tuple(dropped.items()),
    )


def featurizer(columns: Columns, featurization: str) -> ColumnTransformer:
    """Build the unfitted transformer for these columns.

    Args:
        columns: What `choose_columns` found.
        featurization: `auto` or `off`.

    Returns:
        A transformer from a DataFrame with at least these columns, in any order, to a matrix.
    """
    if featurization == "off":
        return ColumnTransformer([("numeric", "passthrough", list(columns.kept))])
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=RARE,
        max_categories=MOST_CATEGORIES,
        sparse_output=False,
    )
    # the encoder alone stumbles over pandas.NA among texts, the imputer over numbers
    fill = SimpleImputer(strategy="constant", fill_value="(missing)", missing_values=pd.NA)
    boolean = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1
    )
    parts = [
        ("numeric", SimpleImputer(strategy="median", add_indicator=True), list(columns.numeric)),
        ("boolean", boolean, list(columns.boolean)),
        ("categorical", make_pipeline(fill, one_hot), list(columns.categorical)),
        ("coded", clone(one_hot), list(columns.coded)),
    ]
    return ColumnTransformer([part for part in parts if part[2]])


def _kind(column: pd.Series) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "coded" if types.is_numeric_dtype(column.cat.categories.dtype) else "categorical"
    if types.is_bool_dtype(column.dtype):
        return "boolean"
    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        return "numeric"
    if types.is_object_dtype(column.dtype):
        return _OBJECT_KINDS.get(types.infer_dtype(column, skipna=True), "mixed")
    return "categorical" if types.is_string_dtype(column.dtype) else "unknown"


def _reason_to_drop(column: pd.Series, kind: str) -> str | None:
    if kind in ("mixed", "unknown"):
        return f"of type {column.dtype} with values that have no preparation"
    distinct = column.nunique(dropna=True)
    if distinct == 0:
        return "empty"
    if distinct == 1 and not column.isna().any():
        return "constant"
    rows = int(column.notna().sum())
    if rows >= _FEW_ROWS and kind == "categorical" and distinct > ID_SHARE * rows:
        return "an identifier (nearly every value differs)"
    if rows >= _FEW_ROWS and types.is_integer_dtype(column.dtype) and distinct == rows:
        span = int(column.max()) - int(column.min()) + 1
        return "an identifier (numbers rows without a gap)" if span == rows else None
    return None


def _check_numeric(features: pd.DataFrame, kinds: dict[str, str]) -> None:
    other = [name for name, kind in kinds.items() if kind not in ("numeric", "boolean")]
    if other:
        raise AutoMLError(
            f"featurization is 'off', but training data has columns that are not numeric: "
            f"{', '.join(other)}. Encode or drop them, or set featurization to 'auto'."
        )
    with_gaps = [name for name in kinds if not np.isfinite(features[name].astype(float)).all()]
    if with_gaps:
        raise AutoMLError(
            f"featurization is 'off', but training data has missing or infinite values in: "
            f"{', '.join(with_gaps)}. Fill them, or set featurization to 'auto'."
        )


def _check_finite(features: pd.DataFrame, kinds: dict[str, str]) -> None:
    numeric = [name for name, kind in kinds.items() if kind == "numeric"]
    infinite = [n for n in numeric if np.isinf(features[n].astype(float)).any()]
    if infinite:
        raise AutoMLError(
            f"training data has infinite values in: {', '.join(infinite)}. "
            "Replace them by numbers, or by missing values."
        )
