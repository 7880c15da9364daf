"""`--isolated`: a step runs in the Python environment that it declares, built once."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from azureml_loopback.execution.declared import EnvironmentBuildError, declared_environment
from azureml_loopback.execution.environments import CallerEnvironment, IsolatedEnvironments
from azureml_loopback.execution.interpreters import find_python


def definition(*dependencies: Any, **python: Any) -> dict[str, Any]:
    conda = {"dependencies": list(dependencies)}
    return {"name": "mine", "python": {"condaDependencies": conda, **python}}


def run(python: Path, code: str) -> str:
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("entry", "requirement"),
    [
        ("numpy", "numpy"),
        ("Numpy=1.23", "numpy==1.23.*"),
        ("numpy=1.23.*", "numpy==1.23.*"),
        ("numpy==1.23.5", "numpy==1.23.5"),
        ("numpy=1.23.5=py310_0", "numpy==1.23.5.*"),
        ("numpy 1.23.5 py310_0", "numpy==1.23.5"),
        ("conda-forge::scikit-learn>=1", "scikit-learn>=1"),
        ("numpy ~=1.2", "numpy~=1.2"),
        ("pytorch=2.1", "torch==2.1.*"),
    ],
)
def test_conda_packages_in_pips_terms(entry: str, requirement: str) -> None:
    assert declared_environment(definition(entry)).conda == (requirement,)


def test_python_and_pip_make_the_environment_and_are_not_installed() -> None:
    declared = declared_environment(definition("python=3.8.13", "pip==22.3.1", {"pip": ["six"]}))
    assert (declared.python, declared.conda, declared.pip) == ("==3.8.13.*", (), ("six",))


def test_nothing_declared_means_python_310() -> None:
    assert declared_environment({"name": "curated", "python": {}}).python == "==3.10.*"


def test_the_public_index_is_this_machines_own() -> None:
    lines = [
        "--extra-index-url https://pypi.python.org/simple",
        "--index-url=https://pypi.org/simple",
        "--extra-index-url https://example.com/simple",
        "six",
    ]
    assert declared_environment(definition({"pip": lines})).pip == tuple(lines[2:])


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (definition("numpy[version='>1']"), r"conda package 'numpy\[version='>1'\]' is not under"),
        (definition({"npm": ["left-pad"]}), "section 'npm' of its dependencies is unknown"),
        (definition(userManagedDependencies=True), "leaves its packages to its Docker image"),
        (definition("python=3.99"), r"declares Python 3\.99, which is not on this machine \(there"),
        (
            definition({"pip": ["no-such-package-of-ours"]}),
            "package 'no-such-package-of-ours' of its pip section is not on PyPI",
        ),
        (
            definition("cudatoolkit-of-conda-only=10"),
            "package 'cudatoolkit-of-conda-only' of its conda section is not on PyPI",
        ),
        (definition({"pip": ["six==99"]}), "no version of six==99"),
    ],
)
def test_what_cannot_be_had_is_one_message(
    tmp_path: Path, declared: dict[str, Any], message: str
) -> None:
    with pytest.raises(EnvironmentBuildError, match=rf"^Environment 'mine'.*{message}") as error:
        IsolatedEnvironments(tmp_path).python_for(declared, lambda line: None)
    assert "\n" not in str(error.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_steps_that_ask_at_once_get_one_build(tmp_path: Path) -> None:
    environments = IsolatedEnvironments(tmp_path)
    log: list[str] = []
    found: list[Path] = []

    def ask() -> None:
        declared = definition("python=3.10", "packaging=23", {"pip": ["six"]})
        found.append(environments.python_for(declared, log.append))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert sum("building" in line for line in log) == 1
    assert sum("built before" in line for line in log) == 3
    assert any("installed packaging==23." in line for line in log)
    code = "import packaging, six, sys; print(packaging.__version__[:2], sys.version_info[:2])"
    assert run(found[0], code) == "23 (3, 10)"
    assert [path.name for path in tmp_path.iterdir()] == [found[0].parents[1].name]


def test_pips_section_has_the_last_word(tmp_path: Path) -> None:
    declared = definition("six=1.15", {"pip": ["six==1.16.0"]})
    python = IsolatedEnvironments(tmp_path).python_for(declared, lambda line: None)
    assert run(python, "import six; print(six.__version__)") == "1.16.0"


def test_an_equal_declaration_by_another_name_is_the_same_environment(tmp_path: Path) -> None:
    environments = IsolatedEnvironments(tmp_path)
    first = environments.python_for(definition({"pip": ["six"]}), lambda line: None)
    other = {**definition({"pip": ["six"]}), "name": "other"}
    assert environments.python_for(other, lambda line: None) == first
    assert environments.python_for(other, lambda line: None, also=["packaging"]) != first


def test_what_a_killed_build_left_is_removed_and_what_another_builds_is_not(
    tmp_path: Path,
) -> None:
    killed, alive = tmp_path / ".building-99999999-a", tmp_path / f".building-{os.getpid()}-b"
    killed.mkdir()
    alive.mkdir()
    IsolatedEnvironments(tmp_path)
    assert list(tmp_path.iterdir()) == [alive]


def test_a_step_takes_over_no_path_of_the_callers_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("AZUREML_RUN_ID", "another run's")
    assert CallerEnvironment().variables()["PYTHONPATH"] == "/somewhere"
    assert not {"PYTHONPATH", "AZUREML_RUN_ID"} & set(IsolatedEnvironments(tmp_path).variables())


def test_it_is_built_from_pypi_by_who_is_led_to_a_loopback_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("MSI_ENDPOINT", "http://127.0.0.1:9/msi/secret/token")
    IsolatedEnvironments(tmp_path).python_for(definition({"pip": ["six"]}), lambda line: None)


def test_without_isolation_the_log_says_what_was_not_built() -> None:
    log: list[str] = []
    python = CallerEnvironment().python_for(definition({"pip": ["six"]}), log.append)
    assert run(python, "import azureml.core") == ""
    assert "'mine' is not built" in log[0]
    assert "--isolated" in log[0]


def test_a_python_that_does_not_run_is_passed_over() -> None:
    found = find_python("==3.10.*")
    assert found is not None
    assert run(found[1], "import sys; print(sys.version_info[:2])") == "(3, 10)"


SCRIPT = """
import json, time
from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import PythonScriptStep
from azureml.train.automl import AutoMLConfig

