"""``kedro azureml …``: a group whose commands are imported when they are asked for.

Kedro loads this module with every command of its own, so it imports nothing but click.
"""

from __future__ import annotations

import click
from kedro.framework.cli.utils import LazyGroup


@click.group()
def commands() -> None:
    """Commands that Kedro merges with its own."""


@commands.group(
    cls=LazyGroup,
    lazy_subcommands={
        "cancel": "azureml_deploy.commands.show.cancel",
        "compare": "azureml_deploy.commands.compare.compare",
        "computes": "azureml_deploy.commands.assets.computes",
        "datasets": "azureml_deploy.commands.assets.datasets",
        "explain": "azureml_deploy.commands.explain.explain",
        "init": "azureml_deploy.commands.init.init",
        "logs": "azureml_deploy.commands.logs.logs",
        "models": "azureml_deploy.commands.assets.models",
        "plan": "azureml_deploy.commands.plan.plan",
        "publish": "azureml_deploy.commands.publish.publish",
        "replay": "azureml_deploy.commands.replay.replay",
        "results": "azureml_deploy.commands.results.results",
        "runs": "azureml_deploy.commands.runs.runs",
        "schedule": "azureml_deploy.commands.schedule.schedule",
        "serve": "azureml_deploy.commands.serve.serve",
        "show": "azureml_deploy.commands.show.show",
        "submit": "azureml_deploy.commands.submit.submit",
        "trigger": "azureml_deploy.commands.trigger.trigger_endpoint",
    },
)
def azureml() -> None:
    """Plan and run this project's pipelines in Azure ML."""
