"""TOML files with line-accurate complaints: parse, merge `extends`, and say where a key stands."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from verify.errors import ContractError

Table = dict[str, Any]
_HEADER = re.compile(r"^\s*\[+\s*([^\]]+?)\s*\]+")
_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")


@dataclass(frozen=True)
class Source:
    """A parsed TOML file and its text, kept so that a mistake can be shown where it stands."""

    path: Path
    text: str
    table: Table

    def line_of(self, *words: str) -> int | None:
        """The first line that mentions the last word, under the table that the first words name if there is one."""
        table = ""
        fallback = None
        for number, line in enumerate(self.text.splitlines(), 1):
            header = _HEADER.match(line)
            if header:
                table = header.group(1)
            if words and words[-1] in line and not line.lstrip().startswith("#"):
                if all(word in table or word in line for word in words[:-1]):
                    return number
                fallback = fallback or number
        return fallback

    def line_with(self, text: str) -> int | None:
        """The first line, not a comment, in which a text stands."""
        for number, line in enumerate(self.text.splitlines(), 1):
            if text in line and not line.lstrip().startswith("#"):
                return number
        return None

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of strings of this file; empty where it has none. Raises ContractError."""
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(f"{key!r} must be a list of strings", key)
        return tuple(value)

    def error(self, reason: str, *words: str) -> ContractError:
        """A complaint about the place where these words stand."""
        return ContractError(self.path, self.line_of(*words), reason)

    def check_keys(self, table: Mapping[str, Any], allowed: Iterable[str], *where: str) -> None:
        """Raise ContractError for a key that is none of `allowed`, with the nearest one as a suggestion."""
        allowed = list(allowed)
        for key in table:
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(allowed)}"
                inside = f" in [{'.'.join(where)}]" if where else ""
                raise self.error(f"unknown key {key!r}{inside}{hint}", *where, key)


def read(path: Path) -> Source:
    """Parse a TOML file. Raises ContractError with the line of a syntax error."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ContractError(path, None, f"cannot be read: {problem}") from problem
    return _parse(path, text)


@cache
def _parse(path: Path, text: str) -> Source:
    """Kept, since a base is read once for each contract that extends it; nobody changes a table (`merge` copies)."""
    try:
        return Source(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as problem:
        found = _AT_LINE.search(str(problem))
        line = int(found.group(1)) if found else None
        raise ContractError(path, line, _AT_LINE.sub("", str(problem))) from problem


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Table:
    """`extends`: tables merge key by key; any other value, lists included, is replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = merge(below, value) if both else value  # type: ignore[arg-type]
    return merged
