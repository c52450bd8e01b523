"""Findings that are known already: they are told, but a run fails only for new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from verify.report.report import FileReport, Finding, Report, RoutineReport
from verify.verdict import Verdict


def mark(report: Report, baseline: Report) -> Report:
    """The report, with each finding that the baseline has too marked as known.

    Findings are compared by their fingerprints, and counted: of two that read the same one is new if the baseline has
    only one. Bad input is never known, since nobody knows what it hides.
    """
    left = Counter(finding.fingerprint() for finding in baseline.findings() if _may_be_known(finding))

    def marked(finding: Finding) -> Finding:
        if not _may_be_known(finding):
            return finding
        print_ = finding.fingerprint()
        left[print_] -= 1
        return replace(finding, known=left[print_] >= 0)

    def routine(one: RoutineReport) -> RoutineReport:
        return replace(one, findings=tuple(map(marked, one.findings)))

    files = tuple(FileReport(file.file, tuple(map(routine, file.routines)), file.troubles) for file in report.files)
    return replace(report, files=files)


def known(findings: Iterable[Finding]) -> int:
    """How many of the findings are known."""
    return sum(finding.known for finding in findings)


def _may_be_known(finding: Finding) -> bool:
    return finding.verdict is not Verdict.PROVED and finding.routine is not None
