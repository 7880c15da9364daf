"""What a training run is asked for, by the argument names of the Azure ML SDK v1 `AutoMLConfig`.

Only pydantic and the standard library are imported here, so that whoever only translates or checks
settings does not pay for the training libraries.

Names, defaults and allowed values were read in azureml-train-automl-client 1.62.0
(`azureml.train.automl.automlconfig`) and azureml-automl-core 1.62.0
(`azureml.automl.core.shared.constants`).
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

Task = Literal["classification", "regression", "forecasting"]

TASKS: tuple[str, ...] = ("classification", "regression", "forecasting")

_REGRESSION_METRICS = (
    "normalized_root_mean_squared_error",
    "normalized_mean_absolute_error",
    "r2_score",
    "spearman_correlation",
)

PRIMARY_METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classification": (
            "accuracy",
            "AUC_weighted",
            "average_precision_score_weighted",
            "norm_macro_recall",
            "precision_score_weighted",
        ),
        "regression": _REGRESSION_METRICS,
        "forecasting": _REGRESSION_METRICS,
    }
)
"""task -> metrics it can be optimised for, the default first (`Metric.*_PRIMARY_SET`)."""

_REGRESSION_MODELS = (
    "DecisionTree",
    "ElasticNet",
    "ExtremeRandomTrees",
    "FastLinearRegressor",
    "GradientBoosting",
    "KNN",
    "LassoLars",
    "LightGBM",
    "OnlineGradientDescentRegressor",
    "RandomForest",
    "SGD",
    "TabnetRegressor",
    "TensorFlowDNN",
    "TensorFlowLinearRegressor",
    "XGBoostRegressor",
)

MODELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classification": (
            "AveragedPerceptronClassifier",
            "BernoulliNaiveBayes",
            "DecisionTree",
            "ExtremeRandomTrees",
            "GradientBoosting",
            "KNN",
            "LightGBM",
            "LinearSVM",
            "LogisticRegression",
            "MultinomialNaiveBayes",
            "RandomForest",
            "SGD",
            "SVM",
            "TabnetClassifier",
            "TensorFlowDNN",
            "TensorFlowLinearClassifier",
            "XGBoostClassifier",
        ),
        "regression": _REGRESSION_MODELS,
        "forecasting": (
            *_REGRESSION_MODELS,
            "Arimax",
            "AutoArima",
            "Average",
            "ExponentialSmoothing",
            "Naive",
            "Prophet",
            "SeasonalAverage",
            "SeasonalNaive",
            "TCNForecaster",
        ),
    }
)
"""task -> names that `allowed_models` and `blocked_models` may hold (`SupportedModels`)."""

_LOCAL_REGRESSION = ("ElasticNet", "ExtremeRandomTrees", "LightGBM", "RandomForest")

LOCAL_MODELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classification": (
            "ExtremeRandomTrees",
            "GradientBoosting",
            "LightGBM",
            "LogisticRegression",
            "RandomForest",
        ),
        "regression": (*_LOCAL_REGRESSION, "GradientBoosting"),
        "forecasting": (*_LOCAL_REGRESSION, "GradientBoosting"),
    }
)
"""task -> those of `MODELS` that have a learner on this machine."""

_FORECASTING_NAMES = ("time_column_name", "forecast_horizon", "time_series_id_column_names")
_VERBOSITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(ValueError):
    """Settings that no training can start from; the message says what to write instead."""


class AutoMLSettings(BaseModel):
    """One training run, in `AutoMLConfig`'s own words.

    `settings.model_dump(mode="json", exclude_none=True)` gives plain JSON values that
    `AutoMLConfig(**values, training_data=…)` takes as they are. `None` always means "the trainer's
    own default", which the attribute's description names.

    Attributes:
        task: `classification`, `regression` or `forecasting`.
        label_column_name: The column to predict.
        primary_metric: What the search optimises, one of `PRIMARY_METRICS[task]`. Default as in the
            SDK: accuracy for classification, normalized_root_mean_squared_error otherwise.
        iterations: Models to try, at least 1. The SDK's default is 1000; on this machine
            `engine.DEFAULT_ITERATIONS`.
        iteration_timeout_minutes: Upper bound for one iteration, in minutes. Default: none.
        experiment_timeout_hours: Upper bound for all iterations together, in hours, a fraction is
            allowed. The SDK's default is six days; on this machine none.
        n_cross_validations: Folds, at least 2, when no validation data is given. Default by the
            number of training rows, as in the SDK (`RuleBasedValidation`).
        featurization: `auto` imputes and encodes, `off` takes numeric columns as they are.
        enable_early_stopping: Stop when the score no longer improves. SDK default True.
        enable_dnn: Also try neural networks. SDK default: none for tables.
        max_concurrent_iterations: Iterations at the same time. SDK default 1.
        allowed_models: Azure's names of the learners to try. Default: all.
        blocked_models: Azure's names of the learners not to try. Default: none.
        enable_voting_ensemble: End with a weighted vote of the models tried. SDK default True.
        enable_stack_ensemble: End with a stacked model. SDK default None, the service decides.
        verbosity: A level of `logging` as a number or a name. SDK default INFO, 20.
        time_column_name: Forecasting only, and needed there: the column that holds the time.
        forecast_horizon: Forecasting only: time steps to predict, at least 1. SDK default 1.
        time_series_id_column_names: Forecasting only: the columns that tell several series apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task: Task
    label_column_name: str = Field(min_length=1)
    primary_metric: str = Field(default="", validate_default=True)
    iterations: int | None = Field(default=None, ge=1)
    iteration_timeout_minutes: int | None = Field(default=None, ge=1)
    experiment_timeout_hours: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    n_cross_validations: int | None = Field(default=None, ge=2, le=1000)
    featurization: Literal["auto", "off"] = "auto"
    enable_early_stopping: bool = True
    enable_dnn: bool | None = None
    max_concurrent_iterations: int = Field(default=1, ge=1)
    allowed_models: tuple[str, ...] | None = None
    blocked_models: tuple[str, ...] | None = None
    enable_voting_ensemble: bool = True
    enable_stack_ensemble: bool | None = None
    verbosity: int = logging.INFO
    time_column_name: str | None = Field(default=None, min_length=1)
    forecast_horizon: int | None = Field(default=None, ge=1)
    time_series_id_column_names: tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _names_are_known(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in cls.model_fields]
            if unknown:
                raise _error(
                    "; ".join(_not_one_of("setting", n, cls.model_fields) for n in unknown)
                )
        return data

    @field_validator("task", "featurization", mode="before")
    @classmethod
    def _choice_is_known(cls, value: Any, info: ValidationInfo) -> Any:
        allowed = TASKS if info.field_name == "task" else ("auto", "off")
        # YAML 1.1 reads a bare off as False
        value = "off" if value is False and info.field_name == "featurization" else value
        if value not in allowed:
            raise _error(_not_one_of(str(info.field_name), value, allowed))
        return value

    @field_validator("primary_metric", mode="before")
    @classmethod
    def _metric_fits_task(cls, value: Any, info: ValidationInfo) -> Any:
        metrics = PRIMARY_METRICS.get(info.data.get("task", ""))
        if metrics is None:  # the task is wrong, and that is what gets reported
            return value or "unknown"
        if not value:
            return metrics[0]
        if value not in metrics:
            raise _error(_not_one_of("primary_metric", value, metrics, f" for {info.data['task']}"))
        return value

    @field_validator("allowed_models", "blocked_models", mode="before")
    @classmethod
    def _models_are_known(cls, value: Any, info: ValidationInfo) -> Any:
        names = _as_names(value, str(info.field_name))
        models = MODELS.get(info.data.get("task", ""), ())
        unknown = [name for name in names or () if models and name not in models]
        if unknown:
            suffix = f" for {info.data['task']}"
            name = str(info.field_name)
            raise _error("; ".join(_not_one_of(name, found, models, suffix) for found in unknown))
        return names

    @field_validator("time_series_id_column_names", mode="before")
    @classmethod
    def _ids_are_names(cls, value: Any) -> Any:
        # the SDK, too, takes one name without a list
        return (
            (value,) if isinstance(value, str) else _as_names(value, "time_series_id_column_names")
        )

    @field_validator("verbosity", mode="before")
    @classmethod
    def _level_is_known(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value.upper() not in _VERBOSITIES:
                raise _error(_not_one_of("verbosity", value, _VERBOSITIES))
            return logging.getLevelName(value.upper())
        return value

    @model_validator(mode="after")
    def _settings_agree(self) -> AutoMLSettings:
        problems = tuple(_disagreements(self))
        if problems:
            raise _error("; ".join(problems))
        return self


def settings_from_mapping(mapping: Mapping[str, Any], place: str = "settings") -> AutoMLSettings:
    """Check a mapping of `AutoMLConfig` names, and say in one line what is wrong with it.

    Args:
        mapping: Names and values, for example read from JSON or YAML.
        place: Where they were read; begins the message.

    Returns:
        The settings.

    Raises:
        SettingsError: A name or value is wrong; names it, what was found and what is allowed.
    """
    if not isinstance(mapping, Mapping):
        found = type(mapping).__name__
        raise SettingsError(f"{place}: settings are a mapping of names to values, found a {found}.")
    try:
        return AutoMLSettings.model_validate(dict(mapping))
    except ValidationError as error:
        raise SettingsError(f"{place}: {describe(error)}") from None


def describe(error: ValidationError) -> str:
    """Return pydantic's finding as one short sentence per setting.

    Args:
        error: What `AutoMLSettings(**mapping)` raised.

    Returns:
        One line, a sentence per wrong setting.
    """
    return " ".join(_sentence(detail) for detail in error.errors(include_url=False))


def unhonoured(settings: AutoMLSettings) -> tuple[str, ...]:
    """List what was asked for that training on this machine cannot do.

    Args:
        settings: The run.

    Returns:
        One phrase per setting, beginning with its name; empty when everything is honoured.
    """
    phrases = []
    if settings.enable_dnn:
        phrases.append("enable_dnn=True (no neural networks here)")
    if settings.enable_stack_ensemble:
        phrases.append("enable_stack_ensemble=True (only the voting ensemble is built)")
    if settings.max_concurrent_iterations > 1:
        phrases.append(
            f"max_concurrent_iterations={settings.max_concurrent_iterations} "
            "(iterations run one after another)"
        )
    local = LOCAL_MODELS[settings.task]
    missing = [name for name in settings.allowed_models or () if name not in local]
    if missing:
        phrases.append(
            f"allowed_models={', '.join(missing)} (learners here: {', '.join(sorted(local))})"
        )
    return tuple(phrases)


def did_you_mean(found: object, names: Iterable[str]) -> str:
    """Return `; did you mean 'X'?` for the name closest to what was found, or nothing.

    Args:
        found: What was written.
        names: What may be written.

    Returns:
        The end of an error message.
    """
    by_lower = {name.lower(): name for name in names}
    lower = str(found).lower()
    inside = [name for name in by_lower if len(lower) > 1 and (name in lower or lower in name)]
    close = difflib.get_close_matches(lower, by_lower, n=1, cutoff=0.5)
    best = lower if lower in by_lower else next(iter([*close, *inside]), None)
    return f"; did you mean '{by_lower[best]}'?" if best else ""


def _disagreements(settings: AutoMLSettings) -> Iterable[str]:
    if settings.task == "forecasting":
        if settings.time_column_name is None:
            yield "forecasting needs time_column_name, the column that holds the time"
        elif settings.time_column_name == settings.label_column_name:
            yield f"time_column_name and label_column_name are both '{settings.time_column_name}'"
        if settings.label_column_name in (settings.time_series_id_column_names or ()):
            yield f"time_series_id_column_names holds the label, '{settings.label_column_name}'"
    else:
        given = [name for name in _FORECASTING_NAMES if getattr(settings, name) is not None]
        if given:
            yield f"{', '.join(given)}: only for task 'forecasting', this task is '{settings.task}'"
    allowed = settings.allowed_models
    if allowed is not None and not set(allowed) - set(settings.blocked_models or ()):
        yield "allowed_models less blocked_models leaves no learner"


def _as_names(value: Any, name: str) -> Any:
    if isinstance(value, str):
        raise _error(f"{name} is a list of names, found '{value}'; write ['{value}']")
    return tuple(value) if isinstance(value, (list, set, frozenset)) else value


def _not_one_of(kind: str, found: object, names: Iterable[str], suffix: str = "") -> str:
    names = tuple(names)
    hint = did_you_mean(found, names)
    return f"{kind} {found!r} is unknown{suffix}{hint} (choose from: {', '.join(names)})"


def _error(message: str) -> PydanticCustomError:
    # a message template would read braces in the user's own text as fields
    return PydanticCustomError("automl_settings", "{message}", {"message": message})


def _sentence(detail: Any) -> str:
    message = detail["msg"].rstrip(".")
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{place}: is missing, and has no default."
    if detail["type"] == "automl_settings":
        return f"{message}."
    return f"{place}: {message[:1].lower()}{message[1:]}, found {detail['input']!r}."
