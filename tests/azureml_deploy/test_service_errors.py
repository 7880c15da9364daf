"""What the SDK raises as one sentence, and patience: the SDK's own exceptions, and no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from azureml_deploy.errors import ConfigError, ServiceError
from azureml_deploy.service_errors import Patience, one_sentence, status_of

pytest.importorskip("azureml.core", reason="needs the azureml extra")

import requests
from azureml.exceptions import AuthenticationException, ComputeTargetException, UserErrorException
from msrest.exceptions import ClientRequestError, HttpOperationError


def answer(status: int, text: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = text.encode()
    return response


def refused(status: int, text: str = "") -> HttpOperationError:
    def no_model(*_: Any) -> Any:
        raise ValueError

    return HttpOperationError(no_model, answer(status, text))


QUOTA = ComputeTargetException(
    "Received bad response from Resource Provider:\nResponse Code: 400\nHeaders: {}\n"
    'Content: b\'{"error": {"code": "QuotaExceeded", "message": "Quota of Dv2 is 0 of 4 cores"}}\''
)

POOL = requests.ConnectionError(
    "HTTPSConnectionPool(host='ml.azure.com', port=443): Max retries exceeded with url: /a?b "
    "(Caused by ProxyError('Unable to connect to proxy', RemoteDisconnected('Remote end closed')))"
)
BUSY = requests.exceptions.RetryError(
    "HTTPSConnectionPool(host='ml.azure.com', port=443): Max retries exceeded with url: /a?b "
    "(Caused by ResponseError('too many 503 error responses'))"
)


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (QUOTA, ["Trying failed: Quota of Dv2 is 0 of 4 cores", "HTTP 400", "ask for more quota"]),
        (AuthenticationException("Token expired.\nMore text."), ["Token expired;", "az login"]),
        (UserErrorException("No such thing"), ["Trying failed: No such thing"]),
        (refused(403, '{"error": {"message": "Not yours"}}'), ["Not yours", "the role"]),
        (refused(429), ["429", "try again in some minutes"]),
        (requests.ConnectionError("Max retries exceeded"), ["has a connection"]),
        (POOL, ["Trying failed: ml.azure.com does not answer; see whether"]),
        (BUSY, ["Trying failed: ml.azure.com answers 503 each time; the service has a trouble"]),
        (ClientRequestError("Error", requests.ConnectTimeout("timed out")), ["has a connection"]),
        (Exception("Expected type of the pipeline parameter"), ["Expected type of the pipeline"]),
    ],
)
def test_one_sentence_with_the_remedy(error: Exception, parts: list[str]) -> None:
    with pytest.raises(ServiceError) as caught, one_sentence("Trying"):
        raise error
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("error", [KeyError("ours"), ConfigError("ours")])
def test_mistakes_of_this_package_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, one_sentence("Trying"):
        raise error
    assert caught.value is error


def test_the_status_is_found_wherever_the_sdk_hid_it() -> None:
    assert status_of(QUOTA) == 400
    wrapped = UserErrorException("Something", inner_exception=refused(429))
    assert status_of(wrapped) == 429
    assert status_of(ValueError("HTTP no status")) is None


class Service:
    """Fails as it is told to, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors: Iterator[Exception] = iter(errors)
        self.asked = 0

    def __call__(self, question: str) -> str:
        self.asked += 1
        error = next(self._errors, None)
        if error is not None:
            raise error
        return question


def patience(waits: list[float], told: list[str], seconds: float = 100) -> Patience:
    return Patience(seconds, tell=told.append, sleep=waits.append)


def test_what_passes_is_waited_for_longer_and_longer() -> None:
    waits: list[float] = []
    told: list[str] = []
    lost = requests.ConnectionError("Connection aborted.")
    service = Service(refused(429), refused(503), lost, refused(500))
    assert patience(waits, told).ask("Asking", service, "hello") == "hello"
    assert waits == [1, 2, 4, 8]
    assert told[0].startswith("Asking failed: ")
    assert told[0].endswith("Trying again in 1 s")


def test_patience_ends() -> None:
    waits: list[float] = []
    service = Service(*[refused(503)] * 99)
    with pytest.raises(ServiceError, match="Asking failed"):
        patience(waits, [], seconds=100).ask("Asking", service, "hello")
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize("error", [refused(404), refused(401), refused(400)])
def test_what_does_not_pass_is_told_at_once(error: Exception) -> None:
    waits: list[float] = []
    with pytest.raises(ServiceError):
        patience(waits, []).ask("Asking", Service(error), "hello")
    assert waits == []


def test_what_must_not_be_done_twice_is_repeated_only_if_it_was_refused() -> None:
    waits: list[float] = []
    service = Service(refused(429), requests.ConnectionError("Connection aborted."))
    with pytest.raises(ServiceError, match="Connection aborted"):
        patience(waits, []).ask("Submitting", service, "hello", repeatable=False)
    assert (service.asked, waits) == (2, [1])
