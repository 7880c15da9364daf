"""The filters and orders that the SDK sends: a part of OData, as the services understand it.

The SDK does not quote most values (``RunId eq abc``, ``name eq my metric``) and never escapes a
quote, so a value goes on until something follows that can only be the rest of the filter.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from azureml_loopback.errors import BadRequest, NotImplementedHere

MAX_DEPTH = 50
"""Parentheses in parentheses; the SDK sends a few."""


@dataclass(frozen=True)
class Filter:
    """Says which documents are wanted.

    Attributes:
        wants: Says whether one is.
        pinned: Field -> the one value that it must have, to look up rather than to search.
    """

    wants: Callable[[Mapping[str, Any]], bool]
    pinned: Mapping[str, str | None] = field(default_factory=dict)


_VERB = r"(?:eq|ne|gt|ge|lt|le)"
_END = rf"""(?=\s*\)|\s*$|\s+(?:and|or)\s+\(*\s*[^()"]+?\s{_VERB}\s)"""
"""Where a value ends: at what can only be the rest of a filter, for it may hold any words."""
_COMPARISON = re.compile(
    rf"""\s*(?P<field>[^()"]+?)\s+(?P<verb>{_VERB})\s+"""
    rf"""(?:"(?P<quoted>.*?)"{_END}|'(?P<single>.*?)'{_END}|(?P<plain>(?:[^()]|\([^()]*\))+?){_END})""",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(r"\s*(?P<token>[()]|and\b|or\b)", re.IGNORECASE)
_VERBS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_TIME = re.compile(
    r"(?P<seconds>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.(?P<fraction>\d+))?"
    r"(Z|(?P<zone>[+-]\d\d:\d\d))?"
)
_MISSING = object()


def parse(text: str | None, fields: Collection[str]) -> Filter:
    """Read a filter.

    Args:
        text: Such as ``(Status eq Completed) and (Tags/fold eq "3")``; nothing wants everything.
        fields: JSON names that it may ask about.

    Raises:
        BadRequest: It is no filter; says where it stops making sense.
        NotImplementedHere: It asks about another field; names it.
    """
    if not text or not text.strip():
        return Filter(lambda document: True)
    reader = _Reader(text, fields)
    found = reader.any_of()
    if reader.rest.strip():
        raise BadRequest(f"The filter '{text}' makes no sense from '{reader.rest.strip()}' on")
    return found


def ordered(
    documents: Iterable[Mapping[str, Any]], order: str | None, fields: Collection[str]
) -> list[Any]:
    """Sort documents; those without the field count as the lowest.

    Args:
        documents: In the order in which they were made.
        order: Such as ``StartTimeUtc desc``; nothing leaves them.
        fields: JSON names that it may ask about.

    Raises:
        BadRequest: It is no order.
        NotImplementedHere: It asks about another field; names it.
    """
    if not order:
        return list(documents)
    name, _, direction = order.strip().partition(" ")
    direction = direction.strip().lower() or "asc"
    if direction not in {"asc", "desc"}:
        raise BadRequest(f"The order '{order}' must end in asc or desc")
    key = _known(name, fields)
    newest_first = direction == "desc"
    made = list(documents)
    # of equal ones the one made last comes first when descending
    return sorted(reversed(made) if newest_first else made, key=_rank(key), reverse=newest_first)


class _Reader:
    """Reads a filter from left to right."""

    def __init__(self, text: str, fields: Collection[str]) -> None:
        self.rest = text
        self._text = text
        self._fields = fields
        self._depth = 0

    def any_of(self) -> Filter:
        parts = [self._all_of()]
        while self._take("or"):
            parts.append(self._all_of())
        if len(parts) == 1:
            return parts[0]
        return Filter(lambda document: any(part.wants(document) for part in parts))

    def _all_of(self) -> Filter:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        pinned = {name: value for part in parts for name, value in part.pinned.items()}
        return Filter(lambda document: all(part.wants(document) for part in parts), pinned)

    def _one(self) -> Filter:
        if self._take("("):
            return self._inside()
        found = _COMPARISON.match(self.rest)
        if found is None:
            raise BadRequest(f"The filter '{self._text}' makes no sense from '{self.rest}' on")
        self.rest = self.rest[found.end() :]
        return self._comparison(found)

    def _inside(self) -> Filter:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadRequest(f"The filter has more than {MAX_DEPTH} parentheses in each other")
        inner = self.any_of()
        if not self._take(")"):
            raise BadRequest(f"The filter '{self._text}' lacks a closing parenthesis")
        self._depth -= 1
        return inner

    def _comparison(self, found: re.Match[str]) -> Filter:
        head, _, key = found["field"].partition("/")
        name = _known(head, self._fields)
        verb = _VERBS[found["verb"].lower()]
        wanted = _literal(found)
        pins = verb is operator.eq and not key
        return Filter(
            lambda document: _compare(verb, _value(document, name, key), wanted),
            {name: wanted} if pins else {},
        )

    def _take(self, token: str) -> bool:
        found = _TOKEN.match(self.rest)
        if found is None or found["token"].lower() != token:
            return False
        self.rest = self.rest[found.end() :]
        return True


def _known(name: str, fields: Collection[str]) -> str:
    for known in fields:
        if known.lower() == name.lower():
            return known
    raise NotImplementedHere(f"Filtering and sorting by {name} is not implemented")


def _literal(found: re.Match[str]) -> str | None:
    for quoted in (found["quoted"], found["single"]):
        if quoted is not None:
            return quoted
    plain = found["plain"]
    return None if plain.lower() == "null" else plain


def _value(document: Mapping[str, Any], name: str, key: str) -> Any:
    value = document.get(name)
    return _inner(value, key) if key else value


def _inner(value: Any, key: str) -> Any:
    """Return what an object holds; for a list, the key itself if it is in it.

    A path such as ``Traits/name`` of ``RunTypeV2`` goes one level further.
    """
    if isinstance(value, list):
        return key if key in value else _MISSING
    if not isinstance(value, Mapping):
        return _MISSING
    if key in value:
        return value[key]
    head, _, rest = key.partition("/")
    for name, inner in value.items():
        if name.lower() == head.lower():
            return _inner(inner, rest) if rest else inner
    return _MISSING


def _compare(verb: Callable[[Any, Any], bool], value: Any, wanted: str | None) -> bool:
    """Compare; what an object does not hold equals nothing, not even null."""
    if value is _MISSING:
        return False
    if wanted is None or value is None:
        return verb is (operator.eq if value is None and wanted is None else operator.ne)
    left, right = _alike(value, wanted)
    return verb(left, right)


def _alike(value: Any, wanted: str) -> tuple[Any, Any]:
    """Return both as times, as numbers or as text, by what they can be."""
    if isinstance(value, bool):
        return str(value).lower(), wanted.lower()
    if isinstance(value, int | float):
        try:
            return float(value), float(wanted)
        except ValueError:
            return str(value), wanted
    times = _time(str(value)), _time(wanted)
    return times if all(times) else (str(value), wanted)


def _time(text: str) -> datetime | None:
    """Read a time; one without a zone is in UTC."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    # Python 3.10 reads six digits of a second only
    fraction = (found["fraction"] or "").ljust(6, "0")[:6]
    try:
        time = datetime.fromisoformat(f"{found['seconds']}.{fraction}{found['zone'] or ''}")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _rank(name: str) -> Callable[[Mapping[str, Any]], tuple[bool, Any]]:
    def rank(document: Mapping[str, Any]) -> tuple[bool, Any]:
        value = document.get(name)
        return (value is not None, value if isinstance(value, int | float) else str(value))

    return rank
