"""Commands that trouble a running service on purpose: ``fault`` and ``clock``."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import click

from azureml_loopback.faults import KINDS
from azureml_loopback.home import Home
from azureml_loopback.identity import Identity
from azureml_loopback.processes import LoopbackError, running
from azureml_loopback.tokens import Tokens

FAILED = 1


@click.command()
@click.argument("kind", type=click.Choice([*KINDS, "clear"]))
@click.option("--where", default="", help="A regular expression; all, if none is given.")
@click.option("--value", default=0, help="The HTTP status, or bytes a second.")
@click.option("--times", default=1, show_default=True, help="How often; slow stays until cleared.")
@click.pass_obj
def fault(home: Home, kind: str, where: str, value: int, times: int) -> None:
    """Let something go wrong from now on; clear ends it.

    \b
    status     answers requests with --value; --where looks in 'VERB PATH'
    drop       closes connections to a host that --where finds
    slow       lets --value bytes a second through, to hosts that --where finds
    fail_step  lets steps fail whose name --where finds
    """  # noqa: D301  (click's own mark, which is a backspace)
    if kind == "clear":
        ask(home, "DELETE", "faults")
        click.echo("All is well again.")
        return
    wanted = {"kind": kind, "where": where, "value": value, "times": times}
    click.echo(json.dumps(ask(home, "POST", "faults", wanted)))


@click.group()
def clock() -> None:
    """The service's own time, by which schedules fire."""


@clock.command()
@click.argument("seconds", type=click.FloatRange(min=0))
@click.pass_obj
def advance(home: Home, seconds: float) -> None:
    """Move the service's time forward by SECONDS."""
    click.echo(f"It is {ask(home, 'POST', 'clock', {'seconds': seconds})['time']}")


def ask(home: Home, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Ask the running service something; its refusal ends the command.

    Raises:
        click.exceptions.Exit: It does not run, or it refuses; that was printed.
    """
    try:
        return _ask(home, method, path, body)
    except LoopbackError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(FAILED) from None


def _ask(home: Home, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
    found = running(home)
    if not found:
        raise LoopbackError(
            "the loopback does not run; start it with: python -m azureml_loopback start"
        )
    request = urllib.request.Request(
        f"http://127.0.0.1:{found['port']}/loopback/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {Tokens(Identity(), home.secret()).issue()}"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise LoopbackError(json.loads(error.read())["message"]) from None
    except OSError as error:
        raise LoopbackError(f"the loopback does not answer: {error}") from None
