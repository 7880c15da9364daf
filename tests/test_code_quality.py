"""What the reader of a change would check by hand: format, lint, types, and who imports whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


COMMANDS = ["ruff check .", "ruff format --check .", "lint-imports --no-cache"]
if sys.version_info >= (3, 11):  # the types of Python 3.10's last numpy and pandas are older
    COMMANDS.append("mypy")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_code_keeps_its_rules(command: str) -> None:
    name, *arguments = command.split()
    check = subprocess.run(
        [BIN / name, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr
