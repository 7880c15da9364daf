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
        return _parameters_message(str(error))
    if isinstance(error, UserError | DatasetError) or _raised_by(error) in _CONFIGURATION_READERS:
        return str(error)
    return None


def _parameters_message(kedros: str) -> str:
    """Say where each refused parameter stands, out of Kedro's and pydantic's report."""
    lines, group, name = [], "", ""
    for line in kedros.splitlines()[1:]:
        if parameter := re.match(r"- Parameter '(.+?)'", line):
            group, name = parameter[1], ""
        elif not line.startswith(" "):
            name = f".{line}"
        elif "For further information" not in line:
            problem, _, details = line.strip().partition(" [type=")
            value = re.search(r"input_value=(.*), input_type=", details)
            found = f", found {value[1]}" if value and name and value[1] not in problem else ""
            lines.append(f"  {group}{name}: {problem}{found}")
    remedy = "Correct them in conf/base/parameters.yml, or in what --params says."
    return "\n".join(["These parameters are wrong:", *lines, remedy])


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
