"""What a submit to the loopback takes: to its first step, as a whole, reused, and a step's overhead.

    python tests/benchmarks/submit.py [--runs 3]

Each round submits the Titanic with another seed, so that every step runs, and once more unchanged.
The bare script is the step's own snapshot and arguments, run without the service on what the step
got; the difference is what fetching, mounting, uploading and recording cost.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FETCH = """
import json, sys
from pathlib import Path
from azureml.core import Workspace
from azureml.pipeline.core import PipelineRun
config, run_id, target = sys.argv[1:]
run = PipelineRun.get(Workspace.from_config(config), run_id)
seconds = {}
for step in run.get_steps():
    details = step.get_details()
    seconds[step.name] = [details["startTimeUtc"], details["endTimeUtc"]]
    for name in step.get_outputs():
        step.get_output_data(name).download(f"{target}/{name}", show_progress=False)
Path(target, "seconds.json").write_text(json.dumps(seconds))
"""
SNAPSHOTS = """
import json, sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from azureml_deploy.deployment import open_deployment
from azureml_deploy.project import Selection
found = open_deployment(bootstrap_project(Path.cwd()), Selection(params=json.loads(sys.argv[2])))
plan = {
    step.name: {
        "folder": str(found.files[step.name].write(Path(sys.argv[1]))),
        "inputs": {port.dataset: port.name for port in step.inputs},
        "outputs": [port.dataset for port in step.outputs],
    }
    for step in found.plan.steps
}
print(json.dumps(plan))
"""


@dataclass(frozen=True)
class Submitted:
    """One submit, in seconds from the start of its process."""

    run_id: str
    accepted: float
    first_step: float
    whole: float


def submit(project: Path, params: Mapping[str, int]) -> Submitted:
    """Submit, and note when its lines come."""
    given = ",".join(f"{name}={value}" for name, value in params.items())
    command = [sys.executable, "-m", "kedro", "azureml", "submit", "--loopback", "--params", given]
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    marks: dict[str, float] = {}
    run_id = ""
    for line in process.stdout:
        now = time.monotonic() - begun
        if found := re.match(r"run +(\S+) submitted", line):
            run_id, marks["accepted"] = found[1], now
        elif re.match(r"data_prep: (Running|Completed)", line):
            marks.setdefault("first_step", now)
    if process.wait():
        raise RuntimeError(f"the submit failed with exit code {process.returncode}")
    return Submitted(run_id, whole=time.monotonic() - begun, **marks)


def python(project: Path, code: str, *arguments: str) -> str:
    """Run code in the project, led to the loopback."""
    service = [sys.executable, "-m", "azureml_loopback", "run", "--"]
    command = [*service, sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


def step_seconds(file: Path) -> dict[str, float]:
    """Return how long each step ran in the service."""
    from dateutil.parser import isoparse

    return {
        name: (isoparse(end) - isoparse(start)).total_seconds()
        for name, (start, end) in json.loads(file.read_text()).items()
    }


def bare(step: Mapping[str, object], data: Path, target: Path) -> float:
    """Run a step's script on what the step got, and return how long it took."""
    inputs: Mapping[str, str] = step["inputs"]  # type: ignore[assignment]
    outputs: list[str] = step["outputs"]  # type: ignore[assignment]
    arguments = []
    for dataset, port in inputs.items():
        files = [path for path in (data / port).rglob("*") if path.is_file()]
        arguments += ["--input", dataset, str(files[0])]
    for dataset in outputs:
        arguments += ["--output", dataset, str(target / dataset)]
    begun = time.monotonic()
    script = str(Path(str(step["folder"])) / "run_step.py")
    subprocess.run([sys.executable, script, *arguments], check=True, capture_output=True)
    return time.monotonic() - begun


@contextmanager
def project_with_service() -> Iterator[Path]:
    """A copy of the project, and a loopback of its own."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        for part in ("conf", "src"):
            shutil.copytree(ROOT / part, project / part)
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, project)
        (project / "data/01_raw").mkdir(parents=True)
        shutil.copy(ROOT / "data/01_raw/titanic.csv", project / "data/01_raw")
        os.environ["AZUREML_LOOPBACK_HOME"] = f"{folder}/home"
        loopback = [sys.executable, "-m", "azureml_loopback"]
        subprocess.run([*loopback, "start"], check=True, capture_output=True)
        try:
            yield project
        finally:
            subprocess.run([*loopback, "stop"], check=True, capture_output=True)


def measure(project: Path, seed: int) -> dict[str, float]:
    """Take one round's figures."""
    params = {"random_seed": seed, "automl.iterations": 2}
    first, again = submit(project, params), submit(project, params)
    data = project / f"fetched-{seed}"
    data.mkdir()
    config = str(project / ".azureml/loopback/config.json")
    python(project, FETCH, config, first.run_id, str(data))
    (data / "titanic_ds").symlink_to(project / "data/01_raw")
    nested = json.dumps({"random_seed": seed, "automl": {"iterations": 2}})
    steps = json.loads(python(project, SNAPSHOTS, str(project / "snapshots"), nested))
    seconds = step_seconds(data / "seconds.json")
    figures = {
        "start of the command to the run's id": first.accepted,
        "start of the command to its first step running": first.first_step,
        "the whole, every step run": first.whole,
        "the whole again, all but registration reused": again.whole,
    }
    for name in ("data_prep", "evaluation"):
        figures[f"step {name} in the service"] = seconds[name]
        figures[f"step {name}, the bare script"] = bare(steps[name], data, data / "bare")
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with project_with_service() as project:
        rounds = [measure(project, seed) for seed in range(runs)]
    print("| | seconds: median (least to most) |\n|---|---|")
    for name in rounds[0]:
        taken = [figures[name] for figures in rounds]
        spread = f"{min(taken):.1f} to {max(taken):.1f}"
        print(f"| {name} | {statistics.median(taken):.1f} ({spread}) |")


if __name__ == "__main__":
    main()
