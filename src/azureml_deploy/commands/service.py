"""The options that say which service is meant, the workspace's or the loopback; and opening it."""

from __future__ import annotations

import functools
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from azureml_deploy.config import WorkspaceConfig
from azureml_deploy.errors import UsageError
from azureml_deploy.service_errors import Patience
from azureml_deploy.workspace.loopback import use_loopback
from azureml_deploy.workspace.opening import open_workspace


@dataclass(frozen=True)
class Service:
    """Which service a command talks to, and for how long it bears with it."""

    loopback: bool
    isolated: bool
    patience_seconds: float

    @contextmanager
    def opened(
        self, config: WorkspaceConfig, project_path: Path, console: Console
    ) -> Iterator[tuple[Any, Patience]]:
        """Open the workspace; what the SDK prints from here on is kept to itself.

        Args:
            config: azureml.yml's ``workspace``, which the loopback takes the place of.
            project_path: The project.
            console: Told of a service that is waited for; must hold its own file.

        Yields:
            The workspace, and the patience to ask it with.

        Raises:
            UsageError: --isolated without --loopback.
            ServiceError: The service failed.
        """
        if self.isolated and not self.loopback:
            raise UsageError("--isolated goes with --loopback: a workspace's steps are always so")
        patience = Patience(self.patience_seconds, lambda text: console.print(text, style="yellow"))
        if self.loopback:
            config = use_loopback(
                project_path,
                isolated=self.isolated,
                tell=lambda text: console.print(text, soft_wrap=True),
            )
        # urllib3 warns of each attempt of the SDK's; what is waited for is told in our own words
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        with redirect_stdout(io.StringIO()):
            yield open_workspace(config, project_path, patience), patience


_REACHING: tuple[Callable[[Any], Any], ...] = (
    click.option("--loopback", is_flag=True, help="Use the loopback service on this machine."),
    click.option(
        "--patience",
        "patience_seconds",
        metavar="SECONDS",
        default=300.0,
        show_default=True,
        help="How long to go on asking a service that does not answer.",
    ),
)
_RUNNING = click.option(
    "--isolated", is_flag=True, help="With --loopback: each step in its environment."
)


def service_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that runs steps the choice of its service, as one ``service``."""

    @functools.wraps(command)
    def with_service(
        *arguments: Any, loopback: bool, isolated: bool, patience_seconds: float, **options: Any
    ) -> None:
        service = Service(loopback, isolated, patience_seconds)
        command(*arguments, service=service, **options)

    return _decorated(with_service, (*_REACHING, _RUNNING))


def reach_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that asks of what is there the choice of its service, as one ``service``."""

    @functools.wraps(command)
    def with_service(
        *arguments: Any, loopback: bool, patience_seconds: float, **options: Any
    ) -> None:
        service = Service(loopback, isolated=False, patience_seconds=patience_seconds)
        command(*arguments, service=service, **options)

    return _decorated(with_service, _REACHING)


def _decorated(
    command: Callable[..., None], options: tuple[Callable[[Any], Any], ...]
) -> Callable[..., None]:
    return functools.reduce(lambda made, option: option(made), reversed(options), command)
