"""``python -m azureml_loopback.execution FILE``: build the Python that a step declares.

The file holds an environment definition as a run's definition has it. The last line of standard
output is the path of its Python; what was built, or why it cannot be, goes to standard error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from azureml_loopback.execution.declared import EnvironmentBuildError
from azureml_loopback.execution.environments import IsolatedEnvironments
from azureml_loopback.home import default_home


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def build(file: Path) -> None:
    """Build the environment that FILE declares, once for its content, beside the service's own."""
    definition = json.loads(file.read_text(encoding="utf-8"))
    environments = IsolatedEnvironments(default_home() / "environments")
    try:
        python = environments.python_for(definition, lambda line: click.echo(line, err=True))
    except EnvironmentBuildError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    click.echo(python)


if __name__ == "__main__":
    sys.exit(build())
