"""What the SDK raises, as one sentence; and patience with what passes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from azureml_deploy.errors import DeployError, ServiceError

T = TypeVar("T")

LONGEST_WAIT = 30.0
"""Seconds between two attempts, at most."""

PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
REFUSED_STATUSES = frozenset({429, 503})
"""Answers that say that nothing was done, so that the same may be asked again."""

_CLIENTS = ("adal", "azure", "azureml", "http", "msal", "msrest", "requests", "urllib3")
_STATUS = re.compile(
    r"(?:Response Code|status code|statusCode|Code)\W{1,3}(\d{3})\b"
    r"|too many (\d{3}) error responses",
    re.IGNORECASE,
)
_HOST = re.compile(r"HTTPS?ConnectionPool\(host='([^']+)'")
_MESSAGE = re.compile(r"\"message\"\s*:\s*\"((?:[^\"\\]|\\.)+)\"")
_LOST = re.compile(
    r"connection (?:aborted|refused|reset|error|broken)|remote end closed|max retries exceeded"
    r"|failed to establish|name or service not known|timed out|unexpected eof",
    re.IGNORECASE,
)

_REMEDIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"quota", re.IGNORECASE),
        "ask for more quota in the Azure portal, or take a smaller vm_size or max_nodes under "
        "compute_targets in azureml.yml",
    ),
    (
        re.compile(
            r"\b401\b|unauthori[sz]ed|authenticat|az login|token (?:has )?expired", re.IGNORECASE
        ),
        "sign in again (az login), or see workspace.auth in azureml.yml",
    ),
    (
        re.compile(r"\b403\b|forbidden|not authori[sz]ed", re.IGNORECASE),
        "ask the workspace's owner for the role AzureML Data Scientist",
    ),
    (
        re.compile(r"\b429\b|too many requests", re.IGNORECASE),
        "the service asks for less at a time: try again in some minutes",
    ),
    (
        re.compile(r"\b50[0234]\b"),
        "the service has a trouble of its own: try again later",
    ),
)


@dataclass(frozen=True)
class Patience:
    """How long to go on asking a service that does not answer.

    Attributes:
        seconds: From the first failure to the last attempt.
        tell: Told of each failure that is waited for.
        sleep: Waits; replaced in tests.
    """

    seconds: float = 300.0
    tell: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep

    def ask(
        self,
        what: str,
        question: Callable[..., T],
        *arguments: Any,
        repeatable: bool = True,
        **options: Any,
    ) -> T:
        """Return an answer, asking again while only a passing failure is in the way.

        Args:
            what: What is being done, as the subject of a sentence: ``Opening the workspace``.
            question: The request; called with the arguments and options.
            arguments: Its arguments.
            repeatable: Whether doing it twice does no harm. Otherwise it is repeated only where
                the service said that it refused it.
            options: Its keyword arguments.

        Raises:
            ServiceError: It failed for good, or for longer than there is patience.
        """
        wait, waited = 1.0, 0.0
        while True:
            try:
                with one_sentence(what):
                    return question(*arguments, **options)
            except ServiceError as error:
                if waited >= self.seconds or not _passes(error.__cause__, repeatable):
                    raise
                self.tell(f"{error}. Trying again in {wait:.0f} s")
            self.sleep(wait)
            waited += wait
            wait = min(2 * wait, LONGEST_WAIT)


@contextmanager
def one_sentence(what: str) -> Iterator[None]:
    """Turn what the SDK raises into what failed, why, and what to do.

    Args:
        what: What is being done, as the subject of a sentence.

    Raises:
        ServiceError: In the place of an error of the SDK or a package that it talks through.
    """
    try:
        yield
    except DeployError:
        raise
    except Exception as error:
        if not _is_the_services(error):
            raise
        raise ServiceError(_sentence(what, error)) from error


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status that an error, or one that led to it, carries or tells of."""
    for found in _chain(error):
        for holder in (found, getattr(found, "response", None)):
            status = getattr(holder, "status_code", None)
            if isinstance(status, int):
                return status
        match = _STATUS.search(_text(found))
        if match:
            return int(match[1] or match[2])
    return None


def is_lost_connection(error: BaseException | None) -> bool:
    """Say whether there was no answer at all."""
    return any(
        isinstance(found, ConnectionError | TimeoutError) or bool(_LOST.search(_text(found)))
        for found in _chain(error)
    )


def _passes(error: BaseException | None, repeatable: bool) -> bool:
    status = status_of(error)
    if not repeatable:
        return status in REFUSED_STATUSES
    return status in PASSING_STATUSES or (status is None and is_lost_connection(error))


def _sentence(what: str, error: BaseException) -> str:
    status = status_of(error)
    why = _message(error)
    if status and str(status) not in why:
        why = f"{why} (HTTP {status})"
    remedy = _remedy(error, f"{status} {why} {type(error).__name__}")
    return f"{what} failed: {why}" + (f"; {remedy}" if remedy else "")


def _remedy(error: BaseException, signs: str) -> str:
    if status_of(error) is None and is_lost_connection(error):
        return "see whether this machine has a connection, and try again"
    return next((remedy for sign, remedy in _REMEDIES if sign.search(signs)), "")


def _message(error: BaseException) -> str:
    """Return the service's own words, out of the many lines that the SDK puts around them."""
    for found in _chain(error):
        for body in (getattr(getattr(found, "response", None), "text", None), _text(found)):
            match = _MESSAGE.search(body) if isinstance(body, str) else None
            if match:
                return match[1].encode().decode("unicode_escape", errors="replace")
        host = _HOST.search(_text(found))
        if host:
            status = status_of(error)
            return f"{host[1]} " + (f"answers {status} each time" if status else "does not answer")
    lines = [line.strip() for line in _text(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _text(error: Any) -> str:
    # AzureMLException's own text is several paragraphs around its message
    message = getattr(error, "message", None)
    return message if isinstance(message, str) and message else str(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it, however each package keeps that."""
    seen: list[BaseException] = []
    pending = [error]
    while pending:
        found = pending.pop()
        if not isinstance(found, BaseException) or found in seen:
            continue
        seen.append(found)
        yield found
        inner = (getattr(found, "inner_exception", None), found.__cause__, found.__context__)
        pending.extend(reversed(inner))


def _is_the_services(error: BaseException) -> bool:
    """Tell a failure of the service, or of the way to it, from a mistake in this package."""
    owner = type(error).__module__.partition(".")[0]
    # the SDK also raises bare Exceptions, and its data reader errors of an extension module
    return owner in _CLIENTS or type(error) is Exception or isinstance(error, ConnectionError)
