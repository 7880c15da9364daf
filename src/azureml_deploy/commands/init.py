"""``kedro azureml init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from azureml_deploy.commands.errors import one_message


@click.command()
@click.pass_obj
def init(metadata: Any, /) -> None:
    """Write a commented conf/base/azureml.yml and .amlignore. Nothing is ever overwritten."""
    from kedro import __version__ as kedro_version  # noqa: PLC0415
    from kedro.framework.project import settings  # noqa: PLC0415

    from azureml_deploy.files import write_text  # noqa: PLC0415
    from azureml_deploy.init_files import (  # noqa: PLC0415
        AMLIGNORE,
        AMLIGNORE_FILE,
        CONFIG_FILE,
        config_text,
        project_requirements,
    )

    project = Path(metadata.project_path)
    base = settings.CONFIG_LOADER_ARGS.get("base_env", "base")
    config = project / settings.CONF_SOURCE / base / CONFIG_FILE
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    requirements = project_requirements(project, kedro_version)
    texts = {
        config: config_text(metadata.project_name, requirements, python),
        project / AMLIGNORE_FILE: AMLIGNORE,
    }
    with one_message():
        for path, text in texts.items():
            place = path.relative_to(project).as_posix()
            if path.exists():
                click.echo(f"{place} is there already, and stays as it is")
                _name_kedro_azureml(path)
            else:
                write_text(path, text)
                click.echo(f"{place} written")
    click.echo("Next: kedro azureml plan")


def _name_kedro_azureml(path: Path) -> None:
    """Say where the keys of a kedro-azureml file go."""
    import yaml  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    from azureml_deploy.config_file import kedro_azureml_mapping  # noqa: PLC0415

    if path.suffix != ".yml":
        return
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return
    if isinstance(values, dict) and {"azure", "docker"} & values.keys():
        click.echo(f"It is a kedro-azureml configuration:\n{kedro_azureml_mapping(values)}")
        click.echo("Rename it, run kedro azureml init again, and move its values.")
