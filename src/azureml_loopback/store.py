"""All that the service remembers: JSON documents in one SQLite file.

What a request was answered for is committed before the answer is sent; a killed process loses
nothing of it. Bytes (snapshots, artifacts, data) are blobs, and not in here.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from azureml_loopback.clock import Clock, Ids, new_id
from azureml_loopback.errors import Conflict, NotFound

Document = dict[str, Any]
Documents = list[Document]
_Rows = list[tuple[Any, ...]]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    parent TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, key)
);
CREATE INDEX IF NOT EXISTS by_parent ON documents (kind, parent, sequence);
CREATE INDEX IF NOT EXISTS by_name ON documents (kind, name, sequence);
"""


class Store:
    """Documents by kind and key, each with a parent and a name to find it by."""

    def __init__(self, path: Path | str, clock: Clock | None = None, ids: Ids = new_id) -> None:
        """Open the file, or make it.

        Args:
            path: The SQLite file; ``:memory:`` for a test.
            clock: The service's time.
            ids: Makes identifiers.
        """
        self.clock = clock or Clock()
        self.new_id = ids
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # WAL with NORMAL survives a killed process; only a power cut could lose the last commits
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of it or nothing; may be nested, and then the outermost one counts."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    def find(self, kind: str, key: str) -> Document | None:
        """Return a document, or nothing."""
        rows = self._rows("SELECT body FROM documents WHERE kind = ? AND key = ?", (kind, key))
        return json.loads(rows[0][0]) if rows else None

    def get(self, kind: str, key: str) -> Document:
        """Return a document.

        Raises:
            NotFound: There is none.
        """
        found = self.find(kind, key)
        if found is None:
            raise NotFound(f"There is no {kind} '{key}'")
        return found

    def list(
        self,
        kind: str,
        *,
        parent: str | None = None,
        name: str | None = None,
        newest_first: bool = False,
        limit: int = -1,
        offset: int = 0,
    ) -> Documents:
        """Return documents in the order that they were made.

        Args:
            kind: Which.
            parent: Only those of this parent.
            name: Only those of this name.
            newest_first: The other way round.
            limit: At most so many; -1 for all.
            offset: Leave out the first so many.
        """
        where, values = _where(kind, parent, name)
        order = "DESC" if newest_first else "ASC"
        query = (
            f"SELECT body FROM documents WHERE {where} ORDER BY sequence {order} LIMIT ? OFFSET ?"
        )
        return [json.loads(row[0]) for row in self._rows(query, (*values, limit, offset))]

    def count(self, kind: str, *, parent: str | None = None, name: str | None = None) -> int:
        """Return how many documents there are, of a parent or of a name."""
        where, values = _where(kind, parent, name)
        return int(self._rows(f"SELECT count(*) FROM documents WHERE {where}", values)[0][0])

    def insert(
        self, kind: str, key: str, body: Mapping[str, Any], *, parent: str = "", name: str = ""
    ) -> Document:
        """Add a document and return it.

        Raises:
            Conflict: The key is taken.
        """
        values = (kind, key, parent, name, json.dumps(body))
        query = "INSERT INTO documents (kind, key, parent, name, body) VALUES (?, ?, ?, ?, ?)"
        try:
            self._write(query, values)
        except sqlite3.IntegrityError:
            raise Conflict(f"There is a {kind} '{key}' already") from None
        return dict(body)

    def put(
        self, kind: str, key: str, body: Mapping[str, Any], *, parent: str = "", name: str = ""
    ) -> Document:
        """Add a document, or replace it in its place in the order."""
        query = (
            "INSERT INTO documents (kind, key, parent, name, body) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (kind, key) DO UPDATE SET parent = excluded.parent, "
            "name = excluded.name, body = excluded.body"
        )
        self._write(query, (kind, key, parent, name, json.dumps(body)))
        return dict(body)

    def update(
        self, kind: str, key: str, change: Callable[[Document], Mapping[str, Any]]
    ) -> Document:
        """Replace a document's body by what ``change`` makes of it, in one transaction.

        Raises:
            NotFound: There is none.
        """
        with self.transaction():
            body = dict(change(self.get(kind, key)))
            query = "UPDATE documents SET body = ? WHERE kind = ? AND key = ?"
            self._write(query, (json.dumps(body), kind, key))
            return body

    def delete(self, kind: str, key: str) -> bool:
        """Remove a document; say whether there was one."""
        return self._write("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key)) > 0

    def _rows(self, query: str, values: tuple[Any, ...]) -> _Rows:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def _write(self, query: str, values: tuple[Any, ...]) -> int:
        with self.transaction():
            return self._connection.execute(query, values).rowcount


def _where(kind: str, parent: str | None, name: str | None) -> tuple[str, tuple[str, ...]]:
    """Return a condition, and the values of its parameters."""
    wanted = {"kind": kind, "parent": parent, "name": name}
    given = {column: value for column, value in wanted.items() if value is not None}
    return " AND ".join(f"{column} = ?" for column in given), tuple(given.values())
