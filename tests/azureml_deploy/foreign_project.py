"""A small Kedro project that is not ours, written to a folder, and run in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

FILES = {
    "pyproject.toml": """
        [project]
        name = "orchard"
        version = "0.1"
        dependencies = ["kedro~=1.7.0", "pandas", "kedro-datasets[pandas-csvdataset]", "packaging"]
        [tool.kedro]
        package_name = "orchard"
        project_name = "Orchard"
        kedro_init_version = "1.7.0"
        source_dir = "src"
        """,
    "src/orchard/__init__.py": "",
    "src/orchard/settings.py": """
        from orchard.hooks import Greeting
        from orchard.resolvers import double
        HOOKS = (Greeting(),)
        CONFIG_LOADER_ARGS = {
            "base_env": "base",
            "default_run_env": "local",
            "custom_resolvers": {"double": double},
        }
        """,
    "src/orchard/hooks.py": """
        from kedro.framework.hooks import hook_impl
        class Greeting:
            @hook_impl
            def before_pipeline_run(self):
                print("the orchard's own hook")
        """,
    "src/orchard/resolvers.py": """
        def double(number):
            return 2 * number
        """,
    "src/orchard/checks.py": """
        class HasWeight:
            def validate(self, data):
                if "weight" not in data:
                    raise ValueError("no weight")
                return data
        """,
    "src/orchard/io.py": """
        from pathlib import Path
        from kedro.io import AbstractDataset
        from orchard.encoding import ENCODING
        class Lines(AbstractDataset):
            def __init__(self, filepath):
                self._path = Path(filepath)
            def load(self):
                return self._path.read_text(ENCODING).splitlines()
            def save(self, data):
                self._path.write_text("\\n".join(data), ENCODING)
            def _describe(self):
                return {"path": str(self._path)}
        """,
    "src/orchard/encoding.py": "ENCODING = 'utf-8'\n",
    "src/orchard/unused.py": "import a_package_that_nobody_has\n",
    "src/orchard/harvest/__init__.py": "",
    "src/orchard/harvest/words.txt": "apple\n",
    "src/orchard/harvest/nodes.py": """
        from orchard.harvest.helpers import heavy
        def pick(apples, factor):
            import collections
            assert apples.shape, collections
            return apples[heavy(apples, factor)]
        def name_them(picked, greeting):
            return [f"{greeting} {name}" for name in picked["name"]]
        """,
    "src/orchard/harvest/helpers.py": """
        def heavy(apples, factor):
            return apples["weight"] >= factor
        """,
    "src/orchard/report/__init__.py": "",
    "src/orchard/report/nodes.py": """
        def count(names, title):
            return {"apples": len(names), "letters": {"all": sum(map(len, names))}}
        """,
    "src/orchard/pipeline_registry.py": """
        from kedro.pipeline import Pipeline, node
        from orchard.harvest.nodes import name_them, pick
        from orchard.report.nodes import count
        def register_pipelines():
            harvest = Pipeline([
                node(pick, {"apples": "apples", "factor": "params:picking.factor"}, "picked"),
                node(name_them, ["picked", "params:greeting"], "fruit_names"),
            ])
            report = Pipeline([node(count, ["fruit_names", "params:title"], "counts")])
            return {"__default__": harvest + report, "harvest": harvest, "report": report}
        """,
    "conf/base/catalog.yml": """
        _folder: data
        apples:
          type: pandas.CSVDataset
          filepath: ${_folder}/apples.csv
          validator: orchard.checks.HasWeight
        "{what}_names":
          type: orchard.io.Lines
          filepath: data/${globals:out}/{what}.txt
        counts: {type: json.JSONDataset, filepath: data/counts.json, versioned: true}
        unrelated: {type: pandas.CSVDataset, filepath: data/unrelated.csv}
        """,
    "conf/base/globals.yml": "out: names\nother: 1\n",
    "conf/base/parameters.yml": """
        picking: {factor: "${double:50}", season: autumn}
        greeting: Hello
        title: ${runtime_params:title, Report}
        secret_recipe: cider
        """,
    "conf/logging.yml": """
        version: 1
        disable_existing_loggers: false
        handlers: {terminal: {class: logging.StreamHandler, stream: ext://sys.stderr}}
        root: {handlers: [terminal], level: WARNING}
        """,
    "conf/local/credentials.yml": "store: {password: hunter2}\n",
    "data/apples.csv": "name,weight\nBoskoop,180\nCox,90\nGala,120\n",
    "notebooks/try.ipynb": "{}",
    "tests/test_it.py": "",
}

AZUREML = """
experiment_name: orchard
compute_targets: {cpu-cluster: {}, other: {}}
environments:
  orchard:
    pip_packages: [kedro, "kedro-datasets[pandas-csvdataset]", pandas, packaging]
default: {compute_target: cpu-cluster, environment: orchard}
datasets: {apples: {name: apples, paths: [data/apples.csv]}}
steps: [{nodes: "count*", compute_target: other}]
pipeline_parameters: {factor: "params:picking.factor", greeting: "params:greeting"}
"""

SNAPSHOTS = """
import json, sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from azureml_deploy.deployment import open_deployment
from azureml_deploy.project import Selection
metadata = bootstrap_project(Path.cwd())
options = json.loads(sys.argv[2])
found = open_deployment(metadata, Selection(**options))
folders = {name: str(files.write(Path(sys.argv[1]))) for name, files in found.files.items()}
digests = {step.name: step.snapshot.digest for step in found.plan.steps}
reasons = {step.name: step.snapshot.whole_tree for step in found.plan.steps}
print(json.dumps({"folders": folders, "digests": digests, "whole_tree": reasons}))
"""


def write_project(folder: Path, *, azureml: bool = True) -> Path:
    """Write the project, with or without an azureml.yml."""
    for name, text in FILES.items():
        edit(folder, name, textwrap.dedent(text).removeprefix("\n"))
    if azureml:
        edit(folder, "conf/base/azureml.yml", AZUREML)
    return folder


def edit(folder: Path, name: str, text: str) -> None:
    """Write one of its files."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder, without the project's environment of this process."""
    environment = {**os.environ, "DO_NOT_TRACK": "1", "COLUMNS": "160", **variables}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def kedro(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Kedro command."""
    return run(folder, "-m", "kedro", *arguments)


def snapshots(folder: Path, target: Path, **selection: Any) -> dict[str, dict[str, str]]:
    """Plan the project and write its snapshots; their folders and digests by step."""
    done = run(folder, "-W", "ignore", "-c", SNAPSHOTS, str(target), json.dumps(selection))
    assert done.returncode == 0, done.stderr
    result: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return result
