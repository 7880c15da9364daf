"""One running service for all tests in here, and the real SDK led to it."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from azureml_loopback import coverage, processes
from azureml_loopback.home import Home, client_environment, workspace_config
from azureml_loopback.identity import Identity

# pytest runs with --import-mode=importlib, which finds no helper modules beside a test
sys.path.append(str(Path(__file__).parent))

SDK_QUIET = {"DO_NOT_TRACK": "1", "AZUREML_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        home: Its folder.
        port: The proxy's, on 127.0.0.1.
        environment: The variables that lead the SDK to it.
    """

    home: Home
    port: int
    environment: dict[str, str]

    def run(
        self, script: str | Path, *arguments: str, cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run a script, or code, in a process of its own beside a config.json."""
        process = self.start(script, *arguments, cwd=cwd)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def start(self, script: str | Path, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
        """Start a script, or code, in a process of its own beside a config.json."""
        write_config(cwd)
        code = ["-c", script] if isinstance(script, str) else [str(script)]
        return subprocess.Popen(
            [sys.executable, *code, *arguments],
            cwd=cwd,
            env={**os.environ, **SDK_QUIET, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def client(self, **headers: str) -> httpx.Client:
        """Return an HTTP client that goes through the proxy and trusts its authority."""
        context = ssl.create_default_context(cafile=str(self.home.authority_file))
        return httpx.Client(
            proxy=f"http://127.0.0.1:{self.port}", verify=context, headers=headers, trust_env=False
        )

    def token(self) -> str:
        """Return a bearer token, as the SDK gets one."""
        answer = httpx.post(
            self.environment["MSI_ENDPOINT"], data={"resource": "x"}, trust_env=False
        )
        return str(answer.json()["access_token"])

    def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Ask the service itself: ``clock``, ``faults``."""
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.port}/loopback/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token()}"},
            trust_env=False,
        )

    def kill(self) -> None:
        """End it at once, as `kill -9` does; Azurite lives on until the next start."""
        server = self.home.server()
        assert server is not None
        process = psutil.Process(server["pid"])
        process.kill()
        process.wait()

    def requests(self) -> list[dict[str, Any]]:
        """Return what was asked of the service so far."""
        return [json.loads(line) for line in self.home.request_log.read_text().splitlines()]


def write_config(folder: Path) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(dict(workspace_config(Identity()))))
    return path


def start_service(folder: Path, *options: str) -> Service:
    home = Home(folder)
    found = processes.start(home, options)
    RECORDER.logs.add(home.request_log)
    return Service(home, found["port"], client_environment(home, found["port"]))


@pytest.fixture(scope="package")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service that the tests share; this process's SDK is led to it while they run."""
    service = start_service(tmp_path_factory.mktemp("loopback"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SDK_QUIET, **service.environment}.items():
            patch.setenv(name, value)
        yield service
    processes.stop(service.home)


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service of the test's own, with options; again after a stop, on the same folder."""
    yield lambda *options: start_service(tmp_path / "home", *options)
    processes.stop(Home(tmp_path / "home"))


@pytest.fixture(scope="package")
def workspace(loopback: Service, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The workspace, by the SDK's own `Workspace.from_config`."""
    from azureml.core import Workspace

    return Workspace.from_config(str(write_config(tmp_path_factory.mktemp("config"))))


@dataclass
class Recorder:
    """Which operations were answered with success while tests ran that passed."""

    logs: set[Path] = field(default_factory=set)
    requests: list[dict[str, Any]] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    _sizes: dict[Path, int] = field(default_factory=dict)

    def begin(self, test: str) -> None:
        self.begun.add(test)
        self._sizes = {log: log.stat().st_size for log in self.logs if log.exists()}

    def keep(self) -> None:
        for log in filter(Path.exists, self.logs):
            with log.open("rb") as file:
                file.seek(self._sizes.get(log, 0))
                self.requests += map(json.loads, file.read().splitlines())

    def operations(self) -> set[str]:
        own = coverage.service_operations()
        return coverage.seen(self.requests, coverage.sdk_operations(), own)


RECORDER = Recorder()
SEEN_CACHE = "azureml_loopback/operations_seen"
LAST = "test_no_tick_without_a_passed_test"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    RECORDER.begin(item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    report = yield
    if report.when == "call" and report.passed:
        RECORDER.keep()
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == LAST)


@pytest.fixture
def operations_seen(request: pytest.FixtureRequest) -> set[str]:
    """What the passed tests of this session saw answered; only where all of the package ran."""
    config = request.config
    here = Path(__file__).parent
    package = [item for item in request.session.items if item.path.parent == here]
    if not set(here.glob("test_*.py")) <= {item.path for item in package}:
        pytest.skip("only part of the package runs")
    if config.option.keyword or config.option.markexpr or any("::" in arg for arg in config.args):
        pytest.skip("only some of the tests run")
    if not {item.nodeid for item in package} <= RECORDER.begun:
        pytest.skip("the package's tests run in several processes; with -n 0 they run in one")
    operations = RECORDER.operations()
    assert config.cache is not None
    config.cache.set(SEEN_CACHE, sorted(operations))
    return operations
