"""One running service for all tests in here, and the real SDK led to it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from azureml_loopback import coverage, processes
from azureml_loopback.home import Home

# pytest runs with --import-mode=importlib, which finds no helper modules beside a test
sys.path.append(str(Path(__file__).parent))

from running_service import REQUEST_LOGS, SDK_QUIET, Service, start_service, write_config


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

    requests: list[dict[str, Any]] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    _sizes: dict[Path, int] = field(default_factory=dict)

    def begin(self, test: str) -> None:
        self.begun.add(test)
        self._sizes = {log: log.stat().st_size for log in REQUEST_LOGS if log.exists()}

    def keep(self) -> None:
        for log in filter(Path.exists, REQUEST_LOGS):
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
