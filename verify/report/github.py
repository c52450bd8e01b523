"""GitHub annotations: workflow commands that a runner turns into marks beside the code, and the counts."""

from __future__ import annotations

from pathlib import Path, PurePath

from verify.report.account import LEVELS, account, failures, interruption, source, title, tolerance, visible
from verify.report.localize import localize
from verify.report.report import Finding, Report, RoutineReport

# What ends a line or a value of a workflow command is written as a percent code.
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_VALUE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(report: Report, root: PurePath | None = None) -> str:
    """One command a failure; paths below `root` (by default the current directory) become relative to it."""
    report = localize(report, root or Path.cwd())
    counts = ", ".join(f"{number} {verdict}" for verdict, number in report.summary().items() if number)
    lines = [_command(finding, routine) for finding, routine in failures(report)]
    words = interruption(report)
    lines += [f"::error title=verify::{words}"] if words else []
    total = "; ".join([counts or "nothing to prove", *tolerance(report)])
    return "\n".join([*lines, f"verify: {total}"]) + "\n"


def _command(finding: Finding, routine: RoutineReport | None) -> str:
    place = source(finding, routine)
    values = {"file": place[0] if place else finding.file}
    if place:
        values["line"] = str(place[1])
    values["title"] = title(finding)
    written = ",".join(f"{name}={visible(value).translate(_VALUE)}" for name, value in values.items())
    message = visible("\n".join([finding.message, *account(finding)])).translate(_DATA)
    return f"::{LEVELS[finding.verdict]} {written}::{message}"
