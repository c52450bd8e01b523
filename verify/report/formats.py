"""Which report formats there are: a renderer each, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from verify.errors import UsageError
from verify.verdict import Verdict

if TYPE_CHECKING:
    from verify.report.report import Report


@dataclass(frozen=True)
class Format:
    """The module in this package that renders it, what it is for, and whether it draws the routines.

    One that draws needs `details`: instructions, basic blocks and stack frames.
    """

    module: str
    purpose: str
    details: bool = False


FORMATS = {
    "text": Format("text", "for a terminal"),
    "json": Format("json", "docs/schema/report-2.json"),
    "sarif": Format("sarif", "2.1.0, for code scanning"),
    "junit": Format("junit", "XML for Jenkins and GitLab"),
    "github": Format("github", "annotations of a workflow"),
    "markdown": Format("markdown", "a comment on a pull request"),
    "html": Format("html", "a page with the graphs and the frames of the routines", details=True),
}

FAILING = tuple(verdict for verdict in Verdict if verdict is not Verdict.PROVED)
"""The verdicts that fail a run, unless it is asked to let them pass."""

NAMES = ", ".join(FORMATS)
"""The formats, for sentences."""


@dataclass(frozen=True)
class Target:
    """One report to write: a format, and a file or (None) standard output."""

    form: str
    file: Path | None = None


def target(text: str) -> Target:
    """Read NAME or NAME=FILE. Raises ValueError, with a sentence, for what is neither."""
    name, equals, file = text.partition("=")
    if name not in FORMATS:
        raise ValueError(f"{name!r} is no report format; there are {NAMES}")
    if equals and not file:
        raise ValueError(f"{text!r} names no file")
    return Target(name, Path(file) if equals else None)


def targets(asked: Sequence[Target], output: Path | None) -> tuple[Target, ...]:
    """What to write where: text if nothing was asked for, and `output` for the report that names no file of its own.

    Raises UsageError when two reports would go to one place, or `output` has no report to take.
    """
    asked = asked or (Target("text"),)
    if output is not None and all(one.file for one in asked):
        raise UsageError(f"--output {output}: every --format names a file of its own")
    placed = tuple(Target(one.form, one.file or output) for one in asked)
    for number, one in enumerate(placed):
        for other in placed[:number]:
            if one.file == other.file:
                place = one.file or "standard output"
                raise UsageError(f"--format {other.form} and --format {one.form} both go to {place}; use NAME=FILE")
    return placed


def details(wanted: Sequence[Target]) -> bool:
    """Whether one of the reports draws the routines."""
    return any(FORMATS[one.form].details for one in wanted)


def renderer(form: str) -> Callable[[Report], str]:
    """The function that renders a format."""
    return cast("Callable[[Report], str]", import_module(f"verify.report.{FORMATS[form].module}").render)
