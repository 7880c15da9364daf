"""The Python that a step runs in: the service's own, or one built from what the step declares."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from azureml_loopback.execution.declared import (
    DeclaredEnvironment,
    EnvironmentBuildError,
    any_patch,
    declared_environment,
)
from azureml_loopback.execution.interpreters import find_python, versions

Log = Callable[[str], None]
"""Takes a line for the step's log."""

_MISSING = re.compile(r"Because (\S+) was not found in the package registry")
_BUILDING = ".building-{pid}-"
_OF_THE_CALLERS_PYTHON = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"})
_TO_A_LOOPBACK = frozenset(
    {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}
)


class Environments(Protocol):
    """Gives a step its Python."""

    def python_for(self, definition: Mapping[str, Any], log: Log, also: Sequence[str] = ()) -> Path:
        """Return the Python to run a step with.

        Args:
            definition: The environment of the step's run configuration.
            log: Is told what was chosen or built.
            also: Requirements beyond the declared ones.

        Raises:
            EnvironmentBuildError: It cannot be had; says why.
        """

    def variables(self) -> dict[str, str]:
        """Return the environment variables that a step takes over from the service."""


@dataclass(frozen=True)
class CallerEnvironment:
    """Every step runs in the service's own environment, whatever it declares."""

    def python_for(self, definition: Mapping[str, Any], log: Log, also: Sequence[str] = ()) -> Path:
        """Return this Python, and say in the log that nothing declared was installed."""
        name = definition.get("name") or "unnamed"
        version = ".".join(map(str, sys.version_info[:3]))
        log(
            f"Environment '{name}' is not built: the step runs in the service's own Python "
            f"{version} ({sys.prefix}). With --isolated the service builds what steps declare."
        )
        return Path(sys.executable)

    def variables(self) -> dict[str, str]:
        """Return the service's own, but for those that say which run this is."""
        return {
            name: value for name, value in os.environ.items() if not name.startswith("AZUREML_")
        }


class IsolatedEnvironments:
    """Each step runs in the environment that it declares, built once for its content."""

    def __init__(self, folder: Path) -> None:
        """Keep built environments below a folder; what a killed build left there is removed."""
        self._folder = folder
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        for draft in folder.glob(_BUILDING.format(pid="*") + "*"):
            if not psutil.pid_exists(int(draft.name.split("-")[1])):
                shutil.rmtree(draft, ignore_errors=True)

    def python_for(self, definition: Mapping[str, Any], log: Log, also: Sequence[str] = ()) -> Path:
        """Return the Python of a declared environment; the first to ask builds it, others wait.

        Args:
            definition: The environment of the step's run configuration.
            log: Is told what was built, with every version.
            also: Requirements beyond the declared ones.

        Raises:
            EnvironmentBuildError: Its Python is not here, or a package cannot be had.
        """
        declared = declared_environment(definition)
        version, interpreter = _interpreter(declared, log)
        key = _content_hash(declared, version, also)
        target = self._folder / key
        with self._lock(key):
            if target.exists():
                log(f"Environment '{declared.name}': built before as {key}, Python {version}")
            else:
                self._build(declared, interpreter, also, target, log)
        return target / "bin" / "python"

    def variables(self) -> dict[str, str]:
        """Return the service's own, but for those that say which run or which Python this is."""
        own = CallerEnvironment().variables()
        return {name: value for name, value in own.items() if name not in _OF_THE_CALLERS_PYTHON}

    def _lock(self, key: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(key, threading.Lock())

    def _build(
        self,
        declared: DeclaredEnvironment,
        interpreter: Path,
        also: Sequence[str],
        target: Path,
        log: Log,
    ) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        log(f"Environment '{declared.name}': building {target.name} with {interpreter}")
        prefix = _BUILDING.format(pid=os.getpid())
        draft = Path(tempfile.mkdtemp(prefix=prefix, dir=self._folder))
        try:
            # relocatable: it is moved to its place once it is whole. Seeded, as conda's have pip
            options = ("--seed", "--relocatable", "--clear", "--python", interpreter)
            _uv(declared, ["venv", *options, draft])
            for requirements in (declared.conda, (*declared.pip, *also)):
                if requirements:
                    log(f"Environment '{declared.name}': {_install(declared, draft, requirements)}")
            _place(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        log(f"Environment '{declared.name}': built in {time.monotonic() - started:.1f} s")


def _place(draft: Path, target: Path) -> None:
    """Move an environment to its place, unless another process was quicker with an equal one."""
    try:
        draft.rename(target)
    except OSError:
        if not target.exists():
            raise


def _interpreter(declared: DeclaredEnvironment, log: Log) -> tuple[str, Path]:
    found = find_python(declared.python)
    if found:
        return found
    found = find_python(any_patch(declared.python))
    wanted = declared.python.removeprefix("==").removesuffix(".*")
    if found:
        log(f"Environment '{declared.name}': takes Python {found[0]}, for there is no {wanted}")
        return found
    raise EnvironmentBuildError(
        f"Environment '{declared.name}' declares Python {wanted}, which is not on this machine "
        f"(there is: {', '.join(versions())}); "
        f"install it, for example with: uv python install {wanted}"
    )


def _content_hash(declared: DeclaredEnvironment, version: str, also: Sequence[str]) -> str:
    content = json.dumps([version, declared.conda, declared.pip, list(also)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _install(declared: DeclaredEnvironment, environment: Path, requirements: Sequence[str]) -> str:
    """Install requirements, and say what was installed."""
    listing = environment / "requirements.txt"
    listing.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    said = _uv(declared, ["pip", "install", "--python", environment, "--requirements", listing])
    return "installed " + ", ".join(re.findall(r"^ \+ (\S+)", said, re.MULTILINE))


def _uv(declared: DeclaredEnvironment, arguments: Sequence[str | Path]) -> str:
    from uv import find_uv_bin  # noqa: PLC0415  (needed with --isolated only)

    command = [find_uv_bin(), "--no-progress", "--color", "never", *map(str, arguments)]
    done = subprocess.run(
        # away from any project, whose settings uv would read
        command,
        cwd=tempfile.gettempdir(),
        env=_variables_for_uv(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EnvironmentBuildError(
            f"Environment '{declared.name}' cannot be built: {_reason(done.stderr, declared)}"
        )
    return done.stderr


def _variables_for_uv() -> dict[str, str]:
    """Return this process's variables; a loopback that it is led to would refuse PyPI."""
    proxy = os.environ.get("HTTPS_PROXY", "")
    led = bool(proxy) and os.environ.get("MSI_ENDPOINT", "").startswith(f"{proxy}/msi/")
    return {
        name: value
        for name, value in os.environ.items()
        if not (led and name.upper() in _TO_A_LOOPBACK)
    }


def _reason(said: str, declared: DeclaredEnvironment) -> str:
    """Return why uv failed, in one line that begins with the package's name where there is one."""
    text = " ".join(said.split()).partition("error: ")[2]
    missing = _MISSING.search(text)
    if missing is None:
        return text
    name = missing[1]
    section = "conda" if any(line.startswith(name) for line in declared.conda) else "pip"
    remedy = {
        "conda": "here conda's packages are taken from PyPI: name one that is there",
        "pip": "correct its name, or add the index that has it",
    }[section]
    return f"package '{name}' of its {section} section is not on PyPI; {remedy}"
