"""One step about to run, and what a runner of steps must do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.execution.logs import StepLog
    from azureml_loopback.store import Document


class StepFailed(Exception):
    """A step did not do its work.

    Attributes:
        code: ``UserError`` where the step's own code is to blame, else ``SystemError``.
    """

    def __init__(self, message: str, code: str = "UserError") -> None:
        """Say why, in the words of the step's own last line where there is one."""
        super().__init__(message)
        self.code = code


class StepCanceled(Exception):
    """The step was stopped from outside."""


@dataclass(frozen=True)
class DataLocation:
    """A file or a folder on a datastore."""

    datastore: str
    path: str


@dataclass(frozen=True)
class StepInput:
    """What arrives at an input port: data on a datastore, or a dataset.

    Attributes:
        name: The port's name.
        location: Where the data is; nothing for a dataset that is no single place.
        dataset_id: The saved dataset's id; nothing where no dataset was made of the data.
        transformations: Dataflow JSON to add to the dataset, such as ``parse_parquet_files()``.
        mode: ``mount``, ``download`` or ``direct``; ``hdfs`` is not known here.
        path_on_compute: Where the script wants it; nothing leaves the choice to the service.
        is_dataset: Whether the script gets it as a dataset and not as a data reference.
    """

    name: str
    location: DataLocation | None
    dataset_id: str | None = None
    transformations: str | None = None
    mode: str = "mount"
    path_on_compute: str | None = None
    is_dataset: bool = False


@dataclass(frozen=True)
class StepOutput:
    """Where what leaves an output port goes.

    Attributes:
        name: The port's name.
        location: Where the data goes.
        port: The module's StructuredInterfaceOutput, with ``TrainingOutput`` and ``DataTypeId``.
        setting: The node's OutputSetting: mode, registration, options.
    """

    name: str
    location: DataLocation
    port: Mapping[str, Any]
    setting: Mapping[str, Any]


@dataclass(frozen=True)
class StepContext:
    """Everything that a runner needs to run one node.

    Attributes:
        pipeline_run_id: The run that the node belongs to.
        run_id: The step's own run.
        node: The GraphModuleNode.
        module: The ModuleEntity.
        parameters: Parameter name -> value, defaults and pipeline parameters resolved.
        inputs: Port name -> what arrives.
        outputs: Port name -> where it goes.
        folder: The step's own folder on this machine, made and empty.
        log: What the step prints, streamed while it is written.
        canceled: Set when the step must stop; `processes.run` heeds it.
    """

    loopback: Loopback
    pipeline_run_id: str
    run_id: str
    node: Document
    module: Document
    parameters: Mapping[str, str | None]
    inputs: Mapping[str, StepInput]
    outputs: Mapping[str, StepOutput]
    folder: Path
    log: StepLog
    canceled: threading.Event

    @property
    def node_id(self) -> str:
        """Return the node's id in its graph."""
        return str(self.node["Id"])


class Runner(Protocol):
    """Runs one kind of step."""

    def run(self, step: StepContext) -> None:
        """Do the step's work; its data lies at its outputs' locations when this returns.

        Raises:
            StepFailed: It did not; the message is what the run's error says.
            StepCanceled: ``step.canceled`` was set.
        """
