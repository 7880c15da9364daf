"""A step of a run, run again on this machine: laid out as on the compute, its writes recorded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_deploy import remote
from azureml_deploy.deployment import Deployment
from azureml_deploy.errors import ServiceError, UsageError
from azureml_deploy.plan import ParameterArgument, PortArgument, Step
from azureml_deploy.project import Selection
from azureml_deploy.replay.fetched_step import FetchedStep
from azureml_deploy.runs.downloads import digest, open_folder
from azureml_deploy.runs.records import RunRecords
from azureml_deploy.runs.step_definition import StepOutput, substituted
from azureml_deploy.service_errors import Patience, status_of
from azureml_deploy.snapshot import SCRIPTS
from azureml_deploy.wording import many

REPLAYS = ".azureml/replay"
"""Where steps are laid out, below the project, unless the command says so."""

STEP_FILE = "step.json"
REPLAY_STEP = Path(str(remote.__file__)).with_name("replay_step.py")
CODE, INPUTS, OUTPUTS = "code", "inputs", "outputs"
MARK = "replay.json"
REFUSALS = (400, 403, 404, 409, 410)
"""Answers to who asks for the token of a run that ended long ago."""
WRITES = "writes.jsonl"


@dataclass(frozen=True)
class Layout:
    """A step's folder on this machine.

    Attributes:
        folder: All of it: ``code``, ``inputs``, ``outputs``, ``writes.jsonl``.
        script: In the code's folder.
        arguments: With paths of this machine.
        variables: The environment variables that the compute sets.
    """

    folder: Path
    script: str
    arguments: tuple[str, ...]
    variables: Mapping[str, str]


@dataclass(frozen=True)
class OutputComparison:
    """What a replayed step wrote, beside what the run's step left.

    Attributes:
        name: The port's.
        verdict: In words.
    """

    name: str
    verdict: str


def prepare_folder(folder: Path) -> None:
    """Empty a step's folder, but none that is anything else.

    Raises:
        UsageError: There is something in it that no replay wrote.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UsageError(f"--to {folder}: there is something in it that no replay wrote")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CODE, INPUTS, OUTPUTS):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / WRITES).unlink(missing_ok=True)
    (folder / MARK).write_text("{}\n", encoding="utf-8")


def lay_out(
    step: FetchedStep, folder: Path, values: Mapping[str, str], context: Mapping[str, str]
) -> Layout:
    """Lay a step out as its run had it.

    Args:
        step: The step.
        folder: Prepared, with its inputs in it.
        values: Input port -> path, or id of a dataset.
        context: The variables of `run_context`.
    """
    shutil.copytree(step.snapshot, folder / CODE)
    values = {**values, **_output_paths(step, folder)}
    arguments = tuple(substituted(argument, values) for argument in step.definition.arguments)
    return _layout(step, folder, step.definition.script, arguments, values, context)


def lay_out_edited(
    step: FetchedStep,
    edited: Step,
    code: Path,
    folder: Path,
    values: Mapping[str, str],
    context: Mapping[str, str],
) -> Layout:
    """Lay out the working tree's step of the same name on a run's inputs.

    Args:
        step: The run's step.
        edited: The plan's.
        code: Its snapshot.
        folder: Prepared, with the run's inputs in it.
        values: Input port -> path, or id of a dataset.
        context: The variables of `run_context`.

    Raises:
        UsageError: The edited step reads what the run's step did not.
    """
    missing = [port.name for port in edited.inputs if port.name not in values]
    if missing:
        raise UsageError(
            f"--edit: step {step.name} of the working tree reads {', '.join(missing)}, which the "
            f"run's step did not (it read: {', '.join(values) or 'nothing'}); submit the pipeline "
            "again"
        )
    shutil.copytree(code, folder / CODE)
    outputs = {port.name: str(folder / OUTPUTS / port.name) for port in edited.outputs}
    values = {**values, **outputs}
    arguments = tuple(_edited_arguments(edited, values, step.parameters))
    return _layout(step, folder, SCRIPTS[edited.kind][0], arguments, values, context)


def edited_step(deployment: Deployment, name: str, target: Path) -> tuple[Step, Path]:
    """Return the working tree's step of a name, and its snapshot.

    Raises:
        UsageError: The plan has no such step.
    """
    steps = {step.name: step for step in deployment.plan.steps}
    if name not in steps:
        raise UsageError(
            f"--edit: the working tree's plan has no step {name} (it has: {', '.join(steps)})"
        )
    return steps[name], deployment.files[name].write(target)


def selection_of(step: FetchedStep) -> Selection:
    """Return the nodes and the configuration that a step's run was submitted with."""
    tags = step.pipeline.tags or {}
    env = tags.get("kedro_env")
    described = json.loads((step.snapshot / STEP_FILE).read_text(encoding="utf-8"))
    return Selection(
        pipelines=tuple(filter(None, tags.get("kedro_pipelines", "").split(","))),
        env=None if env == "local" else env,
        params=described["runtime_params"],
    )


