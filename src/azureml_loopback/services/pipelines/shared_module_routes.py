"""Modules that are shared by name, and their versions, over HTTP."""

from __future__ import annotations

from typing import Any

from azureml_loopback import wire
from azureml_loopback.routing import Call, Routes
from azureml_loopback.services.pipelines import shared_modules
from azureml_loopback.services.pipelines.entity_routes import refuse_other_kinds

routes = Routes("/pipelines/v1.0/{scope}")

_MODULE, _VERSION = "aeva.AzureMLModule", "aeva.AzureMLModuleVersion"


@routes.post("AzureMLModules")
def create(call: Call) -> Any:
    """Make a module without versions."""
    info = wire.check("aeva.AzureMLModuleCreationInfo", call.object())
    return wire.answer(_MODULE, shared_modules.create(call.loopback.store, info))


@routes.get("AzureMLModules/{module}")
def get(call: Call) -> Any:
    """Return a module."""
    return wire.answer(_MODULE, shared_modules.get(call.loopback.store, call.parts["module"]))


@routes.get("AzureMLModules/Name", query=("name",))
def by_name(call: Call) -> Any:
    """Return a module by its name."""
    found = shared_modules.named(call.loopback.store, call.query.get("name", ""))
    return wire.answer(_MODULE, found)


@routes.put("AzureMLModules/{module}")
def update(call: Call) -> Any:
    """Change a module."""
    updated = wire.check(_MODULE, call.object())
    changed = shared_modules.update(call.loopback.store, call.parts["module"], updated)
    return wire.answer(_MODULE, changed)


@routes.post("AzureMLModuleVersions")
def create_version(call: Call) -> Any:
    """Add a version to a module."""
    info = wire.check("aeva.AzureMLModuleVersionCreationInfo", call.object())
    refuse_other_kinds(info)
    return wire.answer(_VERSION, shared_modules.create_version(call.loopback.store, info))


@routes.get("AzureMLModuleVersions/{version}")
def version(call: Call) -> Any:
    """Return a version."""
    found = shared_modules.get_version(call.loopback.store, call.parts["version"])
    return wire.answer(_VERSION, found)


@routes.put("AzureMLModuleVersions/{version}")
def update_version(call: Call) -> Any:
    """Change a version."""
    updated = wire.check(_VERSION, call.object())
    store, version_id = call.loopback.store, call.parts["version"]
    return wire.answer(_VERSION, shared_modules.update_version(store, version_id, updated))
