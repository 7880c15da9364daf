"""What arrives at a script step's ports and what leaves them, as its process gets to see it.

Plain data are moved by the service itself; datasets by the SDK's own context manager, around the
script. There is no FUSE: a mount is a download before the script, or an upload after it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from azureml_loopback.execution import runconfig, transfer
from azureml_loopback.execution.made_datasets import consumed_dataset
from azureml_loopback.execution.ports import is_dataset_output, mode
from azureml_loopback.execution.step import StepContext, StepFailed, StepInput, StepOutput


@dataclass(frozen=True)
class Handover:
    """What a step's ports, or one of them, come to in its process.

    Attributes:
        variables: Environment variables.
        datasets: Input port -> saved dataset.
        data: Datasets for the SDK's context manager to bring.
        output_data: Outputs for it to take.
        links: Outputs that the script itself names datasets for.
        sent: What the service itself takes: where it is written, and the output.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    output_data: Mapping[str, Any] = field(default_factory=dict)
    links: Sequence[str] = ()
    sent: Sequence[tuple[Path, StepOutput]] = ()


def hand_over(step: StepContext, folder: Path) -> Handover:
    """Bring a step's inputs and say where its outputs are to be written.

    Args:
        step: The step.
        folder: Where the script runs.

    Raises:
        StepFailed: Data are to be handed over in a way that is not implemented.
        NotFound: A datastore or a dataset is gone.
    """
    given = [_given(step, folder, arrives) for arrives in step.inputs.values()]
    taken = [_taken(step, folder, output) for output in step.outputs.values()]
    whole = _together([*given, *taken])
    modes = [f"{name}:{step.inputs[name].mode.capitalize()}" for name in whole.datasets]
    listed = {
        "AZUREML_DATASET_ENVIRONMENT_VARS": ",".join(modes),
        "AZUREML_DATASET_FILE_OUTPUTS": ";".join(whole.output_data),
        "AZUREML_LINK_DATASET_OUTPUTS": ";".join(whole.links),
    }
    return replace(whole, variables={**whole.variables, **listed})


def _together(parts: Iterable[Handover]) -> Handover:
    parts = list(parts)
    return Handover(
        variables=_merged(part.variables for part in parts),
        datasets=_merged(part.datasets for part in parts),
        data=_merged(part.data for part in parts),
        output_data=_merged(part.output_data for part in parts),
        links=[name for part in parts for name in part.links],
        sent=[pair for part in parts for pair in part.sent],
    )


def _merged(mappings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for mapping in mappings for name, value in mapping.items()}


def _given(step: StepContext, folder: Path, arrives: StepInput) -> Handover:
    if arrives.is_dataset or arrives.mode == "direct":
        return _given_dataset(step, folder, arrives)
    return _given_reference(step, folder, arrives)


def _given_dataset(step: StepContext, folder: Path, arrives: StepInput) -> Handover:
    name, dataset_id = arrives.name, consumed_dataset(step.loopback, arrives)
    if arrives.mode == "direct":
        return Handover(variables={name: dataset_id}, datasets={name: dataset_id})
    if arrives.mode not in {"mount", "download"}:
        raise StepFailed(f"Input '{name}': mode '{arrives.mode}' is not implemented")
    wanted = arrives.path_on_compute
    path = folder / wanted if wanted else step.folder / "data" / name
    path.mkdir(parents=True, exist_ok=True)
    return Handover(
        variables=_path_variables(name, path),
        datasets={name: dataset_id},
        data={name: runconfig.input_section(arrives, dataset_id)},
    )


def _given_reference(step: StepContext, folder: Path, arrives: StepInput) -> Handover:
    name, location = arrives.name, arrives.location
    if location is None:
        raise StepFailed(f"Input '{name}' has no place on a datastore")
    if arrives.mode == "mount":
        path = _mounted(step, location.datastore, location.path)
        step.log.note(f"The mount of '{name}' is emulated by a download to {path}")
    elif arrives.mode == "download":  # laid out as azureml/data/context_managers.py does it
        path = folder / location.datastore / (arrives.path_on_compute or "")
        path = Path(os.path.normpath(path)) / location.path.strip("/")
    else:
        raise StepFailed(f"Input '{name}': mode '{arrives.mode}' is not implemented")
    count = transfer.fetch(step.loopback, location, path)
    step.log.say(f"Input '{name}': {count} files from {location.datastore}/{location.path}")
    return Handover(variables=_path_variables(name, path))


def _taken(step: StepContext, folder: Path, output: StepOutput) -> Handover:
    how = mode(output.setting.get("DataStoreMode") or output.port.get("DataStoreMode"), "mount")
    if is_dataset_output(output.setting):
        return _taken_dataset(step, folder, output, how)
    return _taken_reference(step, folder, output, how)


def _taken_dataset(step: StepContext, folder: Path, output: StepOutput, how: str) -> Handover:
    name, wanted = output.name, output.setting.get("PathOnCompute")
    if how == "link":
        return Handover(links=[name])
    path = folder / wanted if wanted else step.folder / "results" / name
    if how == "mount":
        _note_upload(step, name, path)
    elif how != "upload":
        raise StepFailed(f"Output '{name}': mode '{how}' is not implemented")
    path.mkdir(parents=True, exist_ok=True)
    section = runconfig.output_section(output, str(path))
    return Handover(variables=_path_variables(name, path), output_data={name: section})


def _taken_reference(step: StepContext, folder: Path, output: StepOutput, how: str) -> Handover:
    name = output.name
    wanted = output.setting.get("PathOnCompute") or output.port.get("PathOnCompute")
    if how == "upload":
        path = Path(os.path.normpath(folder / (wanted or name)))
    elif how == "mount":
        path = _mounted(step, output.location.datastore, output.location.path)
        _note_upload(step, name, path)
    else:
        raise StepFailed(f"Output '{name}': mode '{how}' is not implemented")
    return Handover(variables=_path_variables(name, path), sent=[(path, output)])


def _note_upload(step: StepContext, name: str, path: Path) -> None:
    step.log.note(f"The mount of '{name}' is emulated by an upload from {path}")


def _mounted(step: StepContext, datastore: str, path: str) -> Path:
    """Return where a datastore's path would be; the script makes its folders, as in Azure.

    The SDK's `Model.register` takes only paths whose text begins with the working directory's, and
    scripts register what was mounted: so the mounts' name begins with ``wd`` too.
    """
    root = step.folder / "wd_mounts" / datastore
    root.mkdir(parents=True, exist_ok=True)
    return root / path.strip("/")


def _path_variables(name: str, path: Path) -> dict[str, str]:
    return {name: str(path), f"AZUREML_DATAREFERENCE_{name}": str(path)}
