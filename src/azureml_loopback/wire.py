"""The wire's own models, from the SDK; the only file that touches msrest."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from azureml_loopback.errors import BadRequest, NotImplementedHere

FAMILIES: Mapping[str, str] = {
    "restclient": "azureml._restclient.models",
    "aeva": "azureml.pipeline.core._restclients.aeva.models",
    "dataversion": "azureml.data._restclient.dataset.models",
    "modelregistry": "azureml.data._restclient.model.models",
}
"""Short name -> the SDK's module of msrest models."""

_CONTAINER = re.compile(r"[\[{](.+)[\]}]")


def check(model: str, body: Any) -> Any:
    """Check what a client sent.

    Args:
        model: ``FAMILY.Class``, such as ``restclient.CreateRunDto``.
        body: JSON.

    Returns:
        The body, as it came.

    Raises:
        NotImplementedHere: A field that the model does not have; names it.
        BadRequest: A value of another type than the field's.
    """
    family, name = model.split(".")
    unknown = _unknown_field(family, name, body, "")
    if unknown:
        raise NotImplementedHere(f"{name}.{unknown} is a field that the service does not know")
    _parse(family, name, body)
    return body


def answer(model: str, values: Any) -> Any:
    """Check what the service says, so that no client gets a field it could not read.

    Returns:
        The values without those whose names begin with ``_``.

    Raises:
        TypeError: The service is wrong: a field that the model does not have.
    """
    family, name = model.split(".")
    shown = public(values)
    unknown = _unknown_field(family, name, shown, "")
    if unknown:
        raise TypeError(f"{name} has no field {unknown}")
    return shown


def answers(model: str, values: list[Any]) -> list[Any]:
    """Check a list as `answer` does one."""
    return [answer(model, value) for value in values]


def public(values: Any) -> Any:
    """Drop the fields that the service keeps for itself, whose names begin with ``_``."""
    if isinstance(values, Mapping):
        return {key: value for key, value in values.items() if not str(key).startswith("_")}
    return values


@cache
def _classes(family: str) -> dict[str, Any]:
    module = importlib.import_module(FAMILIES[family])
    return {name: value for name, value in vars(module).items() if isinstance(value, type)}


@cache
def _fields(family: str, name: str) -> dict[str, str] | None:
    """Return a model's JSON keys and their types, lower-cased keys; nothing if it takes any."""
    model = _classes(family).get(name)
    attributes = getattr(model, "_attribute_map", None)
    if attributes is None:
        return None
    subtypes = getattr(model, "_subtype_map", {})
    fields: dict[str, str] = {}
    for attribute in attributes.values():
        key = re.split(r"(?<!\\)\.", attribute["key"])[0].replace("\\.", ".")
        if not key:  # additional properties: anything goes
            return None
        nested = key != attribute["key"].replace("\\.", ".")
        fields[key.lower()] = "object" if nested else attribute["type"]
    for children in subtypes.values():
        for child in children.values():
            fields.update(_fields(family, child) or {})
    return fields


def _unknown_field(family: str, kind: str, value: Any, place: str) -> str:
    """Return the dotted name of the first field that the model lacks; empty if there is none."""
    container = _CONTAINER.fullmatch(kind)
    if container and isinstance(value, list | Mapping):
        parts = value.values() if isinstance(value, Mapping) else value
        inner = (_unknown_field(family, container[1], part, place) for part in parts)
        return next(filter(None, inner), "")
    fields = _fields(family, kind)
    if fields is None or not isinstance(value, Mapping):
        return ""
    for key, part in value.items():
        where = f"{place}.{key}" if place else str(key)
        known = fields.get(str(key).lower())
        if known is None:
            return where
        deeper = _unknown_field(family, known, part, where)
        if deeper:
            return deeper
    return ""


def _parse(family: str, name: str, body: Any) -> None:
    from msrest import Deserializer  # noqa: PLC0415  (with the SDK's models, and not before)
    from msrest.exceptions import DeserializationError  # type: ignore[attr-defined]  # noqa: PLC0415

    try:
        Deserializer(_classes(family))(name, body)  # type: ignore[no-untyped-call]
    except DeserializationError as error:
        raise BadRequest(f"The body is no {name}: {error}") from None
