"""The loopback under load: a pipeline of many steps, submitted over and over, while others poll.

    python tests/benchmarks/loopback.py [--runs 200] [--steps 20] [--clients 50]

The real SDK submits, in a process of its own; the first run executes, the others reuse its steps.
Each client asks once a second how a run and its steps are. It ends with an error if a run, a step
or a request is lost, or if a step executes twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from azureml_loopback import processes
from azureml_loopback.home import Home, client_environment, workspace_config
from azureml_loopback.identity import Identity
from azureml_loopback.tokens import Tokens

STARTS = 3
SCOPE = f"https://{Identity().services_host}/{{}}/v1.0/{Identity().arm_scope}"

SUBMIT = """
import json, os, sys, time
from azureml.core import Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep

runs, count = int(sys.argv[1]), int(sys.argv[2])
ws = Workspace.from_config()
cluster = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
ComputeTarget.create(ws, "cpu", cluster).wait_for_completion()
datas, steps = [], []
for index in range(count):
    data = PipelineData(f"data_{index}", datastore=ws.get_default_datastore())
    inputs = [datas[j] for j in sorted({index - 1, index // 2}) if 0 <= j < index]
    steps.append(PythonScriptStep(
        "step.py", name=f"step_{index}", source_directory="source", arguments=[data, index, *inputs],
        inputs=inputs, outputs=[data], compute_target="cpu"))
    datas.append(data)
pipeline = Pipeline(ws, steps)
pipeline.validate()
for number in range(runs):
    start = time.time()
    run = Experiment(ws, "load").submit(pipeline)
    print("RUN " + json.dumps([run.id, start, time.time()]), flush=True)
    while not number and run.get_status() not in ("Finished", "Failed"):
        time.sleep(0.1)
"""

STEP = """
import os, sys, time
with open(os.environ["MARKS"], "a") as marks:
    marks.write(f"{sys.argv[2]} {time.time()}\\n")
os.makedirs(sys.argv[1])
open(sys.argv[1] + "/file", "w").close()
"""


@dataclass
class Load:
    """What is seen while the load lasts.

    Attributes:
        submitted: Run id, and when the SDK began and ended to submit it.
        latencies: Seconds of each request of the polling clients.
        errors: Answers that were none, or no success.
        memory: The service's resident megabytes, with how many runs there were.
    """

    submitted: list[tuple[str, float, float]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--clients", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["MARKS"] = str(folder / "marks")
        home = Home(folder / "home")
        try:
            starts = _start_times(home)
            load = _load(home, folder, options.runs, options.steps, options.clients)
            marks = [line.split() for line in (folder / "marks").read_text().splitlines()]
            _check(home, load, marks, options.steps)
        finally:
            processes.stop(home)
    _report(starts, load, marks, options.steps)


def _start_times(home: Home) -> list[float]:
    seconds = []
    for _ in range(STARTS):
        processes.stop(home)
        start = time.perf_counter()
        processes.start(home)
        seconds.append(time.perf_counter() - start)
    return seconds


def _load(home: Home, folder: Path, runs: int, steps: int, clients: int) -> Load:
    server = processes.running(home)
    assert server is not None
    (folder / "source").mkdir()
    (folder / "source" / "step.py").write_text(STEP)
    (folder / "config.json").write_text(json.dumps(dict(workspace_config(Identity()))))
    environment = {**os.environ, **client_environment(home, server["port"])}
    load = Load()
    submitter = subprocess.Popen(
        [sys.executable, "-c", SUBMIT, str(runs), str(steps)],
        cwd=folder,
        env={**environment, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        text=True,
    )
    threads = [threading.Thread(target=_watch_memory, args=(server["pid"], load))]
    threads += [threading.Thread(target=_poll, args=(home, load)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    assert submitter.stdout is not None
    for line in submitter.stdout:
        if line.startswith("RUN "):
            load.submitted.append(tuple(json.loads(line[4:])))
    _wait_for_last(home, load)
    load.over.set()
    for thread in threads:
        thread.join()
    if submitter.wait() or len(load.submitted) != runs:
        raise SystemExit(f"only {len(load.submitted)} of {runs} runs were submitted")
    return load


def _poll(home: Home, load: Load) -> None:
    with _client(home) as client:
        while not load.over.wait(random.uniform(0.5, 1.5)):
            if not load.submitted:
                continue
            run_id = random.choice(load.submitted[-20:])[0]
            pipelines = f"{SCOPE.format('pipelines')}/PipelineRuns/{run_id}"
            for method, address in (
                ("GET", pipelines),
                ("POST", f"{pipelines}/Graph/AllNodes/StatusCode"),
                ("GET", f"{SCOPE.format('history')}/experiments/load/runs/{run_id}"),
            ):
                start = time.perf_counter()
                try:
                    answer = client.request(method, address, json=[] if method == "POST" else None)
                except httpx.HTTPError as error:
                    load.errors.append(f"{type(error).__name__}: {error}")
                    continue
                load.latencies.append(time.perf_counter() - start)
                if answer.status_code != 200:
                    load.errors.append(f"{answer.status_code} {answer.text}")


def _watch_memory(pid: int, load: Load) -> None:
    process = psutil.Process(pid)
    while not load.over.wait(0.5):
        load.memory.append((len(load.submitted), process.memory_info().rss / 1e6))


@contextmanager
def _client(home: Home) -> Iterator[httpx.Client]:
    server = home.server()
    assert server is not None
    context = ssl.create_default_context(cafile=str(home.authority_file))
    headers = {"Authorization": f"Bearer {Tokens(Identity(), home.secret()).issue()}"}
    proxy = f"http://127.0.0.1:{server['port']}"
    with httpx.Client(
        proxy=proxy, verify=context, headers=headers, trust_env=False, timeout=60
    ) as client:
        yield client


def _wait_for_last(home: Home, load: Load) -> None:
    with _client(home) as client:
        for run_id, _, _ in load.submitted:
            address = f"{SCOPE.format('pipelines')}/PipelineRuns/{run_id}"
            while client.get(address).json()["Status"]["StatusCode"] not in {"Finished", "Failed"}:
                time.sleep(0.1)


def _check(home: Home, load: Load, marks: Sequence[Sequence[str]], steps: int) -> None:
    """End with an error where something was lost, or done twice."""
    executed = sorted(int(index) for index, _ in marks)
    if executed != list(range(steps)):
        raise SystemExit(f"each step is to execute once; executed were {executed}")
    if load.errors:
        raise SystemExit(f"{len(load.errors)} requests failed, the first: {load.errors[0]}")
    with _client(home) as client:
        for number, (run_id, _, _) in enumerate(load.submitted):
            address = f"{SCOPE.format('pipelines')}/PipelineRuns/{run_id}/Graph/AllNodes/Status"
            nodes = client.post(address, json=[]).json().values()
            finished = sum(node["StatusCode"] == "Finished" for node in nodes)
            reused = sum(bool(node.get("ReuseInfo")) for node in nodes)
            if (finished, reused) != (steps, steps if number else 0):
                raise SystemExit(f"run {number}: {finished} finished, {reused} reused of {steps}")


def _report(
    starts: Sequence[float], load: Load, marks: Sequence[Sequence[str]], steps: int
) -> None:
    _, begun, submitted = load.submitted[0]
    first_step = min(float(at) for _, at in marks)
    seconds = sorted(load.latencies)
    memory = dict(load.memory)
    count = len(load.submitted)
    at = {
        runs: memory[min(memory, key=lambda seen, runs=runs: abs(seen - runs))]
        for runs in (1, count // 2, count)
    }
    rows = {
        "start-up on a new folder, again": f"{starts[0]:.1f} s, {min(starts[1:]):.1f} s",
        "submit returns after": f"{submitted - begun:.2f} s",
        "the first step's first line runs after": f"{first_step - begun:.2f} s",
        f"{count} runs of {steps} steps take": f"{load.submitted[-1][2] - begun:.0f} s",
        "steps executed, reused": f"{len(marks)}, {count * steps - len(marks)}",
        "polling requests, failed": f"{len(seconds)}, {len(load.errors)}",
        "their latency, median, 99 %": ", ".join(
            f"{seconds[int(len(seconds) * part)] * 1000:.0f} ms" for part in (0.5, 0.99)
        ),
        f"memory after {', '.join(map(str, at))} runs": ", ".join(
            f"{m:.0f} MB" for m in at.values()
        ),
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
