"""The commands, in a Kedro project that is not ours."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from deploy_samples import (
    automl_catalog,
    automl_nodes,
    automl_parameters,
    automl_values,
    planned,
)
from foreign_project import edit, kedro, run, write_project

from azureml_deploy.commands.plan import STANDARD_OUTPUT
from azureml_deploy.config_file import parse_config
from azureml_deploy.files import write_text
from azureml_deploy.init_files import config_text, project_requirements
from azureml_deploy.plan import plan_from_json
from azureml_deploy.render.html import to_html
from azureml_deploy.render.mermaid import to_mermaid
from azureml_deploy.reuse import (
    git_properties,
    read_last_submitted,
    reuse_forecast,
    write_last_submitted,
)


@pytest.fixture(scope="module")
def orchard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with an azureml.yml; read only."""
    return write_project(tmp_path_factory.mktemp("project") / "orchard")


@pytest.fixture
def plan(values: dict[str, Any]) -> Any:
    return planned(
        automl_nodes(), automl_values(values), automl_catalog(), automl_parameters()
    ).plan


def test_init_then_plan_in_a_foreign_project(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "orchard", azureml=False)
    assert kedro(folder, "azureml", "plan").returncode == 2
    done = kedro(folder, "azureml", "init")
    assert done.returncode == 0, done.stderr
    assert "conf/base/azureml.yml written" in done.stdout
    assert "/data" in (folder / ".amlignore").read_text()
    planned_now = kedro(folder, "azureml", "plan")
    assert planned_now.returncode == 1, planned_now.stderr
    assert "AML103 error dataset apples" in planned_now.stdout
    text = (folder / "conf/base/azureml.yml").read_text()
    changed = text.replace("datasets: {}", "datasets: {apples: {paths: [data/apples.csv]}}\n#")
    edit(folder, "conf/base/azureml.yml", changed)
    planned_now = kedro(folder, "azureml", "plan")
    assert planned_now.returncode == 0, planned_now.stdout + planned_now.stderr
    assert "1 step, 0 errors, 0 warnings" in planned_now.stdout
    again = kedro(folder, "azureml", "init")
    assert "is there already, and stays as it is" in again.stdout
    assert (folder / "conf/base/azureml.yml").read_text() == changed


def test_init_names_a_kedro_azureml_file(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "orchard", azureml=False)
    old = "azure: {workspace_name: w, compute: {__default__: {cluster_name: c}}}\n"
    edit(folder, "conf/base/azureml.yml", old)
    done = kedro(folder, "azureml", "init")
    assert "azure.workspace_name -> workspace.workspace_name" in done.stdout
    assert "azure.compute.__default__.cluster_name -> default.compute_target" in done.stdout
    assert (folder / "conf/base/azureml.yml").read_text() == old


def test_json_on_standard_output_is_nothing_else_and_reproducible(orchard: Path) -> None:
    first = kedro(orchard, "azureml", "plan", "--json", "-")
    assert first.returncode == 0, first.stderr
    plan = plan_from_json(first.stdout)
    assert json.loads(first.stdout)["version"] == 1
    assert plan.steps[0].name == "harvest"
    again = kedro(orchard, "azureml", "plan", "--json", STANDARD_OUTPUT)
    assert again.stdout == first.stdout


