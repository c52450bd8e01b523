"""SARIF 2.1.0, for code scanning: what fails the gate, with the way to it.

GitHub shows a result of kind `pass` as an alert, so what is proved is only counted, in the properties of the run.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from verify.explain.counterexample import Counterexample, Step
from verify.properties import PROPERTIES, Property
from verify.report.account import LEVELS, facts, interruption, line_of, source, step_line, unproved, visible
from verify.report.localize import localize
from verify.report.report import Finding, Report, RoutineReport

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "SRCROOT"
_ESCAPED = re.compile(r"\\[urbf]|\x7f")
_NO_RESULTS = '"results": []'  # the last key of a run


def render(report: Report, root: PurePath | None = None) -> str:
    """The report as SARIF text; paths below `root` (by default the current directory) become relative to it."""
    report = localize(report, root or Path.cwd())
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report)]}
    head, results, tail = _dumped(document, indent=2).rpartition(_NO_RESULTS)
    lines = ",\n".join(_dumped(result) for result in _results(report))
    if lines:  # a line each: a large log is written ten times as fast, and two of them can still be compared
        results = f'"results": [\n{lines}\n      ]'
    return f"{head}{results}{tail}\n"


def _dumped(value: Any, indent: int | None = None) -> str:
    """JSON with every string made visible; most have nothing that JSON would have to escape."""
    text = json.dumps(value, indent=indent)
    return json.dumps(_visible(value), indent=indent) if _ESCAPED.search(text) else text


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(key): _visible(item) for key, item in value.items()}
    return [_visible(item) for item in value] if isinstance(value, list) else value


def _run(report: Report) -> dict[str, Any]:
    return {
        "tool": {"driver": _driver(report.versions)},
        "invocations": [_invocation(report)],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The directory that the run started in."}}},
        "artifacts": [{"location": _artifact(file), "roles": ["analysisTarget"]} for file in _files(report)],
        "properties": {"routines": sum(len(file.routines) for file in report.files), "summary": report.summary()},
        "results": [],
    }


def _invocation(report: Report) -> dict[str, Any]:
    words = interruption(report)
    successful = not words and not report.summary()["error"]
    notes = {"toolExecutionNotifications": [{"level": "error", "message": {"text": words}}]} if words else {}
    return {"executionSuccessful": successful, "exitCode": int(report.exit_code()), **notes}


def _files(report: Report) -> Iterable[str]:
    return dict.fromkeys(file.file for file in report.files)


# Rules ----------------------------------------------------------------------------------------------------------------


def _driver(versions: dict[str, str]) -> dict[str, Any]:
    own = {name: value for name, value in versions.items() if name == "version"}
    others = {name: value for name, value in versions.items() if name not in own}
    rules = [*map(_rule, PROPERTIES), _ROUTINE]
    return {"name": "verify", **own, "rules": rules, "properties": {"libraries": others}}


def _rule(prop: Property) -> dict[str, Any]:
    failed = prop.refuted.format(what="...", claim="...")
    text = f"{_sentence(prop.statement)} Where it holds: {prop.proved}. Where it does not: {failed}."
    return _descriptor(prop.name, _sentence(prop.statement), text)


def _descriptor(name: str, short: str, full: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": "".join(part.capitalize() for part in name.split("-")),
        "shortDescription": {"text": short},
        "fullDescription": {"text": full},
        "help": {"text": full},
        "defaultConfiguration": {"level": "error"},
    }


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:] + "."


_ROUTINE = _descriptor(
    "routine",
    "The routine can be read, walked to every exit, and has an exit that some start state reaches.",
    "Trouble with a routine or an input as a whole: bad input, an unsupported instruction, a bound or solver limit, "
    "a contract whose assumptions contradict, a crash. Nothing is proved of what the trouble hides.",
)
_NUMBERS = {prop.name: number for number, prop in enumerate(PROPERTIES)} | {"routine": len(PROPERTIES)}


# Results --------------------------------------------------------------------------------------------------------------


def _results(report: Report) -> list[dict[str, Any]]:
    seen: Counter[tuple[str, str]] = Counter()
    results = []
    compared = any(finding.known for finding in report.findings())  # a state belongs to all results or to none
    for finding, routine in unproved(report):
        print_ = finding.fingerprint()
        seen[finding.file, print_] += 1
        results.append(_result(finding, routine, print_, seen[finding.file, print_], compared=compared))
    return results


def _result(
    finding: Finding, routine: RoutineReport | None, print_: str, number: int, *, compared: bool
) -> dict[str, Any]:
    result = {
        "ruleId": finding.rule(),
        **({"baselineState": "unchanged" if finding.known else "new"} if compared else {}),
        "ruleIndex": _NUMBERS[finding.rule()],
        "level": LEVELS[finding.verdict],
        "message": {"text": "\n".join([_headline(finding), *facts(finding)])},
        **_locations(finding, source(finding, routine)),
        # GitHub compares runs by the second; it would compute it from the lines of the object, which has none.
        "partialFingerprints": {"verify/v1": print_, "primaryLocationLineHash": f"{print_}:{number}"},
        "properties": _properties(finding),
    }
    if finding.counterexample and finding.counterexample.steps:
        result["codeFlows"] = [_flow(finding, finding.counterexample)]
    return result


def _headline(finding: Finding) -> str:
    name = f"{finding.routine}: " if finding.routine else ""
    return f"{name}{finding.message} ({finding.verdict})"


def _properties(finding: Finding) -> dict[str, Any]:
    example = finding.counterexample
    known = {
        "verdict": str(finding.verdict),
        "contract": finding.contract,
        "address": finding.address,
        "claim": finding.claim,
        "expected": finding.expected,
        "found": finding.found,
        "where": finding.where,
        "path": finding.path,
        "assumptions": list(finding.assumptions),
        "replayed": example.replayed if example else None,
        "emulator": example.emulator if example else None,
    }
    return {name: value for name, value in known.items() if value is not None}


# Places ---------------------------------------------------------------------------------------------------------------


def _locations(finding: Finding, line: tuple[str, int] | None) -> dict[str, Any]:
    """The line of source, where it is known, comes first; then the address in the object is a related location."""
    label = _label(finding)
    binary = _place(finding, finding.address, label)
    if line is None:
        return {"locations": [binary]}
    first = {"physicalLocation": _region(*line)} | {k: v for k, v in binary.items() if k == "logicalLocations"}
    return {"locations": [first], "relatedLocations": [{**binary, "id": 1, "message": {"text": "in the object"}}]}


def _label(finding: Finding) -> str | None:
    steps = finding.counterexample.steps if finding.counterexample else ()
    return next((step.label for step in steps if step.address == finding.address), None)


def _place(finding: Finding, address: str | None, label: str | None) -> dict[str, Any]:
    """An address of an object, which has no lines."""
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": _artifact(finding.file)}}
    if address:  # a callee that runs has none
        place["physicalLocation"]["address"] = _address(address, label)
    if finding.routine is not None:
        place["logicalLocations"] = [
            {"name": finding.routine, "fullyQualifiedName": finding.routine, "kind": "function"}
        ]
    return place


def _address(address: str, label: str | None) -> dict[str, Any]:
    """Section and offset by name; the virtual address of a linked image as a number too."""
    number = {"absoluteAddress": int(address, 16)} if address.startswith("0x") else {}
    return {**number, "kind": "instruction", "name": label or address, "fullyQualifiedName": address}


def _region(file: str, line: int) -> dict[str, Any]:
    return {"artifactLocation": _artifact(file), "region": {"startLine": line}}


def _artifact(file: str) -> dict[str, Any]:
    """A path as a URI: below the root if it is relative, else as it stands."""
    uri = _quoted(file)
    return {"uri": f"file://{uri}"} if file.startswith("/") else {"uri": uri, "uriBaseId": _ROOT}


@lru_cache(maxsize=1 << 10)
def _quoted(file: str) -> str:
    return quote(file.encode("utf-8", "surrogateescape"))


# Code flows -----------------------------------------------------------------------------------------------------------


def _flow(finding: Finding, example: Counterexample) -> dict[str, Any]:
    thread: dict[str, Any] = {"locations": [_step(finding, *one) for one in enumerate(example.steps, 1)]}
    if example.start:
        thread["initialState"] = {name: {"text": value} for name, value in example.start}
    return {"message": {"text": example.cause or finding.message}, "threadFlows": [thread]}


def _step(finding: Finding, number: int, step: Step) -> dict[str, Any]:
    place = _place(finding, step.address, step.label)
    line = line_of(step.source)
    if line is not None:
        place["physicalLocation"] = _region(*line)
    place["message"] = {"text": step_line(step).strip()}
    return {
        "location": place,
        "executionOrder": number,
        "importance": "essential" if step.faulty else "important" if step.notes else "unimportant",
    }
