"""A user's mistake, or the service's failure, as one message and its exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from azureml_deploy.errors import DeployError, ServiceError

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes of every command: done; error findings, a failed run or a service that failed;
configuration or usage that is wrong; and the shell's own of Ctrl-C."""


@contextmanager
def one_message() -> Iterator[None]:
    """Turn errors that a user can mend into a message without a traceback."""
    try:
        yield
    except DeployError as error:
        click.echo(click.style("Error: ", fg="red") + str(error), err=True)
        code = FAILED if isinstance(error, ServiceError) else WRONG_USE
        raise click.exceptions.Exit(code) from None
