"""A served process, and the orchard with something to serve."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from foreign_project import AZUREML, edit, write_project

PIPELINES = """
from kedro.pipeline import Pipeline, node
from orchard.grading import grade, unpack
def register_pipelines():
    grading = Pipeline([
        node(unpack, "champion", "limits", name="unpack"),
        node(grade, ["new_apples", "limits", "params:greeting"], "grades", name="grade"),
    ])
    return {"__default__": grading, "grading": grading}
"""
GRADING = """
def unpack(champion):
    return champion["artifacts"]
def grade(apples, limits, greeting):
    print("limits", limits)
    heavy = apples["weight"] >= limits["heavy"]
    graded = apples[["name"]].assign(heavy=heavy, title=greeting + " " + apples["name"])
    return graded.sort_values("name")
"""
CATALOG = """
new_apples:
  type: pandas.CSVDataset
  filepath: data/new_apples.csv
  validator: orchard.checks.HasWeight
grades: {type: pandas.CSVDataset, filepath: data/grades.csv}
champion: {type: json.JSONDataset, filepath: data/champion.json}
"""
SERVING = """
roles: {registry: [champion]}
serving: {pipeline: grading, request: new_apples, response: grades, row_key: name}
"""
CHAMPION = '{"model": null, "artifacts": {"heavy": 100}, "version": 3}'


def write_orchard(folder: Path) -> Path:
    """Write a foreign project with a scoring pipeline and a champion."""
    project = write_project(folder)
    edit(project, "src/orchard/pipeline_registry.py", PIPELINES)
    edit(project, "src/orchard/grading.py", GRADING)
    edit(project, "conf/base/catalog.yml", CATALOG)
    edit(project, "conf/base/parameters.yml", "greeting: Hello\n")
    edit(project, "conf/base/azureml.yml", AZUREML.partition("pipeline_parameters")[0] + SERVING)
    edit(project, "data/champion.json", CHAMPION)
    return project


@dataclass(frozen=True)
class Served:
    """A `kedro azureml serve` that listens."""

    process: subprocess.Popen[str]
    said: str
    address: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, trust_env=False, timeout=30)


@contextmanager
def serving(project: Path, *arguments: str, **variables: str) -> Iterator[Served]:
    """Serve at a free port, until the test is done with it."""
    command = [sys.executable, "-m", "kedro", "azureml", "serve", "--port", "0", *arguments]
    environment = {**os.environ, "DO_NOT_TRACK": "1", "COLUMNS": "160", **variables}
    with subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            said = ""
            while not (address := re.search(r"(http://[0-9.]+:\d+): POST", said)):
                line = process.stdout.readline()
                assert line, said + process.stderr.read()
                said += line
            yield Served(process, said, address[1])
        finally:
            process.terminate()
