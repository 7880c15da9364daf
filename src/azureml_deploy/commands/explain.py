"""``kedro azureml explain CODE``."""

from __future__ import annotations

import click

from azureml_deploy.commands.errors import one_message


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Say what a CODE means, why it matters and how to mend it; without one, list the codes."""
    from azureml_deploy.preflight import RULES  # noqa: PLC0415
    from azureml_deploy.preflight import explain as explanation  # noqa: PLC0415

    with one_message():
        if code:
            click.echo(explanation(code), nl=False)
        else:
            for rule in RULES:
                click.echo(f"{rule.code}  {rule.severity:<8} {rule.name:<24} {rule.what}")
