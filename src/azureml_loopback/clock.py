"""The service's time and identifiers, injected so that tests can set both."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

Ids = Callable[[], str]
"""Makes a new identifier."""


def new_id() -> str:
    """Return a random identifier, as Azure has them."""
    return str(uuid.uuid4())


class Clock:
    """The machine's time, plus what it was advanced by."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        """Take the seconds since the epoch from ``source``."""
        self._source = source
        self._offset = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time in UTC."""
        with self._lock:
            return datetime.fromtimestamp(self._source() + self._offset, tz=timezone.utc)

    def text(self) -> str:
        """Return the time as the services write it."""
        return as_text(self.now())

    def advance(self, by: timedelta) -> None:
        """Move the service's time forward.

        Raises:
            ValueError: ``by`` is negative.
        """
        if by < timedelta(0):
            raise ValueError("time goes forward only")
        with self._lock:
            self._offset += by.total_seconds()


def as_text(time_: datetime) -> str:
    """Write a time as the services do: UTC, microseconds, ``+00:00``."""
    return time_.astimezone(timezone.utc).isoformat(timespec="microseconds")
