"""A JSON report back to findings, so that a counterexample can be told again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from verify.errors import InputError
from verify.explain.counterexample import Counterexample, Step
from verify.report.report import Finding
from verify.verdict import Verdict

_SCHEMA = 2
_PLAIN = (
    "file",
    "routine",
    "contract",
    "property",
    "message",
    "address",
    "claim",
    "expected",
    "found",
    "path",
    "where",
)


def findings(path: Path) -> tuple[Finding, ...]:
    """The findings of a report that `verify prove --format json` wrote. Raises InputError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(path, f"cannot be read: {problem.strerror}") from problem
    except ValueError as problem:
        raise InputError(path, "is not JSON: explain wants a report of `verify prove --format json`") from problem
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        raise InputError(path, f"is no report of schema {_SCHEMA}")
    try:
        return tuple(map(_finding, document["findings"]))
    except (KeyError, TypeError, ValueError) as problem:
        raise InputError(path, f"is no report of schema {_SCHEMA}: {problem!r} is wrong or missing") from problem


def _finding(item: dict[str, Any]) -> Finding:
    plain = {name: item[name] for name in _PLAIN}
    example = item["counterexample"]
    return Finding(
        **plain,
        verdict=Verdict(item["verdict"]),
        assumptions=tuple(item["assumptions"]),
        counterexample=None if example is None else _counterexample(example),
    )


def _counterexample(item: dict[str, Any]) -> Counterexample:
    return Counterexample(
        start=tuple((one["name"], one["value"]) for one in item["start"]),
        effects=tuple((one["callee"], one["name"], one["value"]) for one in item["effects"]),
        steps=tuple(
            Step(one["address"], one["label"], one["text"], tuple(one["notes"]), one["source"], one["faulty"])
            for one in item["steps"]
        ),
        cause=item["cause"],
        expected=item["expected"],
        found=item["found"],
        replayed=item["replayed"],
        emulator=item["emulator"],
    )
