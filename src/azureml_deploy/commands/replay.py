"""``kedro azureml replay``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

import click

from azureml_deploy.commands.errors import DONE, FAILED
from azureml_deploy.commands.opened import Opened, with_workspace
from azureml_deploy.deployment import open_deployment
from azureml_deploy.render.progress import progress_bar
from azureml_deploy.replay.fetched_snapshot import read_files
from azureml_deploy.replay.fetched_step import FetchedStep, fetch_inputs, fetch_step
from azureml_deploy.replay.isolated import isolated_python
from azureml_deploy.replay.layout import (
    INPUTS,
    REPLAYS,
    WRITES,
    Layout,
    compare_outputs,
    edited_step,
    lay_out,
    lay_out_edited,
    prepare_folder,
    recorded_writes,
    run_context,
    run_layout,
    selection_of,
)
from azureml_deploy.runs.comparison import compare_files
from azureml_deploy.runs.downloads import CACHE, ContentCache


@click.command()
@click.argument("text", metavar="RUN")
@click.option("--step", "name", metavar="S", required=True, help="Which step.")
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Lay it out here; by default below {REPLAYS}.",
)
@click.option("--isolated", is_flag=True, help="In the environment that the step declares.")
@click.option("--pdb", "debug", is_flag=True, help="Stop in the node that fails.")
@click.option("--edit", is_flag=True, help="Run the working tree's code on the run's inputs.")
@click.option("--send-writes", "send", is_flag=True, help="Let it write to run and workspace.")
@with_workspace
def replay(
    opened: Opened,
    /,
    *,
    text: str,
    name: str,
    folder: Path | None,
    isolated: bool,
    debug: bool,
    edit: bool,
    send: bool,
) -> int:
    """Run a step of a RUN on this machine, as it ran on the cluster.

    Its code, arguments, inputs and environment are the run's. What it would write to the run or the
    workspace is recorded and not sent. Exit code 1 means that the step fails here.
    """
    run = opened.run(text)
    cache = opened.project_path / CACHE
    step = fetch_step(run, name, cache, opened.patience)
    folder = (folder or opened.project_path / REPLAYS / run.id / name).absolute()
    prepare_folder(folder)
    values = fetch_inputs(
        opened.workspace,
        step,
        folder / INPUTS,
        ContentCache(cache),
        opened.patience,
        progress_bar(opened.messages),
    )
    context = run_context(opened.workspace, step, opened.patience)
    if edit:
        layout = _edited(opened, step, folder, values, context)
    else:
        layout = lay_out(step, folder, values, context)
    python = _python(opened, step) if isolated else Path(sys.executable)
    opened.messages.print(f"Step {name} runs in {layout.folder} with {python}", soft_wrap=True)
    status = run_layout(layout, python, debug=debug, send=send)
    _say_end(opened, step, layout, status)
    return FAILED if status else DONE


def _edited(
    opened: Opened,
    step: FetchedStep,
    folder: Path,
    values: Mapping[str, str],
    context: Mapping[str, str],
) -> Layout:
    """Lay out the working tree's step, and say in what its code differs from the run's."""
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as snapshots:
        deployment = open_deployment(opened.metadata, selection_of(step))
        edited, code = edited_step(deployment, step.name, Path(snapshots))
        changes = [*compare_files(read_files(step.snapshot), read_files(code))]
        layout = lay_out_edited(step, edited, code, folder, values, context)
    opened.console.print("The working tree's code differs:" if changes else "The code is the same.")
    for change in changes:
        opened.console.print(f"  {change}", soft_wrap=True, markup=False)
    return layout


def _python(opened: Opened, step: FetchedStep) -> Path:
    def tell(line: str) -> None:
        opened.messages.print(line, soft_wrap=True, markup=False)

    return isolated_python(step.definition.environment, tell)


def _say_end(opened: Opened, step: FetchedStep, layout: Layout, status: int) -> None:
    console = opened.console
    writes = recorded_writes(layout.folder)
    if writes:
        calls = ", ".join(f"{call} x {count}" for call, count in sorted(writes.items()))
        place = layout.folder / WRITES
        console.print(f"Recorded and not sent: {calls} ({place})", soft_wrap=True, markup=False)
    if status:
        console.print(f"Step {step.name} failed here too: exit status {status}")
        return
    for output in compare_outputs(opened.workspace, step, layout.folder, opened.patience):
        console.print(f"Output {output.name}: {output.verdict}", soft_wrap=True, markup=False)
    console.print(f"Step {step.name} passed")
