"""Sign-in over HTTP: where to ask for a token, and that none is given there."""

from __future__ import annotations

from typing import Any

from azureml_loopback.routing import Answer, Call, Routes

routes = Routes("/{tenant}")


_CONFIGURATION = "v2.0/.well-known/openid-configuration"


@routes.get(_CONFIGURATION, open_=True)
def configuration(call: Call) -> dict[str, str]:
    """Tell only addresses; a client that gets none asks whether the tenant is right."""
    place = f"https://{call.host}/{call.parts['tenant']}"
    return {
        "issuer": f"{place}/v2.0",
        "authorization_endpoint": f"{place}/oauth2/v2.0/authorize",
        "token_endpoint": f"{place}/oauth2/v2.0/token",
    }


@routes.get("discovery/instance", query=("authorization_endpoint",), open_=True)
def instance(call: Call) -> dict[str, Any]:
    """Tell the one name of the one host."""
    names = {"preferred_network": call.host, "preferred_cache": call.host, "aliases": [call.host]}
    address = f"https://{call.host}/{call.parts['tenant']}/{_CONFIGURATION}"
    return {"tenant_discovery_endpoint": address, "metadata": [names]}


@routes.post("oauth2/v2.0/token", open_=True)
def token(call: Call) -> Answer:
    """Refuse every secret and say what works, in the words of OAuth, which clients print."""
    refusal: dict[str, Any] = {
        "error": "unauthorized_client",
        "error_description": (
            "Signing in by a service principal is not implemented by the loopback service: leave "
            "auth out, or use InteractiveLoginAuthentication or MsiAuthentication"
        ),
    }
    return Answer(refusal, 400)
