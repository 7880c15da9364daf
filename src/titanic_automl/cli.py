"""``kedro run`` of this project: Kedro's own, but a user's mistake gets one message."""

from __future__ import annotations

import copy
import functools
import logging
import re
from collections.abc import Callable
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.validation.exceptions import ParameterValidationError

from titanic_automl.errors import UserError

_CONFIGURATION_READERS = ("kedro", "omegaconf", "yaml")


def message_for(error: Exception) -> str | None:
    """Return what a user needs to read of an error, or nothing if it is a defect of the code.

    A user's mistake is what the project's own checks refuse, what a dataset cannot load or save,
    and what Kedro itself refuses (an unknown pipeline, a malformed YAML file).
    """
    if isinstance(error, ParameterValidationError):
        problems = re.sub(r"\s*\[type=.*?\]|\s*For further information visit \S+", "", str(error))
        return f"{problems}\nCorrect conf/base/parameters.yml, or what --params says."
    if isinstance(error, UserError | DatasetError) or _raised_by(error) in _CONFIGURATION_READERS:
        return str(error)
    return None


def _raised_by(error: Exception) -> str:
    """Return the top-level package whose code raised the error."""
    traceback = error.__traceback__
    module = ""
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__", "")
        traceback = traceback.tb_next
    return module.partition(".")[0]


def _one_message(callback: Callable[..., Any] | None) -> Callable[..., Any]:
    assert callback is not None  # a click command without a callback would do nothing

    @functools.wraps(callback)
    def run_or_explain(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except Exception as error:
            message = message_for(error)
            if message is None or isinstance(error, click.ClickException):
                raise
            logging.getLogger(__name__).debug("kedro run was refused", exc_info=True)
            raise click.ClickException(message) from None

    return run_or_explain


@click.group()
def cli() -> None:
    """Commands of this project; Kedro merges them with its own."""


run = copy.copy(kedro_run)
run.callback = _one_message(kedro_run.callback)
cli.add_command(run)
