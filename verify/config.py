"""What a project says once instead of on each command line: `verify.toml`, or `[tool.verify]` of `pyproject.toml`.

The nearest of them counts, from the current directory upwards, no further than the repository. The command line comes
before the file, and the file before the defaults. Keys are the long options of `verify prove`; `objects` are the files
to prove where the command line names none, and each `[[override]]` changes what some of them are held to, with a reason
that the report prints.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from verify.contracts.source import Source, Table, read
from verify.errors import ContractError

OWN, SHARED = "verify.toml", "pyproject.toml"
_TEXT, _WORDS, _NUMBER, _FLAG, _PATH, _PATHS = "a string", "a list of strings", "a number", "true or false", \
    "the path of a file", "a list of paths"  # fmt: skip
KEYS = {
    "objects": _PATHS, "kernel": _TEXT, "contract": _TEXT, "layout": _TEXT, "asm-offsets": _PATH, "dwarf": _PATH,
    "arch": _TEXT, "handler": _TEXT, "select": _WORDS, "ignore": _WORDS, "format": _WORDS, "baseline": _PATH,
    "fail-on": _WORDS, "jobs": _NUMBER, "cache-dir": _PATH, "no-cache": _FLAG, "timeout": _NUMBER,
    "no-replay": _FLAG, "quiet": _FLAG,
}  # fmt: skip
"""The keys of the file, and what each of them wants."""
_OVERRIDE = {"files": _WORDS, "symbols": _WORDS, "contract": _TEXT, "layout": _TEXT, "arch": _TEXT, "handler": _TEXT,
             "ignore": _WORDS, "reason": _TEXT}  # fmt: skip
_FORMS: Mapping[str, Any] = {_TEXT: str, _WORDS: list, _NUMBER: (int, float), _FLAG: bool, _PATH: str, _PATHS: list}


@dataclass(frozen=True)
class Override:
    """What some routines of some files are held to instead, and why.

    `files` are patterns for the last components of a path, `symbols` for names (none: all routines). `ignore` are
    properties that are not asked for.
    """

    files: tuple[str, ...]
    reason: str
    where: str
    symbols: tuple[str, ...] = ("*",)
    contract: str | None = None
    layout: str | None = None
    arch: str | None = None
    handler: str | None = None
    ignore: tuple[str, ...] = ()

    def covers(self, path: Path, names: tuple[str, ...]) -> bool:
        """Whether it is about a routine of these names in that file."""
        return any(_ends_with(path.resolve(), pattern) for pattern in self.files) and any(
            fnmatchcase(name, pattern) for name in names for pattern in self.symbols
        )


@dataclass(frozen=True)
class Config:
    """A project's settings: the file they stand in (None: there is none), values by key, the line of each key."""

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int | None] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()

    def objects(self) -> tuple[Path, ...]:
        """The files that `objects` names, in order. Raises ContractError for a pattern that no file fits."""
        assert self.path is not None
        found: dict[Path, None] = {}
        for pattern in self.values.get("objects", ()):
            names = sorted(glob.glob(pattern, recursive=True))
            if not names:
                raise ContractError(self.path, self.lines["objects"], f"no file fits {pattern!r} of 'objects'")
            found |= dict.fromkeys(map(Path, names))
        return tuple(found)


def nearest(directory: Path) -> Config:
    """The settings that hold in a directory. Raises ContractError, with the line, for what is wrong in them."""
    for place in (directory, *directory.parents):
        for name, table in ((OWN, ()), (SHARED, ("tool", "verify"))):
            path = place / name
            if path.is_file():
                source = read(path)
                own = _below(source.table, table)
                if own is not None:
                    return _checked(source, own)
        if (place / ".git").exists():
            break
    return Config()


def defaults(config: Config) -> dict[str, Any]:
    """The values of options as a command line would give them, by the names that click knows them by."""
    given = {key: value for key, value in config.values.items() if key != "objects"}
    return {_PARAMETERS.get(key, key.replace("-", "_")): _as_given(key, value) for key, value in given.items()}


_PARAMETERS = {"format": "reports", "fail-on": "tolerated"}
_JOINED = ("select", "ignore", "fail-on")


def _as_given(key: str, value: Any) -> Any:
    return ",".join(value) if key in _JOINED else value


def _below(table: Table, names: tuple[str, ...]) -> Table | None:
    for name in names:
        below = table.get(name)
        if not isinstance(below, dict):
            return None
        table = below
    return table


def _checked(source: Source, table: Table) -> Config:
    source.check_keys(table, (*KEYS, "override"))
    values = {key: _value(source, key, value, KEYS[key]) for key, value in table.items() if key != "override"}
    overrides = table.get("override", [])
    if not (isinstance(overrides, list) and all(isinstance(body, dict) for body in overrides)):
        raise source.error("overrides are tables, each under [[override]]", "override")
    lines = {key: source.line_of(key) for key in values}
    return Config(source.path, values, lines, tuple(_override(source, body) for body in overrides))


def _value(source: Source, key: str, value: Any, wanted: str) -> Any:
    form = _FORMS[wanted]
    fits = isinstance(value, form) and (wanted in (_FLAG,) or not isinstance(value, bool))
    if not fits or (form is list and not all(isinstance(item, str) for item in value)):
        raise source.error(f"{key!r} must be {wanted}, not {value!r}", key)
    if wanted is _PATH:
        return _beside(source, value)
    return [_beside(source, item) for item in value] if wanted is _PATHS else value


def _beside(source: Source, path: str) -> str:
    """A path in the file is relative to the file; here it is written relative to the current directory."""
    return os.path.relpath(source.path.parent / path)


def _override(source: Source, body: Table) -> Override:
    source.check_keys(body, _OVERRIDE, "override")
    for key in ("files", "reason"):
        if not body.get(key):
            raise source.error(f"an override without {key!r}", "override")
    checked: dict[str, Any] = {key: _value(source, key, value, _OVERRIDE[key]) for key, value in body.items()}
    line = source.line_with(f'"{body["reason"]}"')
    checked |= {key: tuple(value) for key, value in checked.items() if isinstance(value, list)}
    return Override(**checked, where=f"{source.path.name}:{line}" if line else source.path.name)


def _ends_with(path: Path, pattern: str) -> bool:
    wanted = Path(pattern).parts
    tail = path.parts[-len(wanted) :]
    return len(tail) == len(wanted) and all(map(fnmatchcase, tail, wanted))
