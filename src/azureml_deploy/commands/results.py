"""``kedro azureml results``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from azureml_deploy.commands.opened import Opened, with_workspace
from azureml_deploy.errors import ConfigError
from azureml_deploy.pickles import (
    AUTOML_RUNTIME,
    MissingPackagesError,
    load_pickle,
    missing_modules,
    needs_automl_runtime,
)
from azureml_deploy.render.history import print_leaderboard
from azureml_deploy.render.progress import progress_bar
from azureml_deploy.replay.isolated import definition_of, environments_with_runtime, isolated_python
from azureml_deploy.runs.iterations import plot_leaderboard, read_leaderboard
from azureml_deploy.runs.placing import (
    ENV,
    find_places,
    place_output,
    place_version,
    registered_version,
)
from azureml_deploy.runs.records import RunRecords
from azureml_deploy.runs.results import (
    RESULTS,
    AutoMLRun,
    Role,
    download_results,
    find_results,
    missing,
)

PLOT = "leaderboard.png"


@click.command()
@click.argument("text", metavar="RUN")
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Where metrics and model go; by default below {RESULTS}.",
)
@click.option("--load-model", is_flag=True, help="Load the model, which runs its maker's code.")
@click.option(
    "--isolated",
    is_flag=True,
    help="Build the environment of azureml.yml that has AutoML's own runtime.",
)
@with_workspace
def results(
    opened: Opened, /, *, text: str, folder: Path | None, load_model: bool, isolated: bool
) -> None:
    """Bring the metrics and the model of a RUN here. RUN is an id, its beginning, or latest.

    Prints what AutoML tried, plots it, and puts the model where `kedro run --env azureml` reads it.
    """
    run = opened.run(text)
    found = find_results(run, opened.patience)
    folder = (folder or opened.project_path / RESULTS / run.id).absolute()
    total = missing(found, folder)
    with progress_bar(opened.messages)(f"results of run {run.id}", total) as advance:
        files = download_results(found, folder, opened.patience, advance)
    for result in found:
        _show_iterations(opened, result, files[result.step, "metrics"])
    source = {
        "workspace": opened.workspace.name,
        "experiment_name": run.experiment.name,
        "run_id": run.id,
    }
    _place(opened, run, found, files, source)
    for file in (files[result.step, "model"] for result in found):
        _tell_of_model(opened, file)
        if load_model:
            _load(opened, file, run.id)
    if isolated:
        _build(opened)
    opened.console.print(f"Brought to {folder}", soft_wrap=True)


def _show_iterations(opened: Opened, result: AutoMLRun, file: Path) -> None:
    board = read_leaderboard(file, result.primary_metric)
    print_leaderboard(board, opened.console)
    try:
        plot_leaderboard(board, file.with_name(PLOT))
    except ImportError:
        opened.console.print("No plot: matplotlib is not installed here")
    else:
        opened.console.print(f"Plot: {file.with_name(PLOT)}", soft_wrap=True)


def _place(
    opened: Opened,
    run: Any,
    found: Iterable[AutoMLRun],
    files: dict[tuple[str, Role], Path],
    source: dict[str, str],
) -> None:
    """Put what came where the project reads it, and say where that is."""
    console = opened.console
    places = find_places(opened.metadata, opened.config.roles)
    if places is None:
        console.print(f"Not placed for kedro run: there is no conf/{ENV} with a catalog of its own")
        return
    for result in found:
        for output in result.outputs:
            file = files[result.step, output.role]
            target = place_output(output, file, places, source)
            if target:
                console.print(f"Placed for --env {ENV}: {target}", soft_wrap=True)
    if places.version is None:
        return
    records = RunRecords(opened.workspace, opened.patience)
    children = records.children(run.experiment.name, records.get(run.id))
    ids = [child.run_id for child in children]
    version = registered_version(opened.workspace, ids, opened.patience)
    if version is None:
        console.print(f"Run {run.id} registered no version, so none is placed to score with")
        return
    place_version(version, places.version, source, opened.patience)
    which = "the champion" if version.champion else "not the champion"
    what = f"{version.name} version {version.version}, {which}"
    console.print(f"Placed for --env {ENV}: {places.version}: {what}", soft_wrap=True)


def _tell_of_model(opened: Opened, file: Path) -> None:
    """Say what a model needs that is not here, found without loading it."""
    missing = missing_modules(file)
    console = opened.console
    if needs_automl_runtime(missing):
        names = ", ".join(environments_with_runtime(opened.config)) or "none yet"
        console.print(
            f"The model needs {AUTOML_RUNTIME}, whose pins would break this environment. It loads "
            f"in an environment of its own (in azureml.yml: {names}); have it built: "
            "kedro azureml results RUN --isolated",
            soft_wrap=True,
        )
    elif missing:
        console.print(f"The model needs what is not here: {', '.join(missing)}", soft_wrap=True)


def _build(opened: Opened) -> None:
    """Build the environment of azureml.yml that has AutoML's runtime, and say how to use it."""
    names = environments_with_runtime(opened.config)
    if not names:
        raise ConfigError(f"environments in azureml.yml: none has {AUTOML_RUNTIME} in pip_packages")
    definition = definition_of(names[0], opened.config.environments[names[0]])
    python = isolated_python(
        definition, lambda line: opened.messages.print(line, soft_wrap=True, markup=False)
    )
    opened.console.print(
        f"Environment {names[0]} is built; use the model there: "
        f"{python} -m kedro run --env {ENV} --pipelines …",
        soft_wrap=True,
    )


def _load(opened: Opened, file: Path, run_id: str) -> None:
    try:
        model = load_pickle(file, f"run {run_id} of workspace {opened.workspace.name}")
    except MissingPackagesError as error:
        opened.console.print(str(error), soft_wrap=True, markup=False)
    else:
        opened.console.print(f"Loaded: {model!r}", soft_wrap=True, markup=False)
