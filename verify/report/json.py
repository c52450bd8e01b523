"""JSON, schema 2: docs/schema/report-2.json says what is in it."""

from __future__ import annotations

import json
from typing import Any

from verify.explain.counterexample import Counterexample, Step
from verify.report.report import FileReport, Finding, Report, RoutineReport

SCHEMA = 2


def render(report: Report) -> str:
    """The report as JSON text, keys in a fixed order."""
    document = {
        "schema": SCHEMA,
        "tool": {"name": "verify", **report.versions},
        "inputs": [_input(file) for file in report.files],
        "shard": None if report.shard is None else f"{report.shard[0]}/{report.shard[1]}",
        "findings": [_finding(finding) for finding in report.findings()],
        "routines": [_routine(routine) for file in report.files for routine in file.routines],
        "summary": report.summary(),
        "interrupted": report.interrupted,
    }
    return json.dumps(document, indent=2) + "\n"


def _input(file: FileReport) -> dict[str, Any]:
    return {"file": file.file, "troubles": len(file.troubles), "routines": len(file.routines)}


def _finding(finding: Finding) -> dict[str, Any]:
    example = finding.counterexample
    return {
        "file": finding.file,
        "routine": finding.routine,
        "contract": finding.contract,
        "property": finding.property,
        "verdict": str(finding.verdict),
        "message": finding.message,
        "address": finding.address,
        "assumptions": list(finding.assumptions),
        "claim": finding.claim,
        "expected": finding.expected,
        "found": finding.found,
        "path": finding.path,
        "where": finding.where,
        "fingerprint": finding.fingerprint(),
        "known": finding.known,
        "counterexample": None if example is None else _counterexample(example),
    }


def _counterexample(example: Counterexample) -> dict[str, Any]:
    return {
        "start": [{"name": name, "value": value} for name, value in example.start],
        "effects": [{"callee": callee, "name": name, "value": value} for callee, name, value in example.effects],
        "steps": [_step(step) for step in example.steps],
        "cause": example.cause,
        "expected": example.expected,
        "found": example.found,
        "replayed": example.replayed,
        "emulator": example.emulator,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "address": step.address,
        "label": step.label,
        "text": step.text,
        "notes": list(step.notes),
        "source": step.source,
        "faulty": step.faulty,
    }


def _routine(routine: RoutineReport) -> dict[str, Any]:
    return {
        "file": routine.file,
        "routine": routine.routine,
        "contract": routine.contract,
        "reason": routine.reason,
        "findings": len(routine.findings),
        "executed": list(routine.executed),
        "unexecuted": list(routine.unexecuted),
        "remarks": list(routine.remarks),
    }
