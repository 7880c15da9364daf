"""Which of the SDK's operations the service answers, as a table that is made and never written.

The operations are read from the source of the SDK's own clients; a tick needs a request of a passed
test that was answered with success.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from azureml_loopback.routing import SCOPE

CLIENTS = (
    "_restclient",
    "_base_sdk_common/workspace",
    "data/_restclient",
    "dataprep/api/_restclient/token",
    "pipeline/core/_restclients",
    "train/restclients/hyperdrive",
)
"""Folders of the SDK that hold generated clients of Azure ML's services."""

_SDK_SCOPE = re.compile(
    r"subscriptions/\{\w+\}/resourceGroups/\{\w+\}"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/\{\w+\}",
    re.IGNORECASE,
)
_SCOPE = re.compile(re.sub(r"\{\w+\}", "[^/]+", SCOPE), re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{(?!scope\})\w+\}")
_WHOLE_PATHS = frozenset({"{arm_scope}", "{path}"})
"""Placeholders that hold several parts of a path."""
_SERVICES = {
    "{arm_scope}": "hyperdrive",
    **dict.fromkeys(("{scope}", "{peResourceId}", "subscriptions", "providers"), "arm"),
}
"""First part of a path -> service, where it is not the service's name itself."""
_VERBS = frozenset({"get", "put", "post", "patch", "delete", "head"})


@dataclass(frozen=True, order=True)
class Operation:
    """What a client can ask.

    Attributes:
        path: With ``{placeholders}``; ``{scope}`` stands for the workspace's.
        verb: In capitals.
        names: What the SDK's clients call it.
    """

    path: str
    verb: str
    names: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return verb and path, by which it is known."""
        return f"{self.verb} {self.path}"

    @property
    def service(self) -> str:
        """Return the service that has it."""
        return _SERVICES.get(self.path.split("/")[1], self.path.split("/")[1])

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return what its paths look like, the scope shortened; letter case does not matter."""
        parts = re.split(r"(\{\w+\})", self.path)
        return re.compile("".join(map(_pattern_of, parts)), re.IGNORECASE)

    @property
    def literal(self) -> int:
        """Return how much of the path is fixed: of several that match, the most fixed is meant."""
        return len(_PLACEHOLDER.sub("", self.path))


class Operations:
    """All operations that can be told apart by verb and path."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        """Take them, the same one under several names included."""
        merged: dict[str, Operation] = {}
        for operation in operations:
            known = merged.get(_anonymous(operation))
            names = {*operation.names, *(known.names if known else ())}
            path = known.path if known else operation.path
            merged[_anonymous(operation)] = Operation(path, operation.verb, tuple(sorted(names)))
        self.all = sorted(merged.values(), key=lambda one: (one.service, one.path, one.verb))
        self._found: dict[tuple[str, str], Operation | None] = {}

    def match(self, verb: str, path: str) -> Operation | None:
        """Find the operation that a request is of."""
        place = (verb, _SCOPE.sub("{scope}", "/" + path.lstrip("/")))
        if place not in self._found:
            matching = [o for o in self.all if o.verb == verb and o.pattern.fullmatch(place[1])]
            self._found[place] = max(matching, key=lambda one: one.literal, default=None)
        return self._found[place]


def sdk_operations() -> Operations:
    """Read the operations of the installed SDK's clients from their source."""
    spec = importlib.util.find_spec("azureml")
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    files = [
        file
        for folder in folders
        for client in CLIENTS
        for file in sorted((folder / client).rglob("*.py"))
        if "aio" not in file.parts
    ]
    return Operations(o for file in files for o in _operations_in(file.read_text(encoding="utf-8")))


def service_operations() -> Operations:
    """Return the loopback's own routes as operations, for what the SDK asks without a client."""
    from azureml_loopback.app import load_services  # noqa: PLC0415  (imports all services)

    routes = (route for service in load_services() for route in service.routes)
    return Operations(
        Operation(route.template.replace(SCOPE, "{scope}").replace(":path}", "}"), route.method)
        for route in routes
        if not route.direct
    )


def seen(requests: Iterable[Mapping[str, Any]], known: Operations, own: Operations) -> set[str]:
    """Return the keys of the operations that were answered with success.

    Args:
        requests: Entries of the service's request log.
        known: The SDK's.
        own: The service's; one of these is named where the SDK has no client that means it.
    """
    answered = {(r["method"], r["path"]) for r in requests if 200 <= r["status"] < 300}
    found = (_meant(known.match(*request), own.match(*request)) for request in answered)
    return {operation.key for operation in found if operation}


