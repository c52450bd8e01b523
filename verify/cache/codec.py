"""Reports as JSON text and back, whole: what a later run shows is what the first one found.

JSON and not pickle: what is read from a cache directory must not be able to run. The name of the input is taken out, so
that an entry serves the same bytes wherever they lie.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from verify.report.report import RoutineReport
from verify.verdict import Verdict

_NAME = "\x00"  # no file name and no message holds it


class Unreadable(Exception):
    """A text that is not what `encode` wrote."""


def encode(report: RoutineReport) -> str:
    """A routine's report without the name of its file."""
    return json.dumps(_plain(report, report.file), separators=(",", ":"))


def decode(text: str, file: str) -> RoutineReport:
    """The report that was encoded, of a file of that name. Raises Unreadable."""
    try:
        report: RoutineReport = _built(RoutineReport, json.loads(text), file)
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        raise Unreadable(f"{type(problem).__name__}: {problem}") from problem
    return report


def _plain(value: Any, file: str) -> Any:
    if isinstance(value, str):
        return value.replace(file, _NAME) if file else value
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item, file) for item in value]
    if is_dataclass(value):
        return [_plain(getattr(value, field.name), file) for field in fields(value)]
    return value


def _built(kind: Any, value: Any, file: str) -> Any:
    """A value of this type from its plain form; what does not fit raises TypeError or ValueError."""
    if isinstance(value, str) and kind is str:
        return value.replace(_NAME, file) if _NAME in value else value
    if kind is Verdict:
        return Verdict(value)
    if is_dataclass(kind):
        return _dataclass(kind, value, file)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value, file)
    options = get_args(kind) if _is_union(kind) else ()
    if options:
        return None if value is None else _built(next(o for o in options if o is not type(None)), value, file)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _dataclass(kind: Any, value: Any, file: str) -> Any:
    hints = _hints(kind)
    if not isinstance(value, list) or len(value) != len(hints):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return kind(*[_built(hint, item, file) for hint, item in zip(hints, value, strict=True)])


def _tuple(kinds: tuple[Any, ...], value: Any, file: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    if len(kinds) == 2 and kinds[1] is ...:
        return tuple([_built(kinds[0], item, file) for item in value])
    return tuple([_built(kind, item, file) for kind, item in zip(kinds, value, strict=True)])


@cache
def _hints(kind: type) -> tuple[Any, ...]:
    known = get_type_hints(kind)
    return tuple(known[field.name] for field in fields(kind))


@cache
def _is_union(kind: Any) -> bool:
    import types

    return get_origin(kind) in (Union, types.UnionType)
