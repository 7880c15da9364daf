"""What the commands after submit have in common: a project, its workspace, where to print."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import env_option
from rich.console import Console

from azureml_deploy.commands.errors import DONE, one_message
from azureml_deploy.commands.service import Service, reach_options
from azureml_deploy.config import AzureMLConfig
from azureml_deploy.project import open_config
from azureml_deploy.runs.history import find_run
from azureml_deploy.service_errors import Patience

PLAIN_WIDTH = 10_000
"""Where nobody watches, a row is one line however long."""


@dataclass(frozen=True)
class Opened:
    """A project and the workspace that its azureml.yml names, or the loopback's.

    Attributes:
        metadata: Kedro's `ProjectMetadata`.
        env: The configuration's environment.
        config: azureml.yml.
        workspace: The SDK's.
        patience: To ask it with.
        console: Standard output.
        messages: Standard error, for what is not the answer.
    """

    metadata: Any
    env: str | None
    config: AzureMLConfig
    workspace: Any
    patience: Patience
    console: Console
    messages: Console

    @property
    def project_path(self) -> Path:
        """Return the project's folder."""
        return Path(self.metadata.project_path)

    def run(self, text: str) -> Any:
        """Return the `PipelineRun` that a command's RUN means."""
        return find_run(self.workspace, self.config.experiment_name, text, self.patience)

    def write(self, text: str) -> None:
        """Write to standard output as it is."""
        click.echo(text, file=self.console.file)


def with_workspace(command: Callable[..., int | None]) -> Callable[..., None]:
    """Give a command the workspace, as one ``Opened``; it returns its exit code, or nothing."""

    @env_option
    @reach_options
    @click.pass_obj
    @functools.wraps(command)
    def opening(metadata: Any, /, *, env: str | None, service: Service, **options: Any) -> None:
        console, messages = Console(file=sys.stdout), Console(file=sys.stderr)
        if not console.is_terminal:
            console.width = PLAIN_WIDTH
        with one_message():
            config = open_config(metadata, env)
            place = Path(metadata.project_path)
            with service.opened(config.workspace, place, messages) as (workspace, patience):
                opened = Opened(metadata, env, config, workspace, patience, console, messages)
                code = command(opened, **options)
        raise click.exceptions.Exit(DONE if code is None else code)

    opened: Callable[..., None] = opening
    return opened
