"""Lists in pages: a token is the number of values that the pages before it held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azureml_loopback.errors import BadRequest

PAGE = 100
"""Values in a page where the client does not say."""


@dataclass(frozen=True)
class Page:
    """Some of the values.

    Attributes:
        values: Those of this page.
        token: What to ask the next page with; nothing after the last.
    """

    values: Sequence[Any]
    token: str | None


def page(values: Sequence[Any], size: int, token: str | None) -> Page:
    """Return a page.

    Args:
        values: All of them.
        size: How many a page holds.
        token: From the page before; nothing for the first.

    Raises:
        BadRequest: The token is none that was given out.
    """
    start = _whole("The continuation token", token or "0")
    end = start + size
    return Page(values[start:end], str(end) if end < len(values) else None)


def page_size(query: Mapping[str, str], name: str, default: int = PAGE) -> int:
    """Return how many values a request wants in a page.

    Raises:
        BadRequest: The parameter is no number from 1 on.
    """
    size = _whole(name, query.get(name, str(default)))
    if size == 0:
        raise BadRequest(f"{name}: found 0, a number from 1 on is allowed")
    return size


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadRequest(f"{name}: found '{text}', a whole number is allowed")
    return int(text)
