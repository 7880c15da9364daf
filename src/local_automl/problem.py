"""A table and settings -> what is learned and how it is judged, or the reason why it cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from local_automl.errors import AutoMLError
from local_automl.settings import AutoMLSettings, did_you_mean

Rows = NDArray[np.int64]
Split = tuple[Rows, Rows]
"""Positions of the rows to fit on, and of the rows to judge on."""

# Share held out where there are too many rows for folds (`RuleBasedValidation` in the SDK).
HELD_OUT = 0.1
_TEN_FOLDS_BELOW = 1000
_THREE_FOLDS_UP_TO = 20_000


@dataclass(frozen=True)
class Problem:
    """What is learned and how it is judged.

    Attributes:
        features: All rows, training rows first, without the label.
        labels: Shape (rows,): class numbers, or numbers less `offset`.
        classes: The labels that the class numbers stand for; None unless classification.
        training: Positions of the rows that the final model is fitted on.
        splits: How models are judged.
        offset: Shape (rows,): what is added to predictions and labels before they are compared.
        label_range: Largest less smallest label; 0 for classes.
    """

    features: pd.DataFrame
    labels: Any
    classes: NDArray[Any] | None
    training: Rows
    splits: tuple[Split, ...]
    offset: NDArray[np.float64]
    label_range: float


def check_frames(
    training: pd.DataFrame, validation: pd.DataFrame | None, settings: AutoMLSettings
) -> None:
    """Refuse tables that hold no rows, lack columns or name two columns alike.

    Raises:
        AutoMLError: Names the table, the column and the remedy.
    """
    frames = [("training data", training), ("validation data", validation)]
    for place, frame in frames:
        if frame is None:
            continue
        if frame.empty:
            raise AutoMLError(f"{place} is empty ({len(frame)} rows); give it rows to learn from.")
        if not all(isinstance(name, str) for name in frame.columns):
            raise AutoMLError(f"{place} has column names that are not texts; rename them.")
        if not frame.columns.is_unique:
            twice = sorted(set(frame.columns[frame.columns.duplicated()]))
            raise AutoMLError(f"{place} has two columns named {', '.join(twice)}; rename one.")
    _check_named_columns(training, settings)
    if validation is not None:
        missing = [name for name in training.columns if name not in validation.columns]
        if missing:
            raise AutoMLError(
                f"validation data lacks columns of the training data: {', '.join(missing)}. "
                "Prepare both in the same way."
            )


def build_problem(
    training: pd.DataFrame, validation: pd.DataFrame | None, settings: AutoMLSettings, seed: int
) -> Problem:
    """Turn checked tables into a classification or regression problem.

    Args:
        training: Rows with the label; passed `check_frames`.
        validation: Rows to judge on, or None for cross-validation.
        settings: The run; not a forecasting task.
        seed: Shuffles the rows into folds.

    Returns:
        The problem.

    Raises:
        AutoMLError: The labels do not fit the task or the folds.
    """
    name = settings.label_column_name
    frames = [training] if validation is None else [training, validation[training.columns]]
    frame = pd.concat(frames, ignore_index=True)
    rows = np.arange(len(training))
    check_labels_present(training[name], name, "training data")
    if validation is not None:
        check_labels_present(validation[name], name, "validation data")
    classify = settings.task == "classification"
    labels: Any
    classes: NDArray[Any] | None
    if classify:
        labels, classes = _class_numbers(frame[name], len(training), name)
    else:
        labels, classes = label_numbers(frame[name], name, settings.task), None
    held = np.arange(len(training), len(frame))
    splits = (
        ((rows, held),)
        if validation is not None
        else _folds(labels, settings.n_cross_validations, name if classify else None, seed)
    )
    return Problem(
        features=frame.drop(columns=name),
        labels=labels,
        classes=classes,
        training=rows,
        splits=splits,
        offset=np.zeros(len(frame)),
        label_range=0.0 if classify else label_range(labels, name),
    )


def check_labels_present(labels: pd.Series, name: str, place: str) -> None:
    """Refuse missing and infinite labels.

    Raises:
        AutoMLError: Names the column and counts the rows.
    """
    missing = int(labels.isna().sum())
    if missing:
        raise AutoMLError(
            f"label column '{name}' is missing in {missing} of {len(labels)} rows of the {place}; "
            "drop or fill these rows."
        )
    if types.is_float_dtype(labels.dtype) and np.isinf(labels.to_numpy(dtype=float)).any():
        raise AutoMLError(f"label column '{name}' is infinite in the {place}; drop these rows.")


def label_numbers(labels: pd.Series, name: str, task: str) -> NDArray[np.float64]:
    """Return the labels as numbers, shape (rows,).

    Raises:
        AutoMLError: They are not numbers.
    """
    if types.is_bool_dtype(labels.dtype) or not types.is_numeric_dtype(labels.dtype):
        raise AutoMLError(
            f"label column '{name}' holds {labels.dtype}, but task '{task}' needs numbers; "
            "set task to 'classification', or choose another label_column_name."
        )
    numbers: NDArray[np.float64] = labels.to_numpy(dtype=np.float64)
    return numbers


def label_range(labels: NDArray[np.float64], name: str) -> float:
    """Return largest less smallest label.

    Raises:
        AutoMLError: All labels are the same.
    """
    spread = float(np.ptp(labels))
    if spread == 0.0:
        raise AutoMLError(f"label column '{name}' has one value only; there is nothing to learn.")
    return spread


def _check_named_columns(training: pd.DataFrame, settings: AutoMLSettings) -> None:
    ids = settings.time_series_id_column_names or ()
    named = [("label_column_name", settings.label_column_name)]
    named += [("time_column_name", settings.time_column_name)] if settings.time_column_name else []
    named += [("time_series_id_column_names", name) for name in ids]
    for setting, name in named:
        if name not in training.columns:
            hint = did_you_mean(name, training.columns)
            raise AutoMLError(
                f"{setting} '{name}' is not a column of the training data{hint} "
                f"(columns: {', '.join(training.columns)})"
            )


def _class_numbers(labels: pd.Series, training_rows: int, name: str) -> tuple[Rows, NDArray[Any]]:
    if types.is_float_dtype(labels.dtype) and (labels % 1 != 0).any():
        raise AutoMLError(
            f"label column '{name}' holds fractions, but task 'classification' needs classes; "
            "set task to 'regression', or choose another label_column_name."
        )
    values = labels.to_numpy(dtype=_plain_dtype(labels))
    if len({type(value) for value in values.tolist()}) > 1:
        raise AutoMLError(f"label column '{name}' mixes types of value; write all classes alike.")
    classes = np.unique(values[:training_rows])
    if len(classes) == 1:
        raise AutoMLError(
            f"label column '{name}' has one class only in the training data, {classes[0]!r}; "
            "give rows of at least two classes."
        )
    unseen = np.setdiff1d(values[training_rows:], classes)
    if len(unseen):
        raise AutoMLError(
            f"label column '{name}' of the validation data has classes that the training data "
            f"lacks: {', '.join(map(str, unseen))}. Split again, or drop these rows."
        )
    return np.searchsorted(classes, values).astype(np.int64), classes


def _plain_dtype(labels: pd.Series) -> Any:
    """The numpy type of labels that may be of pandas' own types."""
    dtype: Any = labels.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    if types.is_bool_dtype(dtype):
        return np.bool_
    if types.is_integer_dtype(dtype):
        return np.int64
    return np.float64 if types.is_float_dtype(dtype) else np.object_


def _folds(
    labels: NDArray[Any], wanted: int | None, label: str | None, seed: int
) -> tuple[Split, ...]:
    """Split by folds, stratified if `label` names a column of classes."""
    rows = len(labels)
    zeros = np.zeros((rows, 1))
    smallest = int(np.bincount(labels).min()) if label else rows
    folds = wanted or (10 if rows < _TEN_FOLDS_BELOW else 3)
    if wanted is None and smallest >= 2:
        folds = min(folds, smallest)
    if smallest < folds:
        what = f"the smallest class of '{label}' has" if label else "training data has"
        raise AutoMLError(
            f"{what} {smallest} row{'s' * (smallest != 1)}, fewer than the {folds} folds "
            "(n_cross_validations); give more rows, or lower n_cross_validations."
        )
    if wanted is None and rows > _THREE_FOLDS_UP_TO:
        kind = StratifiedShuffleSplit if label else ShuffleSplit
        return tuple(kind(n_splits=1, test_size=HELD_OUT, random_state=seed).split(zeros, labels))
    splitter = StratifiedKFold if label else KFold
    return tuple(splitter(folds, shuffle=True, random_state=seed).split(zeros, labels))
