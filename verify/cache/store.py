"""Entries on disk: one SQLite file, safe under several writers and under a kill at any moment (ADR 18).

Each entry carries the hash of its own bytes, so that a damaged file costs time and never a verdict. No trouble with
the cache ends a run: what cannot be read is proved again, and what cannot be written is proved again next time; the
first trouble is kept for a sentence to the user.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

FILE = "verdicts.sqlite"
_VERSION = 1
_PATIENCE = 10.0  # seconds to wait for another writer
_AT_ONCE = 500  # SQLite's limit on the parameters of a statement is 999 in its oldest versions
_SCHEMA = "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, digest BLOB NOT NULL)"


@dataclass(frozen=True)
class Size:
    """What a cache holds: its file, the number of entries, bytes on disk."""

    path: Path
    entries: int
    bytes: int


class Store:
    """The entries of one directory. `trouble` is the first thing that went wrong, as a sentence."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self.trouble: str | None = None
        self._connection: sqlite3.Connection | None = None

    def get(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The values of those keys that are there and whole."""
        return self._attempt(lambda connection: dict(_select(connection, list(keys))), {})

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep entries, all in one transaction."""
        rows = [(key, value, _digest(key, value)) for key, value in entries.items()]

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)

        self._attempt(insert, None)

    def size(self) -> Size:
        """How much there is."""
        count = self._attempt(
            lambda connection: int(connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]), 0
        )
        return Size(self.path, count, sum(path.stat().st_size for path in self._files()))

    def clear(self) -> None:
        """Remove the cache's files. Raises OSError."""
        self.close()
        for path in self._files():
            path.unlink()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _files(self) -> list[Path]:
        names = (FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal")
        return [path for name in names if (path := self.path.with_name(name)).is_file()]

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_PATIENCE)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            ((version,),) = connection.execute("PRAGMA user_version")
            if version not in (0, _VERSION):
                connection.close()
                raise sqlite3.DatabaseError(f"it is of version {version}, and this verify knows {_VERSION}")
            with connection:
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version={_VERSION}")
            self._connection = connection
        return self._connection

    def _attempt(self, action: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """After the first trouble the cache is let alone for the rest of the run."""
        if self.trouble is None:
            try:
                return action(self._open())
            except (sqlite3.Error, OSError) as problem:
                self.trouble = f"the cache {self.path} is not used: {problem}"
        return otherwise


def _select(connection: sqlite3.Connection, keys: list[str]) -> Iterator[tuple[str, bytes]]:
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        query = f"SELECT key, value, digest FROM entries WHERE key IN ({','.join('?' * len(some))})"
        for key, value, digest in connection.execute(query, some):
            if isinstance(value, bytes) and digest == _digest(key, value):
                yield key, value


def _digest(key: str, value: bytes) -> bytes:
    return sha256(key.encode() + b"\n" + value).digest()
