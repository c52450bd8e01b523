"""A JSON report back to a `Report`: to tell a counterexample again, to merge the parts of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from verify.errors import InputError
from verify.explain.counterexample import Counterexample, Step
from verify.report.report import FileReport, Finding, Report, RoutineReport
from verify.verdict import Verdict

Item = TypeVar("Item")

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
    return report(path).findings()


def report(path: Path) -> Report:
    """A report that `verify prove --format json` wrote; drawings of routines are not in it. Raises InputError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(path, f"cannot be read: {problem.strerror}") from problem
    except ValueError as problem:
        raise InputError(path, "is not JSON: it should be a report of `verify prove --format json`") from problem
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        raise InputError(path, f"is no report of schema {_SCHEMA}")
    try:
        return _report(document)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise InputError(path, f"is no report of schema {_SCHEMA}: {problem!r} is wrong or missing") from problem


def _report(document: dict[str, Any]) -> Report:
    told = iter([_finding(item) for item in document["findings"]])
    walked = iter(document["routines"])
    files = []
    for one in document["inputs"]:
        troubles = _take(told, one["troubles"])
        routines = tuple(_routine(item, told) for item in _take(walked, one["routines"]))
        files.append(FileReport(one["file"], routines, troubles))
    for left in (*told, *walked):
        raise ValueError(f"{left} belongs to no input")
    versions = {name: text for name, text in document["tool"].items() if name != "name"}
    return Report(tuple(files), versions, document["interrupted"], _shard(document["shard"]))


def _take(items: Iterator[Item], count: int) -> tuple[Item, ...]:
    taken = tuple(islice(items, count))
    if len(taken) != count:
        raise ValueError(f"{count - len(taken)} of {count}")
    return taken


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    number, _, count = text.partition("/")
    return int(number), int(count)


def _routine(item: dict[str, Any], told: Iterator[Finding]) -> RoutineReport:
    return RoutineReport(
        item["file"], item["routine"], item["contract"], item["reason"], _take(told, item["findings"]),
        tuple(item["executed"]), tuple(item["unexecuted"]), tuple(item["remarks"]),
    )  # fmt: skip


def _finding(item: dict[str, Any]) -> Finding:
    plain = {name: item[name] for name in _PLAIN}
    example = item["counterexample"]
    return Finding(
        **plain,
        verdict=Verdict(item["verdict"]),
        assumptions=tuple(item["assumptions"]),
        counterexample=None if example is None else _counterexample(example),
        known=item["known"],
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
