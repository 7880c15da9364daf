"""What goes wrong on purpose: answers, dropped connections, slow blobs, failing steps.

Requests to 127.0.0.1 itself (tokens, faults, the page) are spared.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from azureml_loopback.errors import BadRequest, ServiceError

Kind = Literal["status", "drop", "slow", "fail_step"]
KINDS: tuple[Kind, ...] = ("status", "drop", "slow", "fail_step")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: ``status`` answers with ``value``, ``drop`` closes a connection when its client next
            sends something, ``slow`` lets ``value`` bytes a second through, ``fail_step`` lets a
            step fail before it starts.
        where: A regular expression: of ``VERB PATH`` for status, of the host for drop and slow, of
            the step's name for fail_step.
        value: HTTP status, or bytes a second.
        times: How often; slow has no count.
    """

    kind: Kind
    where: str = ""
    value: int = 0
    times: int = 1


class InjectedFault(ServiceError):
    """An answer that was asked for."""

    code = "InjectedFault"

    def __init__(self, status: int) -> None:
        """Take the status."""
        super().__init__(f"The loopback was told to answer {status} here")
        self.status = status
        if status in {429, 503}:  # Azure says when to come again, and only then clients do
            self.headers = {"Retry-After": "1"}


class Faults:
    """The faults in force; set from outside while the service runs."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Let all be well again."""
        with self._lock:
            self._faults.clear()

    def check_request(self, method: str, path: str) -> None:
        """Answer a request wrongly, if one was asked for.

        Raises:
            InjectedFault: With the fault's status.
        """
        fault = self._take("status", f"{method} {path}")
        if fault is not None:
            raise InjectedFault(fault.value)

    def drops_connection(self, host: str) -> bool:
        """Say whether this connection is to be closed unanswered."""
        return self._take("drop", host) is not None

    def fails_step(self, name: str) -> bool:
        """Say whether this step is to fail."""
        return self._take("fail_step", name) is not None

    def seconds_for(self, size: int, host: str) -> float:
        """Return how long so many bytes take on this host."""
        with self._lock:
            slow = [f for f in self._faults if f.kind == "slow" and re.search(f.where, host)]
        return max((size / fault.value for fault in slow), default=0.0)

    def _take(self, kind: Kind, subject: str) -> Fault | None:
        """Return the first fault that applies, and count it down."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.kind == kind and re.search(fault.where, subject):
                    left = Fault(fault.kind, fault.where, fault.value, fault.times - 1)
                    self._faults[index : index + 1] = [left] if left.times > 0 else []
                    return fault
        return None


def fault_from_json(values: Mapping[str, Any]) -> Fault:
    """Read a fault.

    Raises:
        BadRequest: It is none; says what is allowed.
    """
    kind = values.get("kind")
    if kind not in KINDS:
        raise BadRequest(f"kind: found {kind!r}, allowed: {', '.join(KINDS)}")
    try:
        fault = Fault(
            kind,
            str(values.get("where", "")),
            int(values.get("value", 0)),
            int(values.get("times", 1)),
        )
        re.compile(fault.where)
    except (TypeError, ValueError, re.error) as error:
        raise BadRequest(f"A fault needs where (a pattern), value and times: {error}") from None
    _check_numbers(fault)
    return fault


def _check_numbers(fault: Fault) -> None:
    if fault.kind == "status" and not 400 <= fault.value <= 599:
        raise BadRequest(f"value: found {fault.value}, allowed for status: 400 to 599")
    if fault.kind == "slow" and fault.value < 1:
        raise BadRequest(f"value: found {fault.value}, allowed for slow: bytes a second, from 1 on")
    if fault.times < 1:
        raise BadRequest(f"times: found {fault.times}, a number from 1 on is allowed")
