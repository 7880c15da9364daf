"""A user's mistake as one message and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from azureml_deploy.errors import DeployError

DONE, FINDINGS, WRONG_USE = 0, 1, 2
"""Exit codes of every command."""


@contextmanager
def one_message() -> Iterator[None]:
    """Turn errors that a user can mend into a message without a traceback."""
    try:
        yield
    except DeployError as error:
        click.echo(click.style("Error: ", fg="red") + str(error), err=True)
        raise click.exceptions.Exit(WRONG_USE) from None
