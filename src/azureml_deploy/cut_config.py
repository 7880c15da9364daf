"""Configuration cut to what a step reads, `${…}` left as it is."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from azureml_deploy.catalog import strings

_GLOBALS = re.compile(r"globals:\s*([A-Za-z0-9_]+)")
_RUNTIME = re.compile(r"runtime_params:\s*([A-Za-z0-9_]+)")
_INTERPOLATION = re.compile(r"\$\{\s*([A-Za-z0-9_]+)\s*[.}\[]")


def cut_to_keys(values: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Keep top-level keys, and those that they refer to by ``${key}``."""
    kept: dict[str, Any] = {}
    pending = [key for key in keys if key in values]
    while pending:
        key = pending.pop()
        if key not in kept:
            kept[key] = values[key]
            pending.extend(k for k in _referred(values[key], _INTERPOLATION) if k in values)
    return dict(sorted(kept.items()))


def cut_parameters(values: Mapping[str, Any], inputs: Iterable[str]) -> dict[str, Any]:
    """Keep the parameters that a step's nodes name among their inputs.

    Args:
        values: Parameters as the files say them.
        inputs: Inputs of nodes; ``parameters`` keeps all.
    """
    inputs = sorted(set(inputs))
    if "parameters" in inputs:
        return dict(values)
    kept: dict[str, Any] = {}
    for name in inputs:
        if name.startswith("params:"):
            _copy_path(values, kept, name.removeprefix("params:").split("."))
    referred = sorted(_referred(kept, _INTERPOLATION) - kept.keys())
    return dict(sorted((kept | cut_to_keys(values, referred)).items()))


def globals_in(*values: Any) -> set[str]:
    """Return the top-level globals that configuration refers to."""
    return {key for value in values for key in _referred(value, _GLOBALS)}


def runtime_params_in(*values: Any) -> set[str]:
    """Return the top-level runtime parameters that configuration refers to."""
    return {key for value in values for key in _referred(value, _RUNTIME)}


def keys_in(*values: Any) -> set[str]:
    """Return the top-level keys that configuration refers to by ``${key}``."""
    return {key for value in values for key in _referred(value, _INTERPOLATION)}


def references_in(values: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return of each top-level key those that it refers to by ``${key}``, by way of others too."""
    return {key: frozenset(cut_to_keys(values, [key])) - {key} for key in values}


def to_yaml(values: Mapping[str, Any]) -> bytes:
    """Write configuration as the loader will read it, in a fixed order."""
    return _to_yaml(json.dumps(values, sort_keys=True, default=str)) if values else b"{}\n"


@functools.lru_cache(maxsize=256)
def _to_yaml(values: str) -> bytes:
    # of many steps, most read through the same few factories
    from omegaconf import OmegaConf  # noqa: PLC0415

    text: str = OmegaConf.to_yaml(OmegaConf.create(json.loads(values)), sort_keys=True)
    return text.encode()


def _referred(value: Any, pattern: re.Pattern[str]) -> set[str]:
    return {key for text in strings(value) if "$" in text for key in pattern.findall(text)}


def _copy_path(source: Mapping[str, Any], target: dict[str, Any], path: list[str]) -> None:
    """Copy one nested value, or as much of its path as the files say."""
    for depth, part in enumerate(path):
        if not isinstance(source, Mapping) or part not in source:
            return
        if depth == len(path) - 1 or not isinstance(source[part], Mapping):
            target[part] = source[part]
            return
        nested = target.get(part)
        if nested is source[part]:  # a longer name already took all of it
            return
        target[part] = nested if isinstance(nested, dict) else {}
        source, target = source[part], target[part]
