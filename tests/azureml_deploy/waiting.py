"""Waiting for a service that works in the background, without the SDK's long pauses."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def eventually(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for something to be true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"it did not happen in {seconds} s")


def completed(run: Any, seconds: float = 120) -> Any:
    """Wait for a pipeline's run to end, and demand that it ended well."""
    ends = ("Finished", "Completed", "Failed", "Canceled")
    status = eventually(lambda: next((s for s in ends if run.get_status() == s), None), seconds)
    assert status in {"Finished", "Completed"}, status
    return run
