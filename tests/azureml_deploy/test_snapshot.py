"""Snapshots: only what a step needs, the same bytes until that changes, and enough to run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from foreign_project import edit, run, snapshots, write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "orchard")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The snapshots of the project as it is written; each test gets copies."""
    folder = tmp_path_factory.mktemp("written")
    found = snapshots(write_project(folder / "orchard"), folder / "out")["folders"]
    return {name.partition("_")[0]: Path(path) for name, path in found.items()}


@pytest.fixture
def harvest(written: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(written["harvest"], tmp_path / "harvest")


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_snapshot_holds_only_what_its_step_needs(harvest: Path) -> None:
    assert files(harvest) == {
        "run_step.py",
        "step.json",
        "pyproject.toml",
        "conf/local/.gitkeep",
        "conf/base/catalog.yml",
        "conf/base/parameters.yml",
        "conf/base/globals.yml",
        "src/orchard/__init__.py",
        "src/orchard/settings.py",
        "src/orchard/hooks.py",
        "src/orchard/resolvers.py",
        "src/orchard/checks.py",
        "src/orchard/io.py",
        "src/orchard/encoding.py",
        "src/orchard/harvest/__init__.py",
        "src/orchard/harvest/nodes.py",
        "src/orchard/harvest/helpers.py",
        "src/orchard/harvest/words.txt",
    }


def test_configuration_is_cut_and_unresolved(harvest: Path) -> None:
    catalog = yaml.safe_load((harvest / "conf/base/catalog.yml").read_text())
    assert catalog.keys() == {"_folder", "apples", "{what}_names"}
    assert catalog["apples"]["filepath"] == "${_folder}/apples.csv"
    parameters = yaml.safe_load((harvest / "conf/base/parameters.yml").read_text())
    assert parameters == {"picking": {"factor": "${double:50}"}, "greeting": "Hello"}
    assert yaml.safe_load((harvest / "conf/base/globals.yml").read_text()) == {"out": "names"}
    assert "hunter2" not in "".join(p.read_text() for p in harvest.rglob("*") if p.is_file())


def test_only_what_a_step_needs_changes_it(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = snapshots(project, out)["digests"]
    edit(project, "src/orchard/report/nodes.py", "def count(names, title):\n    return {'n': 1}\n")
    edit(project, "src/orchard/unused.py", "")
    edit(project, "data/apples.csv", "name,weight\n")
    after = snapshots(project, out)["digests"]
    assert after["harvest"] == before["harvest"]
    assert {k for k in before if before[k] != after[k]} == before.keys() - {"harvest"}
    text = (project / "conf/base/parameters.yml").read_text()
    edit(project, "conf/base/parameters.yml", text.replace("cider", "juice").replace("Rep", "Rap"))
    assert snapshots(project, out)["digests"]["harvest"] == before["harvest"]
    edit(project, "conf/base/parameters.yml", text.replace("50", "60"))
    assert snapshots(project, out)["digests"]["harvest"] != before["harvest"]


def test_runtime_parameters_of_other_steps_change_nothing(project: Path, tmp_path: Path) -> None:
    plain = snapshots(project, tmp_path / "out")["digests"]
    titled = snapshots(project, tmp_path / "out", params={"title": "New"})["digests"]
    assert {k for k in plain if plain[k] != titled[k]} == plain.keys() - {"harvest"}


def test_runtime_parameters_reach_what_refers_to_them(project: Path, tmp_path: Path) -> None:
    name = "conf/base/parameters.yml"
    text = (project / name).read_text()
    edit(project, name, text.replace("${double:50}", "${threshold}") + "threshold: 50\n")
    found = snapshots(project, tmp_path / "out", params={"threshold": 150})["folders"]["harvest"]
    code, output = run_step(Path(found), project / "data/apples.csv", tmp_path / "port")
    assert code == 0, output
    assert (tmp_path / "port/fruit.txt").read_text() == "Hello Boskoop"


def run_step(folder: Path, apples: Path, out: Path, *more: str) -> tuple[int, str]:
    arguments = ["--input", "apples", str(apples), "--output", "fruit_names", str(out)]
    done = run(out.parent, str(folder / "run_step.py"), *arguments, *more, PYTHONPATH="")
    return done.returncode, done.stdout + done.stderr


def test_a_step_runs_from_its_snapshot_alone(project: Path, harvest: Path, tmp_path: Path) -> None:
    apples = (project / "data/apples.csv").rename(tmp_path / "mounted.csv")
    for folder in ("src", "conf", "data"):
        (project / folder).rename(tmp_path / f"gone_{folder}")
    code, output = run_step(harvest, apples, tmp_path / "port")
    assert code == 0, output
    assert (tmp_path / "port/fruit.txt").read_text() == "Hello Boskoop\nHello Gala"
    assert "the orchard's own hook" in output


def test_an_input_may_be_a_folder_with_the_file(
    project: Path, harvest: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mount"
    folder.mkdir()
    (project / "data/apples.csv").rename(folder / "part-0000")
    code, output = run_step(harvest, folder, tmp_path / "port")
    assert code == 0, output


def test_arguments_arrive_intact(project: Path, harvest: Path, tmp_path: Path) -> None:
    greeting = 'it\'s; "quoted" $(x) & `y`  größer\\ 苹果'
    code, output = run_step(
        harvest,
        project / "data/apples.csv",
        tmp_path / "port",
        *("--parameter", "greeting", greeting, "--parameter", "factor", "150"),
    )
    assert code == 0, output
    assert (tmp_path / "port/fruit.txt").read_text(encoding="utf-8") == f"{greeting} Boskoop"


def test_a_parameter_of_the_wrong_type(project: Path, harvest: Path, tmp_path: Path) -> None:
    more = ("--parameter", "factor", "heavy")
    code, output = run_step(harvest, project / "data/apples.csv", tmp_path / "port", *more)
    assert code != 0
    assert "pipeline parameter factor: found 'heavy', no int" in output


def test_validators_travel_and_work(harvest: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("name\nBoskoop\n")
    code, output = run_step(harvest, tmp_path / "bad.csv", tmp_path / "port")
    assert code != 0
    assert "no weight" in output


def test_a_validator_that_cannot_be_imported_is_left_out(
    project: Path, harvest: Path, tmp_path: Path
) -> None:
    edit(harvest, "src/orchard/checks.py", "import a_package_that_nobody_has\n")
    code, output = run_step(harvest, project / "data/apples.csv", tmp_path / "port")
    assert code == 0, output
    assert "orchard.checks.HasWeight does not validate here" in output


def test_a_failing_node_is_named_with_its_cause(
    project: Path, harvest: Path, tmp_path: Path
) -> None:
    edit(
        harvest, "src/orchard/harvest/helpers.py", "def heavy(*_):\n    raise KeyError('no tree')\n"
    )
    code, output = run_step(harvest, project / "data/apples.csv", tmp_path / "port")
    assert code != 0
    assert "StepError: node 'pick" in output
    assert "KeyError: 'no tree'" in output


def test_versioned_is_dropped_and_numbers_are_found(
    written: dict[str, Path], tmp_path: Path
) -> None:
    report = written["count"]
    (tmp_path / "fruit.txt").write_text("Hello Cox")
    arguments = ["--input", "fruit_names", str(tmp_path / "fruit.txt")]
    arguments += ["--output", "counts", str(tmp_path / "port")]
    done = run(tmp_path, str(report / "run_step.py"), *arguments)
    assert done.returncode == 0, done.stderr
    values = json.loads((tmp_path / "port/counts.json").read_text())
    assert values == {"apples": 1, "letters": {"all": 9}}


def test_without_an_import_path_the_whole_source_travels_and_runs(
    project: Path, tmp_path: Path
) -> None:
    registry = project / "src/orchard/pipeline_registry.py"
    registry.write_text(
        registry.read_text()
        .replace("node(name_them,", "node(partial(name_them),")
        .replace('"fruit_names")', '"fruit_names", name="names")')
        .replace("from kedro", "from functools import partial\nfrom kedro", 1)
    )
    found = snapshots(project, tmp_path / "out", pipelines=["harvest"])
    assert found["whole_tree"]["harvest"] == "names: it is a functools.partial"
    folder = Path(found["folders"]["harvest"])
    assert "src/orchard/unused.py" in files(folder)
    assert not any("tests" in name or name.endswith(".ipynb") for name in files(folder))
    code, output = run_step(folder, project / "data/apples.csv", tmp_path / "port")
    assert code == 0, output


def test_the_run_environment_travels_beside_the_base(project: Path, tmp_path: Path) -> None:
    edit(project, "conf/prod/parameters.yml", "greeting: Good day\nunused: 1\n")
    folder = Path(snapshots(project, tmp_path / "out", env="prod")["folders"]["harvest"])
    assert yaml.safe_load((folder / "conf/prod/parameters.yml").read_text()) == {
        "greeting": "Good day"
    }
    code, output = run_step(folder, project / "data/apples.csv", tmp_path / "port")
    assert code == 0, output
    assert "Good day Gala" in (tmp_path / "port/fruit.txt").read_text()


def test_any_session_class_of_the_project(project: Path, tmp_path: Path) -> None:
    settings = project / "src/orchard/settings.py"
    service = "from kedro.framework.session.service_session import KedroServiceSession\n"
    settings.write_text(service + settings.read_text() + "SESSION_CLASS = KedroServiceSession\n")
    found = snapshots(project, tmp_path / "out", params={"greeting": "Servus"})
    folder = Path(found["folders"]["harvest"])
    code, output = run_step(
        folder, project / "data/apples.csv", tmp_path / "port", "--parameter", "factor", "150"
    )
    assert code == 0, output
    assert (tmp_path / "port/fruit.txt").read_text() == "Servus Boskoop"
    assert "the orchard's own hook" in output
