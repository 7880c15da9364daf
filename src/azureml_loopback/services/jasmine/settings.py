"""AutoML's settings as they are sent, in the names of the AutoML command's protocol. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NAMES: Mapping[str, str] = {
    "primary_metric": "primary_metric",
    "label_column_name": "label_column_name",
    "iterations": "iterations",
    "iteration_timeout_minutes": "iteration_timeout_minutes",
    "experiment_timeout_minutes": "experiment_timeout_hours",
    "n_cross_validations": "n_cross_validations",
    "featurization": "featurization",
    "enable_early_stopping": "enable_early_stopping",
    "enable_dnn": "enable_dnn",
    "max_concurrent_iterations": "max_concurrent_iterations",
    "whitelist_models": "allowed_models",
    "blacklist_algos": "blocked_models",
    "enable_ensembling": "enable_voting_ensemble",
    "enable_stack_ensembling": "enable_stack_ensemble",
    "verbosity": "verbosity",
    "time_column_name": "time_column_name",
    "max_horizon": "forecast_horizon",
    "grain_column_names": "time_series_id_column_names",
}
"""Name on the wire -> `AutoMLConfig`'s own, which is the protocol's."""

ALL_ITERATIONS = 1000
"""What the SDK sends where no number was asked for; the command then has a default of its own."""

_CHANGES: Mapping[str, Callable[[Any], Any]] = {
    "experiment_timeout_minutes": lambda minutes: minutes / 60,
    "iterations": lambda number: None if number == ALL_ITERATIONS else number,
}

NOT_HONOURED = (
    "weight_column_name",
    "cv_split_column_names",
    "validation_size",
    "test_size",
    "experiment_exit_score",
    "enable_onnx_compatible_models",
    "lags",
    "window_size",
    "feature_lags",
    "freq",
    "target_aggregation_function",
    "country_or_region",
    "drop_column_names",
    "features_unknown_at_forecast_time",
)
"""What changes a training in Azure, and what the protocol has no name for."""


@dataclass(frozen=True)
class AutoMLJob:
    """What is to be trained.

    Attributes:
        settings: By the protocol's names.
        not_honoured: What was asked for beyond the protocol, as ``name=value``.
    """

    settings: Mapping[str, Any]
    not_honoured: tuple[str, ...] = ()

    @property
    def primary_metric(self) -> str:
        """Return the metric that iterations are ordered by."""
        return str(self.settings["primary_metric"])


def read_settings(sent: Mapping[str, Any]) -> AutoMLJob:
    """Translate settings.

    Args:
        sent: ``AzureAutoMLSettings`` as the SDK writes them: dozens of names with their defaults.
    """
    values = {name: _CHANGES.get(name, _same)(sent[name]) for name in NAMES if _is_set(sent, name)}
    own_featurization = isinstance(values.get("featurization"), Mapping)
    if own_featurization:
        values["featurization"] = "auto"
    settings = {NAMES[name]: value for name, value in values.items() if value is not None}
    asked = [name for name in NOT_HONOURED if sent.get(name)]
    return AutoMLJob(
        {"task": _task(sent), **settings},
        tuple(f"{name}={sent[name]!r}" for name in asked)
        + (("featurization=FeaturizationConfig(…)",) if own_featurization else ()),
    )


def _task(sent: Mapping[str, Any]) -> Any:
    # forecasting is sent as a regression over time
    return "forecasting" if sent.get("is_timeseries") else sent.get("task_type")


def _is_set(sent: Mapping[str, Any], name: str) -> bool:
    value = sent.get(name)
    # elsewhere "auto" means that nothing was chosen
    return value is not None and (value != "auto" or name == "featurization")


def _same(value: Any) -> Any:
    return value
