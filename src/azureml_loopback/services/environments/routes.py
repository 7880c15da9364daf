"""Environments: register, get by version or label, list, and what their image would be."""

from __future__ import annotations

from typing import Any

from azureml_loopback.errors import BadRequest, NotImplementedHere
from azureml_loopback.paging import PAGE, page
from azureml_loopback.routing import Answer, Call, Routes
from azureml_loopback.services.environments import state

routes = Routes("/environment/v1.0/{scope}/environments")
build_routes = Routes("/environment/v2.0/{scope}/environments")
services = [routes, build_routes]

_FIELDS = {
    "name": "name",
    "version": "version",
    "python": "python",
    "environmentvariables": "environmentVariables",
    "docker": "docker",
    "spark": "spark",
    "r": "r",
    "inferencingstackversion": "inferencingStackVersion",
}
"""Lower-cased, as the service takes a definition's fields -> as it writes them."""


@routes.get("", "/", query=("continuation",))
def list_environments(call: Call) -> dict[str, Any]:
    """List environments in their latest versions."""
    part = page(state.environments(call.loopback.store), PAGE, call.query.get("continuation"))
    return {"value": list(part.values), "continuationToken": part.token}


@routes.get("{name}", "{name}/versions/{version}")
def get_environment(call: Call) -> dict[str, Any]:
    """Return an environment."""
    return _asked(call)


@routes.get("{name}/labels/{label}")
def labelled_environment(call: Call) -> dict[str, Any]:
    """Return the version that a label is on."""
    return state.labelled(call.loopback.store, call.parts["name"], call.parts["label"])


@routes.put("{name}", "{name}/versions/{version}")
def register(call: Call) -> dict[str, Any]:
    """Register an environment; without a version, a new one if it changed."""
    name, version = call.parts["name"], call.parts.get("version")
    return state.register(call.loopback.store, name, _definition(call), version)


@routes.put("{name}/versions/{version}/metadata")
def set_labels(call: Call) -> Answer:
    """Put labels on a version."""
    sent = call.object()
    labels = sent.get("Labels")
    if set(sent) != {"Labels"} or not isinstance(labels, list):
        raise NotImplementedHere("Of an environment's metadata only Labels, a list, is implemented")
    state.set_labels(call.loopback.store, call.parts["name"], call.parts["version"], labels)
    return Answer(status=200)


@routes.get("{name}/image", "{name}/versions/{version}/image")
def image_details(call: Call) -> dict[str, Any]:
    """Say what an environment's image would be; none is ever built."""
    environment = _asked(call)
    image = f"azureml_{state.fingerprint(environment)}"
    docker = environment.get("docker") or {}
    base = docker.get("baseDockerfile") or f"FROM {docker.get('baseImage')}\n"
    return {
        "imageExistsInRegistry": False,
        "dockerImage": {
            "name": f"azureml/{image}",
            "registry": {"address": None, "username": None, "password": None},
        },
        "pythonEnvironment": {
            "interpreterPath": f"/azureml-envs/{image}/bin/python",
            "condaEnvironmentName": image,
            "condaEnvironmentPath": f"/azureml-envs/{image}",
        },
        "ingredients": {"dockerfile": base},
    }


@build_routes.post(
    "{name}/image",
    "{name}/versions/{version}/image",
    "{name}/imageoncompute/{compute}",
    "{name}/versions/{version}/imageoncompute/{compute}",
)
def build_image(call: Call) -> None:
    """Refuse: nothing here runs images."""
    _asked(call)
    raise NotImplementedHere(
        "Docker images are not built here; a service started with --isolated builds the Python "
        "environment that a step declares when the step runs"
    )


def _asked(call: Call) -> dict[str, Any]:
    return state.get(call.loopback.store, call.parts["name"], call.parts.get("version"))


def _definition(call: Call) -> dict[str, Any]:
    """Return what was sent, with the names that the client reads; it writes some in capitals."""
    sent = call.object()
    unknown = sorted(field for field in sent if field.lower() not in _FIELDS)
    if unknown:
        raise NotImplementedHere(f"An environment's {', '.join(unknown)} is not implemented")
    if not isinstance(sent.get("python"), dict):
        raise BadRequest("An environment needs a python section")
    return {_FIELDS[field.lower()]: value for field, value in sent.items()}