def table(known: Operations, seen_keys: Iterable[str]) -> str:
    """Return the coverage as Markdown.

    Args:
        known: The SDK's operations.
        seen_keys: What passed tests saw answered.
    """
    ticked = set(seen_keys)
    others = sorted(ticked - {operation.key for operation in known.all})
    lines = [
        "# What the loopback answers",
        "",
        "    python -m azureml_loopback coverage tests/azureml_loopback/operations_seen.json",
        "",
        "Every operation of the SDK's own clients; a tick where a test of this package that passed",
        "asked for it and was answered with success. `{scope}` is",
        f"`{SCOPE}`.",
        "[Known differences from Azure](loopback_differences.md) stand beside this table.",
        "",
        *_summary(known, ticked),
        "",
        *_rows(known, ticked),
        "## Asked without a client",
        "",
        "What the SDK asks with addresses that it writes by hand, or from Rust.",
        "",
        "| verb | path | |",
        "|---|---|---|",
        *(f"| {verb} | `{path}` | ✓ |" for verb, path in (key.split(" ", 1) for key in others)),
    ]
    return "\n".join(lines) + "\n"


def read_seen(path: Path) -> list[str]:
    """Read the keys that a test session recorded.

    Raises:
        ValueError: The file holds something else.
    """
    keys = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError(f"{path} is no list of operations")
    return keys


def _meant(*candidates: Operation | None) -> Operation | None:
    """Return the candidate that fixes most of the path, the first of equal ones."""
    return max(filter(None, candidates), key=lambda one: one.literal, default=None)


def _summary(known: Operations, ticked: set[str]) -> Iterator[str]:
    yield "| service | operations | answered |"
    yield "|---|---|---|"
    for service, operations in groupby(known.all, key=lambda one: one.service):
        keys = [operation.key for operation in operations]
        yield f"| {service} | {len(keys)} | {len(ticked.intersection(keys))} |"
    keys = [operation.key for operation in known.all]
    yield f"| all | {len(keys)} | {len(ticked.intersection(keys))} |"


def _rows(known: Operations, ticked: set[str]) -> Iterator[str]:
    for service, operations in groupby(known.all, key=lambda one: one.service):
        yield from (f"## {service}", "", "| operation | verb | path | |", "|---|---|---|---|")
        for operation in operations:
            tick = "✓" if operation.key in ticked else ""
            names = ", ".join(operation.names)
            yield f"| {names} | {operation.verb} | `{operation.path}` | {tick} |"
        yield ""


def _operations_in(source: str) -> Iterator[Operation]:
    if ".metadata = {" not in source:
        return
    module = ast.parse(source)
    builders = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    for client in module.body:
        if isinstance(client, ast.ClassDef):
            yield from _operations_of(client, builders)


def _operations_of(
    client: ast.ClassDef, builders: Mapping[str, ast.FunctionDef]
) -> Iterator[Operation]:
    methods = {node.name: node for node in client.body if isinstance(node, ast.FunctionDef)}
    for node in client.body:
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id=name), attr="metadata")],
                value=ast.Dict(keys=[ast.Constant(value="url"), *_], values=[url, *_]),
            ):
                # what takes long is sent by a helper, and then polled by the method itself
                sender = methods.get(f"_{name}_initial", methods[name])
                path = "/" + _text(url).lstrip("/")
                yield Operation(
                    _SDK_SCOPE.sub("{scope}", path),
                    _verb(sender, builders),
                    (f"{client.name.removesuffix('Operations') or client.name}.{name}",),
                )


def _verb(sender: ast.FunctionDef, builders: Mapping[str, ast.FunctionDef]) -> str:
    """Find the verb in a method's source, or in that of the function that builds its request."""
    for node in ast.walk(sender):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_client"), attr=verb)) if (
                verb in _VERBS
            ):
                return verb.upper()
            case ast.Call(func=ast.Name(id=builder)) if builder in builders:
                return _verb(builders[builder], {})
            case ast.keyword(arg="method", value=ast.Constant(value=verb)):
                return str(verb)
    raise LookupError(f"The SDK's {sender.name} sends no request that can be read")


def _text(node: ast.expr) -> str:
    """Return a text that is written as one constant, or as a sum of several."""
    match node:
        case ast.BinOp(left=left, right=right):
            return _text(left) + _text(right)
        case ast.Constant(value=str(text)):
            return text
    raise LookupError(f"An address of the SDK is not a plain text: {ast.unparse(node)}")


def _pattern_of(part: str) -> str:
    if part == "{scope}":
        return re.escape(part)
    if part in _WHOLE_PATHS:
        return ".+"
    return "[^/]+" if part.startswith("{") else re.escape(part)


def _anonymous(operation: Operation) -> str:
    """Return verb and path without the placeholders' names."""
    return _PLACEHOLDER.sub("{}", operation.key).lower()
