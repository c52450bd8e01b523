"""JSON, schema 1."""

from __future__ import annotations

import json
from typing import Any

from verify.report.report import Finding, Report, RoutineReport

SCHEMA = 1


def render(report: Report) -> str:
    """The report as JSON text, keys in a fixed order."""
    document = {
        "schema": SCHEMA,
        "tool": {"name": "verify", **report.versions},
        "findings": [_finding(finding) for finding in report.findings()],
        "routines": [_routine(routine) for file in report.files for routine in file.routines],
        "summary": report.summary(),
    }
    return json.dumps(document, indent=2) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
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
    }


def _routine(routine: RoutineReport) -> dict[str, Any]:
    return {
        "file": routine.file,
        "routine": routine.routine,
        "contract": routine.contract,
        "reason": routine.reason,
        "executed": list(routine.executed),
        "unexecuted": list(routine.unexecuted),
        "remarks": list(routine.remarks),
    }
