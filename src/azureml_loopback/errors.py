"""Errors that become answers, in the shape that Azure's clients read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """An answer other than success.

    Attributes:
        status: HTTP status.
        code: Azure's code, such as ``UserError`` or ``NotFound``.
        details: What else the answer's ``error`` holds.
        headers: Of the answer.
    """

    status = 400
    code = "UserError"
    headers: Mapping[str, str] = {}

    def __init__(self, message: str, code: str | None = None, **details: Any) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.code = code or self.code
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the JSON that msrest's clients and azure-core's both understand."""
        # without a list of details the SDK's own exception cannot be printed
        error = {"code": self.code, "message": str(self), "details": [], **self.details}
        # the pipelines' client reads names that begin with a capital, and the others none of them
        capital = {"Code": self.code, "Message": str(self)}
        # and HyperDrive's reads a number; it is what the others leave aside
        plain = {"code": self.status, "message": str(self), "statusCode": self.status}
        return {"error": error, "Error": capital, **plain}


class BadRequest(ServiceError):
    """The request makes no sense."""


class Unauthorized(ServiceError):
    """No token or signature that this service issued."""

    status = 401
    code = "Unauthorized"


class Forbidden(ServiceError):
    """Asked for what is not this workspace's."""

    status = 403
    code = "Forbidden"


class NotFound(ServiceError):
    """There is no such thing. Never said of a route or a field that is not implemented."""

    status = 404
    code = "NotFound"


class Conflict(ServiceError):
    """It exists already, or is in a state that forbids this."""

    status = 409
    code = "Conflict"


class TooLarge(ServiceError):
    """The body is larger than this service takes."""

    status = 413
    code = "RequestEntityTooLarge"


class NotImplementedHere(ServiceError):
    """Azure may know it; this service does not, and says so by name."""

    status = 501
    code = "NotImplemented"
