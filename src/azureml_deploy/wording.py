"""Numbers as people read them, the same in the terminal and on the page."""

from __future__ import annotations


def many(count: int, what: str) -> str:
    """Return a number of things."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def size_text(size: int) -> str:
    """Return bytes as people read them."""
    for unit in ("B", "kB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size = round(size / 1000)
    return f"{size} MB"
