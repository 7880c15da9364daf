"""How long `kedro azureml plan` takes for 10 to 5000 nodes, beside Kedro's own start-up.

    python tests/benchmarks/plan_speed.py [--nodes 10 100 1000 5000] [--runs 3] [--rival PYTHON]

PYTHON is the interpreter of an environment with kedro-azureml-pipeline 0.1.0, whose `compile` of
the same pipeline is then measured too (once for 1000 nodes and more: it takes minutes).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path

from measure import side_by_side

FILES: Mapping[str, str] = {
    "pyproject.toml": """
        [tool.kedro]
        package_name = "synthetic"
        project_name = "Synthetic"
        kedro_init_version = "1.7.0"
        """,
    "src/synthetic/__init__.py": "",
    "src/synthetic/settings.py": "",
    "src/synthetic/nodes.py": """
        def work(*values):
            return sum(values, 1)
        """,
    "src/synthetic/pipeline_registry.py": """
        from kedro.pipeline import Pipeline, node
        from synthetic.nodes import work
        def register_pipelines():
            return {"__default__": Pipeline([
                node(work, [f"d{j}" for j in {i - 1, i // 2} if 0 <= j < i] or None, f"d{i}",
                     name=f"n{i}", tags=["big"] if i % 10 == 9 else [])
                for i in range(NODES)
            ])}
        """,
    "conf/base/catalog.yml": """
        "d{number}": {type: pickle.PickleDataset, filepath: "data/{number}.pkl"}
        """,
    "conf/base/parameters.yml": "{}",
    "conf/local/.gitkeep": "",
    "conf/logging.yml": """
        version: 1
        disable_existing_loggers: false
        root: {level: ERROR}
        """,
}

OURS = """
    experiment_name: synthetic
    compute_targets: {cpu: {}, big: {}}
    environments: {kedro: {pip_packages: [kedro, kedro-datasets]}}
    default: {compute_target: cpu, environment: kedro}
    steps: [{tag: big, compute_target: big}]
    """

THEIRS = """
    workspace: {__default__: {subscription_id: s, resource_group: r, name: w}}
    compute: {__default__: {cluster_name: cpu}}
    execution: {environment: "kedro@latest", code_directory: "."}
    jobs: {all: {pipeline: {pipeline_name: __default__}, experiment_name: synthetic}}
    """


def write_project(folder: Path, nodes: int, config: str) -> Path:
    """Write a project whose pipeline has that many nodes."""
    for name, text in {**FILES, "conf/base/azureml.yml": config}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).replace("NODES", str(nodes)))
    return folder


def main() -> None:
    """Measure, and print the table of README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 100, 1000, 5000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rival", help="interpreter of the environment with the other tool")
    arguments = parser.parse_args()
    os.environ["DO_NOT_TRACK"] = "1"
    print("| nodes | Kedro's start-up | plan | beyond it | rival's compile |")
    print("|---|---|---|---|---|")
    for nodes in arguments.nodes:
        with tempfile.TemporaryDirectory() as folder:
            ours = write_project(Path(folder) / "ours", nodes, OURS)
            kedro = (sys.executable, "-W", "ignore", "-m", "kedro")
            commands = {
                "start": (*kedro, "registry", "list"),
                "plan": (*kedro, "azureml", "plan", "--json", "plan.json"),
            }
            found = side_by_side(commands, runs=arguments.runs, folder=ours)
            start, plan = found["start"].seconds, found["plan"].seconds
            rival = "-"
            if arguments.rival:
                theirs = write_project(Path(folder) / "theirs", nodes, THEIRS)
                python = (arguments.rival, "-W", "ignore", "-m", "kedro")
                compiled = (*python, "azureml", "compile", "-j", "all")
                few = nodes < 1000
                taken = side_by_side(
                    {"rival": compiled},
                    runs=arguments.runs if few else 1,
                    folder=theirs,
                    warm_up=few,
                )
                rival = f"{taken['rival'].seconds:.1f} s"
            beyond = plan - start
            print(f"| {nodes} | {start:.2f} s | {plan:.2f} s | {beyond:.2f} s | {rival} |")


if __name__ == "__main__":
    main()
