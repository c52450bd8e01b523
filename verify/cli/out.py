"""What commands print and write."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from verify.errors import VerifyError
from verify.report import formats, terminal
from verify.report.report import Report
from verify.verdict import Exit, Verdict

_COLOURS = {Verdict.PROVED: "green", Verdict.VACUOUS: "yellow", Verdict.UNKNOWN: "yellow",
            Verdict.UNSUPPORTED: "yellow"}  # fmt: skip


def nothing(targets: Sequence[formats.Target], why: str) -> NoReturn:
    """A run that had nothing to do, and says why: a pass, with empty reports in the files that were asked for."""
    from verify.versions import versions

    for target in targets:
        if target.file is not None:
            write(target.file, formats.renderer(target.form)(Report((), versions())))
    click.echo(why)
    sys.exit(Exit.PROVED)


def tell(report: Report, targets: Sequence[formats.Target], quiet: bool) -> NoReturn:
    """Write a report wherever it should go, and end with its exit code."""
    # Standard output comes last: what cannot be written ends the command with one sentence and nothing else.
    for target in sorted(targets, key=lambda one: one.file is None):
        text = _rendered(target, report, quiet)
        if target.file is None:
            click.echo(text, nl=False, color=terminal.coloured(sys.stdout))
        else:
            write(target.file, text)
    sys.exit(report.exit_code())


def _rendered(target: formats.Target, report: Report, quiet: bool) -> str:
    if target.form != "text":
        return formats.renderer(target.form)(report)
    from verify.report import text

    colour = target.file is None and terminal.coloured(sys.stdout)
    return text.render(report, paint if colour else text.plain, quiet=quiet)


def paint(text: str, verdict: Verdict) -> str:
    """A verdict in its colour."""
    return click.style(text, fg=_COLOURS.get(verdict, "red"), bold=verdict is not Verdict.PROVED)


def write(path: Path, text: str) -> None:
    """Write a file. Raises VerifyError."""
    try:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as problem:
        raise VerifyError(f"{path}: cannot be written: {problem.strerror}") from problem
