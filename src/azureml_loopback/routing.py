"""Which request goes to which function, declared beside the function.

A path, a verb or a query parameter that no route declares is answered 501 with its name: Azure may
know it, this service does not, and nothing is ignored in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from azureml_loopback.errors import BadRequest, NotImplementedHere

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback

SCOPE = (
    "subscriptions/{subscription}/resourceGroups/{resource_group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
"""The part of a path that names the workspace."""
_A_SCOPE = re.compile(re.sub(r"\{\w+\}", "[^/]+", SCOPE), re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """One request, read whole, and the service that it is for.

    Attributes:
        parts: The path's placeholders, decoded.
        query: The query parameters; of one given twice, the last.
        principal: Who holds the token: ``user``, or ``run:ID`` for a step's own token.
    """

    method: str
    host: str
    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    loopback: Loopback
    principal: str = ""

    @cached_property
    def json(self) -> Any:
        """Return the body as JSON; an empty one as nothing.

        Raises:
            BadRequest: It is no JSON.
        """
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"The body of {self.method} {self.path} is no JSON: {error}") from None

    def object(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            BadRequest: It is something else.
        """
        if not isinstance(self.json, dict):
            raise BadRequest(f"The body of {self.method} {self.path} must be a JSON object")
        return self.json


@dataclass(frozen=True)
class Answer:
    """What is sent back: bytes as they are, text if it has a content type, else JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None


Handler = Callable[[Call], Any]
"""Returns an `Answer`, or the JSON of a 200; ``None`` is an empty 204."""


@dataclass(frozen=True)
class Route:
    """One operation.

    Attributes:
        method: The verb.
        template: The path with ``{placeholders}``; ``{name:path}`` matches slashes too.
        handler: What answers.
        query: Query parameters that the handler knows.
        open: Answered without a token: cloud metadata and discovery.
        direct: Asked of 127.0.0.1 itself, and not of one of Azure's hosts.
    """

    method: str
    template: str
    handler: Handler
    query: frozenset[str] = frozenset()
    open: bool = False
    direct: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return what its paths look like; letter case does not matter, as in Azure."""
        parts = re.split(r"\{(\w+)(:path)?\}", self.template)
        text = re.escape(parts[0])
        for name, is_path, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            text += f"(?P<{name}>{'.+' if is_path else '[^/]+'})" + re.escape(rest)
        return re.compile(text, re.IGNORECASE)


class Routes:
    """The routes of one service, below a prefix."""

    def __init__(self, prefix: str = "", *, direct: bool = False) -> None:
        """Take the prefix, such as ``/history/v1.0/{scope}``; ``{scope}`` becomes `SCOPE`."""
        self._direct = direct
        self._prefix = prefix.replace("{scope}", SCOPE).rstrip("/")
        self.routes: list[Route] = []

    def _add(
        self, method: str, paths: Iterable[str], query: Iterable[str], open_: bool
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            for path in paths:
                template = f"{self._prefix}/{path.lstrip('/')}" if path else self._prefix
                route = Route(method, template, handler, frozenset(query), open_, self._direct)
                self.routes.append(route)
            return handler

        return declare

    def get(
        self, *paths: str, query: Iterable[str] = (), open_: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare a GET; several paths may share a function."""
        return self._add("GET", paths, query, open_)

    def post(
        self, *paths: str, query: Iterable[str] = (), open_: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare a POST."""
        return self._add("POST", paths, query, open_)

    def put(self, *paths: str, query: Iterable[str] = ()) -> Callable[[Handler], Handler]:
        """Declare a PUT."""
        return self._add("PUT", paths, query, False)

    def patch(self, *paths: str, query: Iterable[str] = ()) -> Callable[[Handler], Handler]:
        """Declare a PATCH."""
        return self._add("PATCH", paths, query, False)

    def delete(self, *paths: str, query: Iterable[str] = ()) -> Callable[[Handler], Handler]:
        """Declare a DELETE."""
        return self._add("DELETE", paths, query, False)

    def head(self, *paths: str, query: Iterable[str] = ()) -> Callable[[Handler], Handler]:
        """Declare a HEAD."""
        return self._add("HEAD", paths, query, False)


ALWAYS_KNOWN = frozenset({"api-version"})
"""Query parameters that every operation may have, and that change nothing."""


_ANY = "{}"
"""Stands for the first part of a path that is a placeholder."""


class RouteTable:
    """All routes; finds the one for a request."""

    def __init__(self, services: Iterable[Routes]) -> None:
        """Index the routes by verb and the first part of their path, to be quick."""
        self.routes = [route for service in services for route in service.routes]
        self._index: dict[tuple[bool, str, str], list[Route]] = {}
        for route in self.routes:
            first = _first(route.template)
            place = (route.direct, route.method, _ANY if first.startswith("{") else first)
            self._index.setdefault(place, []).append(route)
        for routes in self._index.values():  # the one with the fewest placeholders first
            routes.sort(key=_generality)

    def match(self, method: str, path: str, *, direct: bool) -> tuple[Route, dict[str, str]]:
        """Find the route of a request.

        Args:
            method: The verb.
            path: The path as it was sent, percent-encoded.
            direct: Whether 127.0.0.1 itself was asked.

        Raises:
            NotImplementedHere: There is none; names verb and path.
        """
        named = self._index.get((direct, method, _first(path)), [])
        for route in (*named, *self._index.get((direct, method, _ANY), [])):
            match = route.pattern.fullmatch(path)
            if match:
                return route, match.groupdict()
        what = _A_SCOPE.sub("...", unquote(path))
        raise NotImplementedHere(f"{method} {what} is not implemented by the loopback service")

    @staticmethod
    def check_query(route: Route, query: Iterable[str]) -> None:
        """Refuse what the route does not know.

        Raises:
            NotImplementedHere: Names the parameters.
        """
        unknown = sorted(set(query) - route.query - ALWAYS_KNOWN)
        if unknown:
            raise NotImplementedHere(
                f"{route.method} {route.template}: query parameter {', '.join(unknown)} "
                "is not implemented by the loopback service"
            )


def _generality(route: Route) -> tuple[int, int]:
    """Order routes so that the one with the fewest placeholders is tried first."""
    return route.template.count(":path}"), route.template.count("{")


def _first(path: str) -> str:
    return path.lstrip("/").partition("/")[0].lower()
