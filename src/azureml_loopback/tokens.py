"""Bearer tokens: issued here, and nothing else is accepted."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt

from azureml_loopback.errors import Unauthorized
from azureml_loopback.identity import Identity

_ALGORITHM = "HS256"
AUDIENCE = "https://management.azure.com/"
LIFETIME = 24 * 3600.0
"""Seconds that a token is good for, as a managed identity's."""


@dataclass(frozen=True)
class Tokens:
    """Issues and checks tokens signed with the service's own secret.

    Expiry is judged by the machine's time, as clients do, and not by the service's clock.
    """

    identity: Identity
    secret: str

    def issue(self, principal: str = "user", audience: str = AUDIENCE) -> str:
        """Return a token for ``user``, or for a step as ``run:ID``."""
        now = time.time()
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.identity.tenant_id}/",
            "iat": int(now),
            "nbf": int(now) - 60,
            "exp": int(now + LIFETIME),
            "tid": self.identity.tenant_id,
            "oid": self.identity.user_id,
            "upn": self.identity.user_name,
            "name": self.identity.user_name,
            "sub": principal,
        }
        return jwt.encode(claims, self.secret, algorithm=_ALGORITHM)

    def principal(self, authorization: str | None) -> str:
        """Return who an ``Authorization`` header speaks for.

        Raises:
            Unauthorized: There is none, or it is not ours, or it has expired.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("The request has no bearer token")
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self.secret, algorithms=[_ALGORITHM], options={"verify_aud": False}
            )
        except jwt.InvalidTokenError as error:
            raise Unauthorized(f"The bearer token is not valid here: {error}") from None
        return str(claims.get("sub", ""))


def new_secret() -> str:
    """Return a secret for signing tokens and for the token endpoint's address."""
    return secrets.token_urlsafe(32)


def page_key(secret: str) -> str:
    """Return what opens the page: it shows all and changes nothing, and no token comes of it."""
    return hmac.new(secret.encode(), b"page", "sha256").hexdigest()


def same(one: str, other: str) -> bool:
    """Compare secrets in a time that tells nothing."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
