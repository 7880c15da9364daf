"""Data types, modules, data sources and graphs over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureml_loopback import wire
from azureml_loopback.errors import NotImplementedHere
from azureml_loopback.routing import Call, Routes
from azureml_loopback.services.pipelines import entities

routes = Routes("/pipelines/v1.0/{scope}")

RUNNABLE = frozenset({"escloud", "AutoMLCloud"})
"""The types of modules that there are runners for."""


@routes.get("DataTypes")
def data_types(call: Call) -> list[Any]:
    """List the data types."""
    return wire.answers("aeva.DataTypeEntity", entities.data_types(call.loopback.store))


@routes.post("DataTypes")
def create_data_type(call: Call) -> Any:
    """Add a data type; the SDK adds the default ones when they are missing."""
    info = wire.check("aeva.DataTypeCreationInfo", call.object())
    created = entities.create_data_type(call.loopback.store, info)
    return wire.answer("aeva.DataTypeEntity", created)


@routes.put("DataTypes/{id}")
def update_data_type(call: Call) -> Any:
    """Replace a data type."""
    updated = wire.check("aeva.DataTypeEntity", call.object())
    changed = entities.update_data_type(call.loopback.store, call.parts["id"], updated)
    return wire.answer("aeva.DataTypeEntity", changed)


@routes.post("Modules")
def create_module(call: Call) -> Any:
    """Add a module, what a step runs."""
    info = wire.check("aeva.ModuleCreationInfo", call.object())
    refuse_other_kinds(info)
    return wire.answer("aeva.ModuleEntity", entities.create_module(call.loopback.store, info))


@routes.get("Modules/{id}")
def module(call: Call) -> Any:
    """Return a module with its interface."""
    found = entities.module(call.loopback.store, call.parts["id"])
    return wire.answer("aeva.Module", entities.with_interface(found))


@routes.put("Modules/{id}")
def update_module(call: Call) -> Any:
    """Replace a module's fields."""
    updated = wire.check("aeva.ModuleEntity", call.object())
    changed = entities.update_module(call.loopback.store, call.parts["id"], updated)
    return wire.answer("aeva.ModuleEntity", changed)


@routes.get("Modules/Hash/{hash}")
def module_by_hash(call: Call) -> Any:
    """Return the module with this content hash; 404 lets the client make one."""
    found = entities.module_by_hash(call.loopback.store, call.parts["hash"])
    return wire.answer("aeva.Module", entities.with_interface(found))


@routes.post("DataSources")
def create_data_source(call: Call) -> Any:
    """Add a data source, a place on a datastore."""
    info = wire.check("aeva.DataSourceCreationInfo", call.object())
    if info.get("SqlTableName") or info.get("SqlQuery") or info.get("SqlStoredProcedureName"):
        raise NotImplementedHere("Data sources in SQL databases are not implemented")
    created = entities.create_data_source(call.loopback.store, info)
    return wire.answer("aeva.DataSourceEntity", created)


@routes.get("DataSources/{id}")
def data_source(call: Call) -> Any:
    """Return a data source."""
    found = entities.data_source(call.loopback.store, call.parts["id"])
    return wire.answer("aeva.DataSourceEntity", found)


@routes.put("DataSources/{id}")
def update_data_source(call: Call) -> Any:
    """Replace a data source's fields."""
    updated = wire.check("aeva.DataSourceEntity", call.object())
    changed = entities.update_data_source(call.loopback.store, call.parts["id"], updated)
    return wire.answer("aeva.DataSourceEntity", changed)


@routes.get("DataSources/Hash/{hash}")
def data_source_by_hash(call: Call) -> Any:
    """Return the data source with this hash; 404 lets the client make one."""
    found = entities.data_source_by_hash(call.loopback.store, call.parts["hash"])
    return wire.answer("aeva.DataSourceEntity", found)


@routes.get("Graphs/{id}")
def graph(call: Call) -> Any:
    """Return a graph."""
    return wire.answer("aeva.GraphEntity", entities.graph(call.loopback.store, call.parts["id"]))


@routes.get("Graphs/{id}/Interface")
def graph_interface(call: Call) -> Any:
    """Return a graph's parameters."""
    found = entities.interface(call.loopback.store, call.parts["id"])
    return wire.answer("aeva.EntityInterface", found)


def refuse_other_kinds(info: Mapping[str, Any]) -> None:
    """Refuse a module that nothing here could run.

    Raises:
        NotImplementedHere: Names its kind.
    """
    for field, known in {"ModuleExecutionType": RUNNABLE, "ModuleType": {None, "None"}}.items():
        if info.get(field) not in known:
            step = info.get("StepType") or "step"
            raise NotImplementedHere(
                f"A {step} is not implemented by the loopback service: "
                f"its {field} is '{info.get(field)}'"
            )