def run_context(workspace: Any, step: FetchedStep, patience: Patience) -> dict[str, str]:
    """Return the variables by which `Run.get_context()` finds the step's run.

    Raises:
        ServiceError: The service failed.
    """
    record, context = step.record, workspace.service_context
    scope = (
        f"/subscriptions/{workspace.subscription_id}/resourceGroups/{workspace.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace.name}"
    )
    service = context._get_run_history_url()
    return {
        "AZUREML_RUN_ID": record.run_id,
        "AZUREML_ROOT_RUN_ID": record.root_run_id,
        "AZUREML_ARM_SUBSCRIPTION": workspace.subscription_id,
        "AZUREML_ARM_RESOURCEGROUP": workspace.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
        "AZUREML_ARM_PROJECT_NAME": step.experiment_name,
        "AZUREML_EXPERIMENT_ID": record.experiment_id,
        "AZUREML_WORKSPACE_ID": workspace.get_details()["workspaceid"],
        "AZUREML_WORKSPACE_SCOPE": scope,
        "AZUREML_EXPERIMENT_SCOPE": f"{scope}/experiments/{step.experiment_name}",
        "AZUREML_SERVICE_ENDPOINT": service,
        "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT": service,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": workspace.discovery_url,
        "PYTHONUNBUFFERED": "1",
        **_token_variables(workspace, step, patience),
    }


def _token_variables(workspace: Any, step: FetchedStep, patience: Patience) -> dict[str, str]:
    """Return the token that speaks for the run; without one, the script's run is an offline one."""
    records = RunRecords(workspace, patience)
    try:
        token = records.token(step.experiment_name, step.record.run_id)
    except ServiceError as error:
        if status_of(error) not in REFUSALS:
            raise
        patience.tell(f"{error}. Run.get_context() gives an offline run here")
        return {}
    return {
        "AZUREML_RUN_TOKEN": token.token,
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(token.expiry_time_utc.timestamp())),
    }


def run_layout(layout: Layout, python: Path, *, debug: bool, send: bool) -> int:
    """Run a step's script in a process of its own, and return its exit status.

    Args:
        layout: Where it is.
        python: What runs it.
        debug: Stop in a debugger where it fails.
        send: Let it write to the run and the workspace.
    """
    task = {
        "script": layout.script,
        "arguments": list(layout.arguments),
        "record": str(layout.folder / WRITES),
        "send": send,
        "pdb": debug,
    }
    (layout.folder / MARK).write_text(json.dumps(task, indent=2) + "\n", encoding="utf-8")
    sys.stdout.flush()
    done = subprocess.run(
        [str(python), str(REPLAY_STEP), str(layout.folder / MARK)],
        cwd=layout.folder / CODE,
        env={**_inherited(), **layout.variables},
        check=False,
    )
    return done.returncode


def recorded_writes(folder: Path) -> Counter[str]:
    """Return which calls a replay recorded, and how often each."""
    file = folder / WRITES
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return Counter(json.loads(line)["call"] for line in lines)


def compare_outputs(
    workspace: Any, step: FetchedStep, folder: Path, patience: Patience
) -> Iterator[OutputComparison]:
    """Say of each output whether a replay wrote what the run's step left.

    Raises:
        ServiceError: The service failed.
    """
    for output in step.definition.outputs:
        target = folder / OUTPUTS / output.name
        files = [target] if target.is_file() else sorted(target.rglob("*"))
        here = {
            file.relative_to(target).as_posix() if file != target else output.name: file
            for file in files
            if file.is_file()
        }
        yield OutputComparison(output.name, _verdict(workspace, output, here, patience))


def _verdict(
    workspace: Any, output: StepOutput, here: Mapping[str, Path], patience: Patience
) -> str:
    source = open_folder(workspace, output.place.datastore, output.place.path, patience)
    there = {file.name: file for file in source.files(patience)}
    if not there:
        return f"{many(len(here), 'file')}; the run's step left none"
    names = sorted(here.keys() | there.keys())
    differing = [
        name
        for name in names
        if name not in here
        or name not in there
        or here[name].stat().st_size != there[name].size
        or (there[name].md5 and digest(here[name], "md5") != there[name].md5)
    ]
    if not differing:
        return f"{many(len(names), 'file')}, the same as the run's"
    return f"differs from the run's in {', '.join(differing)}"


def _layout(
    step: FetchedStep,
    folder: Path,
    script: str,
    arguments: tuple[str, ...],
    values: Mapping[str, str],
    context: Mapping[str, str],
) -> Layout:
    for name in ("outputs", "logs"):  # Azure makes both, and keeps what is written there
        (folder / CODE / name).mkdir(exist_ok=True)
    (folder / OUTPUTS).mkdir(exist_ok=True)
    datasets = [given for given in step.definition.inputs if given.dataset_id]
    pairs = ",".join(f"{given.name}:{given.mode.capitalize()}" for given in datasets)
    variables = {
        **step.definition.variables,
        **context,
        "AZUREML_DATASET_ENVIRONMENT_VARS": pairs,
        **{f"AZUREML_DATAREFERENCE_{name}": value for name, value in values.items()},
        **values,
    }
    return Layout(folder, script, arguments, variables)


def _output_paths(step: FetchedStep, folder: Path) -> dict[str, str]:
    return {output.name: str(folder / OUTPUTS / output.name) for output in step.definition.outputs}


def _edited_arguments(
    edited: Step, values: Mapping[str, str], parameters: Mapping[str, str]
) -> Iterable[str]:
    for argument in edited.arguments:
        if isinstance(argument, PortArgument):
            yield values[argument.port]
        elif isinstance(argument, ParameterArgument):
            if argument.pipeline_parameter not in parameters:
                raise UsageError(
                    f"--edit: the run has no pipeline parameter '{argument.pipeline_parameter}' "
                    f"(it has: {', '.join(parameters) or 'none'}); submit the pipeline again"
                )
            yield str(parameters[argument.pipeline_parameter])
        else:
            yield argument


def _inherited() -> dict[str, str]:
    """Return this process's variables, but for those that say which run or which code this is."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AZUREML_") and name != "PYTHONPATH"
    }
