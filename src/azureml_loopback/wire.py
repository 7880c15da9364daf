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
        The body, its fields spelled as the model spells them: Azure takes any letter case.

    Raises:
        NotImplementedHere: A field that the model does not have; names it.
        BadRequest: A value of another type than the field's.
    """
    family, name = model.split(".")
    try:
        spelled = _spelled(family, name, body, name)
    except _UnknownFieldError as unknown:
        raise NotImplementedHere(f"{unknown} is a field that the service does not know") from None
    _parse(family, name, spelled)
    return spelled


def answer(model: str, values: Any) -> Any:
    """Check what the service says, so that no client gets a field it could not read.

    Returns:
        The values without those whose names begin with ``_``.

    Raises:
        TypeError: The service is wrong: a field that the model does not have.
    """
    family, name = model.split(".")
    try:
        return _spelled(family, name, public(values), name)
    except _UnknownFieldError as unknown:
        raise TypeError(f"there is no field {unknown}") from None


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


class _UnknownFieldError(Exception):
    """Names a field, by its path, that a model lacks."""


@cache
def _fields(family: str, name: str) -> dict[str, tuple[str, str]] | None:
    """Return a model's fields by their names in small letters: spelling and type.

    Nothing if the model takes any field.
    """
    model = _classes(family).get(name)
    attributes = getattr(model, "_attribute_map", None)
    if attributes is None:
        return None
    subtypes = getattr(model, "_subtype_map", {})
    fields: dict[str, tuple[str, str]] = {}
    for attribute in attributes.values():
        key = re.split(r"(?<!\\)\.", attribute["key"])[0].replace("\\.", ".")
        if not key:  # additional properties: anything goes
            return None
        nested = key != attribute["key"].replace("\\.", ".")
        fields[key.lower()] = (key, "object" if nested else attribute["type"])
    for children in subtypes.values():
        for child in children.values():
            fields.update(_fields(family, child) or {})
    return fields


def _spelled(family: str, kind: str, value: Any, place: str) -> Any:
    """Return a value with each field spelled as its model spells it."""
    container = _CONTAINER.fullmatch(kind)
    if container and isinstance(value, Mapping):
        return {k: _spelled(family, container[1], v, f"{place}.{k}") for k, v in value.items()}
    if container and isinstance(value, list):
        return [_spelled(family, container[1], part, place) for part in value]
    fields = _fields(family, kind)
    if fields is None or not isinstance(value, Mapping):
        return value
    spelled: dict[str, Any] = {}
    for key, part in value.items():
        where = f"{place}.{key}"
        if str(key).lower() not in fields:
            raise _UnknownFieldError(where)
        name, its_kind = fields[str(key).lower()]
        spelled[name] = _spelled(family, its_kind, part, where)
    return spelled


def _parse(family: str, name: str, body: Any) -> None:
    from msrest import Deserializer  # noqa: PLC0415  (with the SDK's models, and not before)
    from msrest.exceptions import DeserializationError  # type: ignore[attr-defined]  # noqa: PLC0415

    try:
        Deserializer(_classes(family))(name, body)  # type: ignore[no-untyped-call]
    except DeserializationError as error:
        raise BadRequest(f"The body is no {name}: {error}") from None
