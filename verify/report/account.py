"""What the formats for other tools share: which findings fail, how badly, where in the source, and their story."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from verify.explain.counterexample import Counterexample, Step
from verify.report.report import Finding, Report, RoutineReport
from verify.verdict import Verdict

LEVELS = {
    Verdict.REFUTED: "error",
    Verdict.UNCONFIRMED: "error",
    Verdict.ERROR: "error",
    Verdict.UNKNOWN: "warning",
    Verdict.UNSUPPORTED: "warning",
    Verdict.VACUOUS: "warning",
}
"""How a verdict that fails the gate is announced; `proved` is not announced."""

# Control characters but tab and newline, half surrogates (how Python holds the bytes of a name that is no UTF-8), what
# turns the direction of writing, and what is no character. XML forbids most of them, terminals obey some.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@lru_cache(maxsize=1 << 14)
def visible(text: str) -> str:
    r"""The text with what nobody could see in it written out, as `\x1b` or `\u2028`."""
    return _INVISIBLE.sub(_written, text)


def _written(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def interruption(report: Report) -> str | None:
    """The sentence on what an interrupted run did not come to; None for a run that came to its end."""
    number = report.interrupted
    words = f"interrupted: nothing is known about {number} more routine{'' if number == 1 else 's'}"
    return words if number else None


def failures(report: Report) -> Iterator[tuple[Finding, RoutineReport | None]]:
    """Every finding that fails the gate, with its routine, in the order of the inputs; known ones are left out."""
    return ((finding, routine) for finding, routine in unproved(report) if not finding.known)


def unproved(report: Report) -> Iterator[tuple[Finding, RoutineReport | None]]:
    """Every finding that is not proved, the known ones too."""
    for file in report.files:
        yield from ((finding, None) for finding in file.troubles if finding.verdict in LEVELS)
        for routine in file.routines:
            yield from ((finding, routine) for finding in routine.findings if finding.verdict in LEVELS)


def tolerance(report: Report) -> list[str]:
    """Sentences on what does not fail the run although it is not proved."""
    number = sum(finding.known for finding in report.findings())
    sentences = [f"{number} of them known: in the baseline, and no reason to fail"] if number else []
    if report.tolerated:
        sentences.append(f"asked not to fail on: {', '.join(map(str, report.tolerated))}")
    return sentences


def source(finding: Finding, routine: RoutineReport | None) -> tuple[str, int] | None:
    """File and line to look at: where the right value was lost, else where it was missed, if the lines are known."""
    steps = finding.counterexample.steps if finding.counterexample else ()
    places = [step.source for step in steps if step.faulty]
    places += [step.source for step in steps if step.address == finding.address]
    places += [line.source for line in (routine.code if routine else ()) if line.address == finding.address]
    return next(filter(None, map(line_of, places)), None)


def line_of(place: str | None) -> tuple[str, int] | None:
    """FILE:LINE in its two parts."""
    file, _, line = (place or "").rpartition(":")
    return (file, int(line)) if file and line.isascii() and line.isdigit() and int(line) else None


def title(finding: Finding) -> str:
    """One line that names the finding among others."""
    name = finding.routine or finding.file
    return f"{finding.rule()} {finding.verdict}: {name}"


def account(finding: Finding) -> list[str]:
    """The story of a finding in lines of plain text, after its message: the facts, then step by step."""
    steps = finding.counterexample.steps if finding.counterexample else ()
    return [*facts(finding), *map(step_line, steps)]


def facts(finding: Finding) -> list[str]:
    """What is known of a finding but for the steps."""
    example = finding.counterexample
    rows = [
        ("object", finding.file if finding.routine else None),
        ("address", finding.address),
        ("contract", finding.contract),
        ("claim", finding.claim),
        ("expected", finding.expected or (example.expected if example else None)),
        ("found", finding.found or (example.found if example else None)),
        ("where", finding.where),
        ("path", finding.path),
    ]
    return _lines(rows) + (_example(example) if example else [])


def _example(example: Counterexample) -> list[str]:
    start = ", ".join(f"{name} = {value}" for name, value in example.start)
    rows = [("cause", example.cause), ("start", start)]
    rows += [("effect", f"{callee} sets {name} = {value}") for callee, name, value in example.effects]
    return _lines([*rows, ("replay", example.emulator)])


def _lines(rows: Iterable[tuple[str, str | None]]) -> list[str]:
    return [f"{name + ':':<10} {value}" for name, value in rows if value]


def step_line(step: Step) -> str:
    """One step in one line; an arrow marks the one that loses the right value."""
    mark = "->" if step.faulty else "  "
    notes = f"  ; {', '.join(step.notes)}" if step.notes else ""
    place = f"  [{step.source}]" if step.source else ""
    words = "  ".join(filter(None, (step.address, step.label, step.text)))
    return f"{mark} {words}{notes}{place}"
