"""`--isolated`: a step runs in the Python environment that it declares, built once."""

from __future__ import annotations

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


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".building-half").mkdir()
    IsolatedEnvironments(tmp_path)
    assert list(tmp_path.iterdir()) == []


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
