"""The project's shape, its two commands, and Kedro's own tools on it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_top_level_is_a_kedro_projects() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    top = {name.partition("/")[0] for name in listed}
    expected = {"conf", "data", "src", "notebooks", "tests", "pyproject.toml", "README.md"}
    assert expected <= top
    extra = {name for name in top - expected if not name.startswith(".")}
    assert extra == {"LICENSE", "constraints.txt"}


def test_pins_and_commits_name_no_registry() -> None:
    pins = (ROOT / "constraints.txt").read_text()
    assert "://" not in pins
    assert re.search(r"^kedro==1\.7\.", pins, re.MULTILINE)


def readme_command(heading: str) -> str:
    section = (ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1]
    return re.search(r"```bash\n(.*?)```", section, re.DOTALL).group(1).strip()  # type: ignore[union-attr]


def test_ci_runs_the_readmes_second_command_literally() -> None:
    command = subprocess.run(
        ["bash", ".ci/run", "--print"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert command == readme_command("Test it")
    assert command.endswith("pytest")
    assert readme_command("Run it").endswith("kedro run")