ws = Workspace.from_config()
size = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
cpu = ComputeTarget.create(ws, "cpu", size)
store = ws.get_default_datastore()
store.upload_files(["table.csv"], show_progress=False)
data = Dataset.Tabular.from_delimited_files((store, "table.csv"))

def step(name, script, *packages):
    configuration = RunConfiguration()
    configuration.environment = Environment(name)
    declared = CondaDependencies.create(pip_packages=list(packages), pin_sdk_version=False)
    declared.remove_pip_package("azureml-defaults")
    declared.set_python_version("3.10")
    configuration.environment.python.conda_dependencies = declared
    return PythonScriptStep(script, name=name, source_directory="source", compute_target=cpu,
                            runconfig=configuration, allow_reuse=False)

run = Experiment(ws, "isolated").submit(Pipeline(ws, [
    step("with", "uses.py", "six"),
    step("without", "uses.py", "packaging"),
    step("unknown", "uses.py", "no-such-package-of-ours"),
]), continue_on_step_failure=True)
while cpu.provisioning_state != "Succeeded":
    time.sleep(0.2)
    cpu.refresh_state()
automl = Experiment(ws, "automl").submit(AutoMLConfig(
    task="classification", label_column_name="y", training_data=data, compute_target=cpu,
    experiment_timeout_hours=0.25, debug_log="automl.log",
))
while {run.get_status(), automl.get_status()} - {"Failed", "Completed", "Finished"}:
    time.sleep(0.2)
told = {}
for child in run.get_steps():
    error = child.get_details().get("error")
    told[child.name] = error["error"]["message"] if error else child.get_stdout_log().strip()
automl.download_file("outputs/model.pkl", "model")
print("TOLD", json.dumps({**told, "automl": open("model").read()}))
"""

USES = """
import sys
def use():
    import six
    print("six", sys.version_info[:2])
use()
"""

TRAINS = """
import json, pathlib, sys
import numpy, six, sklearn
output = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
output.mkdir()
(output / "model.pkl").write_text(f"{sys.version_info[:2]} {numpy.__version__} {sklearn.__version__}")
(output / "metrics.json").write_text("{}")
line = {"iteration": 0, "learner": "Mine", "metric": "accuracy", "value": 0.5, "best": 0.5}
print(json.dumps(line))
"""


def test_steps_and_automl_run_in_environments_of_their_own(
    own_service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "uses.py").write_text(USES)
    (tmp_path / "table.csv").write_text("x,y\n1,0\n2,1\n")
    (tmp_path / "lent" / "my_automl").mkdir(parents=True)
    (tmp_path / "lent" / "my_automl" / "__main__.py").write_text(TRAINS)
    (tmp_path / "lent" / "my_automl" / "__init__.py").touch()
    (tmp_path / "lent" / "my_automl" / "requirements.txt").write_text("# it needs\nsix\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lent"))  # where the service finds the module
    service = own_service("--isolated", "--automl-command", "python -m my_automl")
    done = service.run(SCRIPT, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    told = json.loads(line.removeprefix("TOLD "))
    assert told.pop("unknown").startswith(
        "Environment 'unknown' cannot be built: package 'no-such-"
    )
    assert told == {
        "with": "six (3, 10)",
        "without": "ModuleNotFoundError: No module named 'six'",
        "automl": "(3, 10) 1.23.5 1.5.2",
    }