def test_with_kedros_default_logging_only_its_own_first_line_comes_before(
    orchard: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(orchard, tmp_path / "copy")
    (folder / "conf/logging.yml").unlink()
    kedros, brace, ours = kedro(folder, "azureml", "plan", "--json", "-").stdout.partition("{")
    assert plan_from_json(brace + ours).steps
    assert kedros.count("INFO") == 1
    assert "as logging" in kedros


def test_table_files_and_findings(orchard: Path, tmp_path: Path) -> None:
    html, text = tmp_path / "out" / "plan.html", tmp_path / "plan.json"
    done = kedro(orchard, "azureml", "plan", "--html", str(html), "--json", str(text))
    assert done.returncode == 0, done.stderr
    for part in ("harvest", "cpu-cluster", "What crosses", "files,", "2 steps, 0 errors"):
        assert part in done.stdout
    assert html.read_text().startswith("<!doctype html>")
    assert plan_from_json(text.read_text()).experiment_name == "orchard"


def test_mermaid_is_nothing_else(orchard: Path) -> None:
    done = kedro(orchard, "azureml", "plan", "--mermaid")
    assert done.stdout.startswith("flowchart LR\n")
    assert all(line.startswith(("flowchart", "    ")) for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--pipelines", "harvest"), ["harvest"]),
        (("--pipelines", "report"), None),
        (("--to-nodes", "pick__"), None),
        (("--pipelines", "harvests"), "did you mean 'harvest'?"),
        (("--tags", "nobody"), "The selectors leave no pipeline"),
        (("--select", "AML9"), "no rule 'AML9'"),
    ],
)
def test_selectors(orchard: Path, options: tuple[str, ...], names: Any) -> None:
    done = kedro(orchard, "azureml", "plan", "--json", "-", *options)
    assert "Traceback" not in done.stderr
    if isinstance(names, list):
        assert [step["name"] for step in json.loads(done.stdout)["steps"]] == names
    elif isinstance(names, str):
        assert done.returncode == 2
        assert names in done.stderr
        assert done.stdout == ""
    else:
        assert done.returncode in {1, 2}


