"""Small pipelines for the tests: scripts of a few lines, submitted with the real SDK."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

COMPUTE = "cpu"


@dataclass(frozen=True)
class Bench:
    """Makes steps and submits them.

    Attributes:
        folder: Where the scripts are written.
        experiment: Name of the experiment; one for each test.
    """

    workspace: Any
    folder: Path
    experiment: str

    @classmethod
    def of(cls, workspace: Any, folder: Path, test: Any) -> Bench:
        """Return the bench of a test, with a compute of four nodes."""
        bench = cls(workspace, folder, test.originalname[:60])
        bench.cluster(COMPUTE, 4)
        return bench

    @property
    def datastore(self) -> Any:
        return self.workspace.get_default_datastore()

    def step(self, name: str, code: str, *, compute: str = COMPUTE, **options: Any) -> Any:
        """Return a step that runs this code from a folder of its own."""
        from azureml.pipeline.steps import PythonScriptStep

        source = self.folder / name
        source.mkdir(exist_ok=True)
        (source / "script.py").write_text(dedent(code))
        return PythonScriptStep(
            "script.py",
            name=name,
            source_directory=str(source),
            compute_target=(compute, "AmlCompute"),
            **options,
        )

    def submit(
        self, steps: Sequence[Any], *, regenerate_outputs: bool = False, **options: Any
    ) -> Any:
        from azureml.core import Experiment
        from azureml.pipeline.core import Pipeline

        pipeline = Pipeline(self.workspace, steps=list(steps))
        experiment = Experiment(self.workspace, self.experiment)
        return experiment.submit(pipeline, regenerate_outputs=regenerate_outputs, **options)

    def run(self, steps: Sequence[Any], *, expect: str = "Finished", **options: Any) -> Any:
        """Submit steps and wait until the run has ended as it should."""
        run = self.submit(steps, **options)
        assert wait(run) == expect, told(run)
        return run

    def cluster(self, name: str, nodes: int) -> None:
        """Make a compute of so many nodes at most, unless it is there."""
        from azureml.core.compute import AmlCompute, ComputeTarget

        settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=nodes)
        ComputeTarget.create(self.workspace, name, settings)


def wait(run: Any, *codes: str, seconds: float = 60) -> str:
    """Wait until a run, or a step of one, has one of these statuses; by default, has ended."""
    until = set(codes or ("Finished", "Failed", "Canceled"))
    deadline = time.monotonic() + seconds
    while (status := run.get_status()) not in until:
        assert time.monotonic() < deadline, f"still {status} after {seconds} s\n{told(run)}"
        time.sleep(0.1)
    return str(status)


def steps(run: Any) -> dict[str, Any]:
    """Return the step runs by the steps' names."""
    return {step.name: step for step in run.get_steps()}


def printed(run: Any, name: str) -> str:
    """Return what a step's script printed."""
    return str(steps(run)[name].get_stdout_log())


def told(run: Any) -> str:
    """Return all that a pipeline run's steps wrote, for a failed assertion."""
    from azureml.pipeline.core import PipelineRun

    if not isinstance(run, PipelineRun):
        return ""
    return "\n".join(
        f"--- {name} {step.get_status()}\n{step.get_stdout_log()}\n{step.get_stderr_log()}\n"
        f"{step.get_job_log()}"
        for name, step in steps(run).items()
    )


def log_of(run: Any) -> str:
    """Return what the service wrote of a pipeline run."""
    from azureml._file_utils import download_file_stream

    return str(
        download_file_stream(run.get_details()["logFiles"]["logs/azureml/executionlogs.txt"])
    )


def read(reference: Any, folder: Path) -> str:
    """Download the one file behind a PortDataReference and return its text."""
    assert reference.download(str(folder)) == 1
    return next(path for path in folder.rglob("*") if path.is_file()).read_text()
