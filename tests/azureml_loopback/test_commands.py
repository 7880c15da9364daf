"""``python -m azureml_loopback``: a service's whole life by its commands."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest


def command(home: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azureml_loopback", "--home", str(home), *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path):
    yield tmp_path / "home"
    command(tmp_path / "home", "stop", cwd=tmp_path)


def test_start_status_env_config_run_stop_reset(home: Path, tmp_path: Path) -> None:
    assert command(home, "status", cwd=tmp_path).returncode == 1
    refused = command(home, "env", cwd=tmp_path)
    assert refused.returncode == 1
    assert "start it with: python -m azureml_loopback start" in refused.stderr

    started = command(home, "start", cwd=tmp_path)
    assert started.returncode == 0, started.stderr
    assert "http://127.0.0.1:" in started.stdout
    assert stat.S_IMODE((home / "authority.key").stat().st_mode) == 0o600
    pid = json.loads((home / "server.json").read_text())["pid"]
    assert command(home, "start", cwd=tmp_path).returncode == 0
    assert json.loads((home / "server.json").read_text())["pid"] == pid
    assert f"process {pid}" in command(home, "status", cwd=tmp_path).stdout

    variables = json.loads(command(home, "env", "--json", cwd=tmp_path).stdout)
    assert set(variables) == {
        "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy",
        "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "MSI_ENDPOINT", "AZUREML_DATASET_HTTP_RETRY_COUNT",
    }  # fmt: skip
    exports = command(home, "env", cwd=tmp_path).stdout.splitlines()
    assert sorted(line.split("=")[0] for line in exports) == sorted(
        f"export {n}" for n in variables
    )
    command(home, "config", "there", cwd=tmp_path)
    assert json.loads((tmp_path / "there" / "config.json").read_text())["workspace_name"]

    code = "import os, sys; print(os.environ['HTTPS_PROXY'], sys.argv[1:]); sys.exit(3)"
    ran = command(home, "run", "--", sys.executable, "-c", code, "--flag", "a b", cwd=tmp_path)
    assert ran.returncode == 3
    assert f"{variables['HTTPS_PROXY']} ['--flag', 'a b']" in ran.stdout
    assert (tmp_path / ".azureml" / "config.json").exists()
    missing = command(home, "run", "--", "no-such-program", cwd=tmp_path)
    assert (missing.returncode, missing.stderr.splitlines()[-1]) == (
        2, "Error: there is no command 'no-such-program'",
    )  # fmt: skip

    assert command(home, "stop", cwd=tmp_path).stdout == "Stopped.\n"
    assert command(home, "reset", cwd=tmp_path).returncode == 0
    assert not (home / "loopback.db").exists()


def test_other_options_start_it_anew_on_its_port(home: Path, tmp_path: Path) -> None:
    command(home, "start", cwd=tmp_path)
    before = json.loads((home / "server.json").read_text())
    command(home, "start", "--isolated", cwd=tmp_path)
    isolated = json.loads((home / "server.json").read_text())
    assert isolated["pid"] != before["pid"]
    assert isolated["port"] == before["port"]
    command(home, "start", cwd=tmp_path)
    assert json.loads((home / "server.json").read_text()) == isolated
