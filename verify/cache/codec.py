"""Reports as JSON text and back, whole: what a later run shows is what the first one found.

JSON and not pickle: what is read from a cache directory must not be able to run.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from verify.report.report import FileReport
from verify.verdict import Verdict


class Unreadable(Exception):
    """A text that is not what `encode` wrote."""


def encode(report: FileReport) -> str:
    """The report on one input as text."""
    return json.dumps(_plain(report), separators=(",", ":"))


def decode(text: str | bytes) -> FileReport:
    """The report that was encoded. Raises Unreadable."""
    try:
        report: FileReport = _built(FileReport, json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        raise Unreadable(f"{type(problem).__name__}: {problem}") from problem
    return report


def _plain(value: Any) -> Any:
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return [_plain(getattr(value, name)) for name, _ in _hints(value.__class__)]
    return value


def _built(kind: Any, value: Any) -> Any:
    """A value of this type from its plain form; what does not fit raises TypeError or ValueError."""
    if type(value) is kind:
        return value
    if kind is Verdict:
        return Verdict(value)
    if is_dataclass(kind):
        return _dataclass(kind, value)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value)
    if _is_optional(kind):
        return None if value is None else _built(get_args(kind)[0], value)
    raise TypeError(f"{value!r} is no {kind}")


def _dataclass(kind: Any, value: Any) -> Any:
    hints = _hints(kind)
    if not isinstance(value, list) or len(value) != len(hints):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return kind(*[_built(hint, item) for (_, hint), item in zip(hints, value, strict=True)])


def _tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    if len(kinds) == 2 and kinds[1] is ...:
        return tuple([_built(kinds[0], item) for item in value])
    return tuple([_built(kind, item) for kind, item in zip(kinds, value, strict=True)])


@cache
def _hints(kind: type) -> tuple[tuple[str, Any], ...]:
    """The fields of a dataclass, in order: name and type."""
    known = get_type_hints(kind)
    return tuple((field.name, known[field.name]) for field in fields(kind))


@cache
def _is_optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)
