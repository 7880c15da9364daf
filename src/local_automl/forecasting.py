"""Forecasting as regression: what was known a horizon ago -> how far the label has moved since.

Lags are at least as old as the horizon, so that one model predicts every step of it directly and no
prediction is fed back. FLAML's own `ts_forecast` was not chosen: its learners need prophet,
statsmodels or torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from local_automl.errors import AutoMLError
from local_automl.problem import (
    Problem,
    Split,
    check_labels_present,
    label_numbers,
    label_range,
)
from local_automl.settings import AutoMLSettings

DEFAULT_FOLDS = 3
_LAGS_AFTER_HORIZON = 6
_SEASONS = (7, 12, 24, 52)
_WINDOWS = (3, 7, 28)
_ANCHOR_WINDOW = 3
_ANCHOR = "_anchor"


@dataclass(frozen=True)
class Series:
    """How a table holds series.

    Attributes:
        label: Column to predict.
        time: Column of dates or numbers, evenly spaced within a series.
        ids: Columns that tell several series apart; may be empty.
        horizon: Steps to predict.
        lags: Ages in steps of the values that features are made of, each at least `horizon`.
    """

    label: str
    time: str
    ids: tuple[str, ...]
    horizon: int
    lags: tuple[int, ...]


class Forecaster:
    """Predicts the steps after its training rows. Loading it needs this module.

    Attributes:
        series: How the tables hold series.
        history: The last training rows of each series: ids, time and label.
        pipeline: A fitted scikit-learn Pipeline over the lag features.
        features: Columns that `predict` needs besides time and ids, known in advance.
    """

    def __init__(
        self, series: Series, history: pd.DataFrame, pipeline: Any, features: tuple[str, ...]
    ) -> None:
        """Keep the parts; see the attributes."""
        self.series, self.history = series, history
        self.pipeline, self.features = pipeline, features

    @classmethod
    def after(cls, training: pd.DataFrame, settings: AutoMLSettings, pipeline: Any) -> Forecaster:
        """Build a forecaster for the steps after these training rows."""
        series = _series(training, settings)
        columns = [*series.ids, series.time, series.label]
        kept = max(series.lags) + max(_WINDOWS)
        history = _sorted(training[columns], series)
        if series.ids:
            history = history.groupby(list(series.ids), sort=False, observed=True).tail(kept)
        else:
            history = history.tail(kept)
        features = tuple(name for name in training.columns if name not in columns)
        return cls(series, history.reset_index(drop=True), pipeline, features)

    def predict(self, future: pd.DataFrame) -> NDArray[np.float64]:
        """Predict rows that follow the training rows.

        Args:
            future: Time, id and feature columns, at most `horizon` steps after the last training
                row of their series, without gaps. A label column is ignored.

        Returns:
            Predictions in the label's unit and the order of the rows, shape (rows,).

        Raises:
            ValueError: A column is missing, or rows lie before the end of the training rows or
                beyond the horizon.
        """
        series = self.series
        needed = [*series.ids, series.time, *self.features]
        missing = [name for name in needed if name not in future.columns]
        if missing:
            raise ValueError(f"rows to forecast lack columns: {', '.join(missing)}")
        rows = future[needed].assign(**{series.label: np.nan}).reset_index(drop=True)
        rows["_row"] = np.arange(len(rows))
        both = pd.concat([self.history.assign(_row=-1), rows], ignore_index=True)
        ordered = _sorted(both, series)
        self._check_steps(ordered)
        table = lag_table(ordered, series)
        ahead = (ordered["_row"] >= 0).to_numpy()
        anchor = table.pop(_ANCHOR).fillna(self.history[series.label].mean())
        values = self.pipeline.predict(table[ahead]) + anchor[ahead].to_numpy(dtype=float)
        predictions = np.empty(len(rows))
        predictions[ordered.loc[ahead, "_row"].to_numpy(dtype=int)] = values
        return predictions

    def _check_steps(self, ordered: pd.DataFrame) -> None:
        ahead = (ordered["_row"] >= 0).astype(int)
        groups = _groups(ordered, self.series)
        if (ahead.groupby(groups).diff() < 0).any():
            raise ValueError("rows to forecast lie before the end of the training rows")
        steps = int(ahead.groupby(groups).sum().max())
        if steps > self.series.horizon:
            raise ValueError(
                f"rows to forecast reach {steps} steps ahead, "
                f"forecast_horizon is {self.series.horizon}"
            )


def build_forecasting_problem(
    training: pd.DataFrame, validation: pd.DataFrame | None, settings: AutoMLSettings, seed: int
) -> Problem:
    """Turn series into a regression problem with folds in the order of time.

    Each fold is judged on one horizon of time and fitted on all time before.

    Args:
        training: Rows with label, time and ids; passed `check_frames`.
        validation: Rows after the training rows to judge on, or None.
        settings: The run; a forecasting task.
        seed: Unused, nothing is drawn.

    Returns:
        The problem; `labels` are differences to the mean of the last values known.

    Raises:
        AutoMLError: The series cannot be used, or are too short for horizon and folds.
    """
    del seed
    series = _series(training, settings)
    frames = [training] if validation is None else [training, validation[training.columns]]
    frame = pd.concat(frames, ignore_index=True)
    frame["_training"] = np.arange(len(frame)) < len(training)
    for part, place in zip(frames, ("training data", "validation data"), strict=False):
        check_labels_present(part[series.label], series.label, place)
    label_numbers(frame[series.label], series.label, settings.task)
    _check_times(frame, series)
    ordered = _sorted(frame, series)
    is_training = ordered.pop("_training").to_numpy()
    table = lag_table(ordered, series)
    known = table[_ANCHOR].notna().to_numpy()
    table, times, is_training = table[known], ordered.loc[known, series.time], is_training[known]
    labels = ordered.loc[known, series.label].to_numpy(dtype=float)
    rows = np.flatnonzero(is_training)
    if validation is not None:
        splits: tuple[Split, ...] = ((rows, np.flatnonzero(~is_training)),)
        if not len(rows) or not len(splits[0][1]):
            raise AutoMLError(_too_short(series, "one fold"))
    else:
        splits = _folds_in_time(times, series, settings.n_cross_validations or DEFAULT_FOLDS)
    anchor = table.pop(_ANCHOR).to_numpy(dtype=float)
    return Problem(
        features=table.reset_index(drop=True),
        labels=labels - anchor,
        classes=None,
        training=rows,
        splits=splits,
        offset=anchor,
        label_range=label_range(labels, series.label),
    )


def lag_table(ordered: pd.DataFrame, series: Series) -> pd.DataFrame:
    """Make features of series.

    Args:
        ordered: Rows sorted by ids and time; the label may be missing in the last `horizon` rows of
            a series.
        series: How the table holds series.

    Returns:
        A table with the same index: lags, means, the calendar, ids and other columns, and the mean
        of the last values known as `_anchor`, missing where a series just began.
    """
    groups = _groups(ordered, series)
    label = ordered[series.label].astype(float)
    by_series = label.groupby(groups)
    columns: dict[str, Any] = {f"_lag_{age}": by_series.shift(age) for age in series.lags}
    newest = by_series.shift(series.horizon)
    for window in (*_WINDOWS, _ANCHOR_WINDOW):
        means = newest.groupby(groups).rolling(window, min_periods=1).mean()
        columns[f"_mean_{window}"] = means.droplevel(0).reindex(ordered.index)
    columns[_ANCHOR] = columns[f"_mean_{_ANCHOR_WINDOW}"]
    lags = pd.DataFrame(columns, index=ordered.index)
    # a step back in level, not the level itself, carries over to a series of another size
    relative = lags.drop(columns=_ANCHOR).sub(lags[_ANCHOR], axis=0).add_suffix("_change")
    used = [series.label, series.time, "_row"]
    others = ordered.drop(columns=[name for name in used if name in ordered])
    calendar = pd.DataFrame(_calendar(ordered[series.time]), index=ordered.index)
    return pd.concat([lags, relative, calendar, others], axis=1)


def _series(training: pd.DataFrame, settings: AutoMLSettings) -> Series:
    time = str(settings.time_column_name)
    ids = settings.time_series_id_column_names or ()
    horizon = settings.forecast_horizon or 1
    lengths = training.groupby(list(ids), observed=True).size() if ids else [len(training)]
    longest = int(max(lengths)) // 2
    near = range(horizon, horizon + _LAGS_AFTER_HORIZON)
    seasonal = [season * -(-horizon // season) for season in _SEASONS]
    lags = {horizon, *(lag for lag in (*near, *seasonal) if lag <= longest)}
    return Series(settings.label_column_name, time, tuple(ids), horizon, tuple(sorted(lags)))


def _sorted(frame: pd.DataFrame, series: Series) -> pd.DataFrame:
    by = [*series.ids, series.time]
    return frame.sort_values(by, kind="stable", ignore_index=True)


def _groups(frame: pd.DataFrame, series: Series) -> pd.Series:
    if not series.ids:
        return pd.Series(0, index=frame.index)
    return frame.groupby(list(series.ids), sort=False, observed=True, dropna=False).ngroup()


def _check_times(frame: pd.DataFrame, series: Series) -> None:
    times = frame[series.time]
    if not (types.is_datetime64_any_dtype(times.dtype) or types.is_numeric_dtype(times.dtype)):
        raise AutoMLError(
            f"time column '{series.time}' holds {times.dtype}, but dates or numbers are needed; "
            "convert it with pandas.to_datetime."
        )
    if times.isna().any():
        raise AutoMLError(f"time column '{series.time}' has missing values; drop these rows.")
    if frame.duplicated([*series.ids, series.time]).any():
        raise AutoMLError(
            f"time column '{series.time}' names a time twice within a series; set "
            "time_series_id_column_names to the columns that tell the series apart."
        )


def _calendar(times: pd.Series) -> dict[str, Any]:
    if not types.is_datetime64_any_dtype(times.dtype):
        return {}
    parts = ("month", "day", "day_of_week", "day_of_year", "hour")
    return {f"_{part}": getattr(times.dt, part) for part in parts}


def _folds_in_time(times: pd.Series, series: Series, folds: int) -> tuple[Split, ...]:
    steps = np.sort(times.unique())
    if len(steps) < (folds + 1) * series.horizon + 1:
        raise AutoMLError(_too_short(series, f"{folds} folds (n_cross_validations)"))
    splits = []
    for fold in range(folds, 0, -1):
        first = steps[len(steps) - fold * series.horizon]
        end = len(steps) - (fold - 1) * series.horizon
        last = steps[end - 1]
        fit = np.flatnonzero((times < first).to_numpy())
        judge = np.flatnonzero(((times >= first) & (times <= last)).to_numpy())
        splits.append((fit, judge))
    return tuple(splits)


def _too_short(series: Series, what: str) -> str:
    return (
        f"the series are too short for {what} of forecast_horizon={series.horizon} steps; "
        "give more history, or lower n_cross_validations or forecast_horizon."
    )
