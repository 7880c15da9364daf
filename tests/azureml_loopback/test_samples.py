"""Whole scripts, as Azure's users write them, run unchanged against the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parent / "samples"
TITANIC = Path(__file__).parents[2] / "data" / "01_raw" / "titanic.csv"


def test_the_how_tos_own_code(loopback: Any, tmp_path: Path) -> None:
    done = loopback.run(SAMPLES / "how_to.py", str(TITANIC), cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "TitanicSurvivalInitial version 1; run Finished" in done.stdout
    assert "Registered version 1 of model TitanicSurvivalInitial" in done.stdout, done.stdout


@pytest.mark.parametrize(
    "name",
    [
        "getting_started",
        "datasets_and_outputs",
        "publish_and_trigger",
        "experiment_run",
        "script_run",
        "failing_and_cancelled",
        "manage_runs",
        "modules_and_yaml",
    ],
)
def test_a_sample_script(name: str, loopback: Any, tmp_path: Path) -> None:
    done = loopback.run(SAMPLES / f"{name}.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_a_schedule_fires_by_the_services_clock(loopback: Any, tmp_path: Path) -> None:
    script = loopback.start(SAMPLES / "schedule.py", cwd=tmp_path)
    first = script.stdout.readline()
    while first and not first.startswith("schedule "):
        first = script.stdout.readline()
    loopback.control("POST", "clock", {"seconds": 3601})
    out, err = script.communicate("\n", timeout=120)
    assert script.returncode == 0, first + out + err
