"""A step's log reaches who follows it: while it runs, to its last line, and step after step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pipeline_samples import Bench, printed, steps, wait


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench.of(workspace, tmp_path, request.node)


def test_logs_are_there_while_they_are_written(bench: Bench) -> None:
    code = """
    import sys, time, pathlib
    print('first line')
    while not pathlib.Path(sys.argv[1]).exists():
        time.sleep(0.05)
    print('last line')
    """
    go_on = bench.folder / "go_on"
    run = bench.submit([bench.step("talk", code, arguments=[str(go_on)])])
    wait(run, "Running")
    deadline = 100
    while not (steps(run) and "first line" in printed(run, "talk")):
        deadline -= 1
        assert deadline, "the log does not come"
    assert "last line" not in printed(run, "talk")
    go_on.touch()
    assert wait(run) == "Finished"
    assert "last line" in printed(run, "talk")


def test_waiting_shows_the_script_s_output(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import time; print('streamed'); time.sleep(1.5); print('to the end')"
    run = bench.submit([bench.step("talk", code)])
    assert run.wait_for_completion(show_output=True) == "Finished"
    out = capsys.readouterr().out
    assert "Streaming azureml-logs/70_driver_log.txt" in out
    assert "\nstreamed\nto the end\n" in out


def test_quick_steps_that_follow_one_another_are_all_shown(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    first = bench.step("first", "import time; time.sleep(1.5); print('said first')")
    second, third = (bench.step(name, f"print('said {name}')") for name in ("second", "third"))
    second.run_after(first)
    third.run_after(second)
    run = bench.submit([first, second, third])
    assert run.wait_for_completion(show_output=True) == "Finished"
    out = capsys.readouterr().out
    assert [name for name in ("first", "second", "third") if f"\nsaid {name}\n" in out] == [
        "first",
        "second",
        "third",
    ]