def test_parameters_and_environments_reach_the_configuration(orchard: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(orchard, tmp_path / "copy")
    edit(folder, "conf/prod/azureml.yml", "experiment_name: ${runtime_params:name, in-prod}\n")
    options = ("--env", "prod", "--json", "-")
    assert json.loads(kedro(folder, "azureml", "plan", *options).stdout)["experiment_name"] == (
        "in-prod"
    )
    given = kedro(folder, "azureml", "plan", *options, "--params", "name=given")
    assert json.loads(given.stdout)["experiment_name"] == "given"


def test_a_wrong_configuration_is_one_message(orchard: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(orchard, tmp_path / "copy")
    text = (folder / "conf/base/azureml.yml").read_text()
    edit(
        folder, "conf/base/azureml.yml", text.replace("environment: orchard", "environment: orchid")
    )
    done = kedro(folder, "azureml", "plan")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.endswith("(defined: orchard)")
    assert "azureml.yml: default.environment: found 'orchid'" in line
    assert "did you mean 'orchard'?" in line


def test_explain(orchard: Path) -> None:
    done = kedro(orchard, "azureml", "explain", "AML101")
    assert done.returncode == 0
    assert done.stdout.startswith("AML101 memory-dataset-crosses (error)")
    assert "AML502" in kedro(orchard, "azureml", "explain").stdout
    assert kedro(orchard, "azureml", "explain", "AML10").returncode == 2


def test_no_command_imports_more_than_it_needs(orchard: Path) -> None:
    code = """
import sys
from kedro.framework.startup import bootstrap_project
from pathlib import Path
sys.argv = ["kedro", *sys.argv[1:]]
from kedro.framework.cli.cli import main
try:
    main()
finally:
    ours = sorted(m for m in sys.modules if m.startswith("azureml"))
    print(ours, file=sys.stderr)
"""
    helped = run(orchard, "-c", code, "--help")
    modules = helped.stderr.strip().splitlines()[-1]
    assert modules == "['azureml_deploy', 'azureml_deploy.cli']"
    done = run(orchard, "-W", "ignore", "-c", code, "azureml", "plan", "--json", "-")
    imported = done.stderr.strip().splitlines()[-1]
    assert "azureml_deploy.planning" in imported
    assert "'azureml'" not in imported
    assert "'azureml." not in imported


class Links(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.fetched += [value for key, value in attrs if key in {"src", "href"}]


def test_the_page_is_offline_and_escaped(plan: Any) -> None:
    page = to_html(plan.model_copy(update={"experiment_name": "<b>bold</b>"}), {})
    parser = Links()
    parser.feed(page)
    assert parser.fetched == []
    assert "<b>bold" not in page
    assert "url(http" not in page
    assert "@import" not in page


def test_the_page_shows_all(plan: Any) -> None:
    page = to_html(plan, {"fit": "reused"})
    for step in plan.steps:
        assert step.name in page
        assert all(node in page for node in step.nodes)
    for crossing in plan.crossings:
        assert crossing.dataset in page
    assert "reused" in page


def test_mermaid_draws_each_step_and_arrow(plan: Any) -> None:
    text = to_mermaid(plan)
    assert len(re.findall(r"^    s\d+[\[({]", text, flags=re.MULTILINE)) == len(plan.steps)
    assert 's0 -->|"train"| s1' in text


def test_reuse_forecast(plan: Any) -> None:
    first = plan.steps[0]
    assert set(reuse_forecast(plan, None).values()) == {
        "runs: no completed run of it is known",
        "runs: allow_reuse is off",
    }
    same = reuse_forecast(plan, plan)
    assert list(same.values()) == ["reused", "reused", "reused", "runs: allow_reuse is off"]
    fit = plan.step("fit")
    other = fit.settings.model_copy(update={"iterations": 9})
    changed = plan.model_copy(
        update={"steps": (first, fit.model_copy(update={"settings": other}), *plan.steps[2:])}
    )
    forecast = reuse_forecast(changed, plan)
    assert forecast[first.name] == "reused"
    assert forecast["fit"] == "runs: its settings changed"
    assert forecast["judge"] == "runs: fit runs before it"
    two = plan.environments[1]
    definition = two.definition.model_copy(update={"python_version": "3.9"})
    other_two = two.model_copy(update={"definition": definition})
    rebuilt = plan.model_copy(update={"environments": (plan.environments[0], other_two)})
    forecast = reuse_forecast(rebuilt, plan)
    assert (forecast["fit"], forecast["judge"]) == ("reused", "runs: environment two changed")


def test_what_was_submitted_last_is_remembered(plan: Any, tmp_path: Path) -> None:
    assert read_last_submitted(tmp_path) is None
    write_last_submitted(tmp_path, plan)
    assert read_last_submitted(tmp_path) == plan
    (tmp_path / ".azureml/last_submitted_plan.json").write_text('{"version": 0}')
    assert read_last_submitted(tmp_path) is None


def test_git_properties(tmp_path: Path) -> None:
    assert git_properties(tmp_path / "nowhere") == {}
    shell = "git init -qb trunk && git -c user.name=a -c user.email=a@b commit -qm x --allow-empty"
    run(tmp_path, "-c", f"import subprocess; subprocess.run({shell!r}, shell=True)")
    found = git_properties(tmp_path)
    assert (found["azureml.git.branch"], found["azureml.git.dirty"]) == ("trunk", "False")
    (tmp_path / "new").touch()
    assert git_properties(tmp_path)["azureml.git.dirty"] == "True"


def test_the_written_configuration_is_valid(tmp_path: Path) -> None:
    import yaml

    (tmp_path / "requirements.txt").write_text(
        "# tools\nKedro==1.7.0\npandas>=2 ; python_version>'3'\n"
    )
    requirements = project_requirements(tmp_path, "1.7.0")
    assert requirements[0] == "Kedro==1.7.0"
    assert not any(text.startswith("kedro") for text in requirements)
    config = parse_config(yaml.safe_load(config_text("My Shop!", requirements, "3.11")))
    assert config.experiment_name == "My-Shop"
    assert "pandas>=2 ; python_version>'3'" in config.environments["My-Shop"].pip_packages


def test_files_are_whole_or_not_there(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "x\n")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.txt"]
    from azureml_deploy.errors import UsageError

    with pytest.raises(UsageError, match="cannot be written"):
        write_text(tmp_path / "a" / "b.txt" / "c.txt", "x")
