"""A counterexample as lines of text: the cause, the start, the steps, and a line for a commit message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verify.report.report import Counterexample, Finding, Step

_AROUND = 2  # steps before and after those that matter
_WIDTH = 34


def lines(finding: Finding, *, full: bool = False) -> Iterator[tuple[str, str]]:
    """Headings and texts; `full` tells every step, else only those near the faulty one, calls and the end."""
    shown = finding.counterexample
    if shown is None:
        return
    if shown.cause:
        yield "cause", shown.cause
    if shown.start:
        yield "start", ", ".join(f"{name} = {value}" for name, value in shown.start)
    for callee in dict.fromkeys(callee for callee, _, _ in shown.effects):
        yield callee, ", ".join(f"{name} = {value}" for who, name, value in shown.effects if who == callee)
    for number, text in enumerate(_steps(shown.steps, full)):
        yield "" if number else "steps", text
    yield "machine", shown.emulator


def quote(finding: Finding) -> str | None:
    """One line that says it all."""
    shown = finding.counterexample
    if shown is None or not shown.cause:
        return None
    return f"{finding.routine}: {finding.rule()}: {finding.claim} fails: {shown.cause}"


def numbers(shown: Counterexample | None) -> tuple[str | None, str | None]:
    """Expected and found, in numbers."""
    return (None, None) if shown is None else (shown.expected, shown.found)


def _steps(steps: Sequence[Step], full: bool) -> Iterator[str]:
    """A step a line; `>` marks where the right value was lost, `..` what is left out."""
    wanted = set(range(len(steps))) if full else _near(steps)
    width = max((len(steps[n].label) for n in wanted), default=0)
    skipped = False
    for number, step in enumerate(steps):
        if number not in wanted:
            skipped = True
            continue
        if skipped:
            yield "  .."
        skipped = False
        mark = ">" if step.faulty else " "
        source = f"  ({step.source})" if step.source else ""
        yield f"{mark} {step.label:<{width}}  {step.text:<{_WIDTH}}  {', '.join(step.notes)}{source}".rstrip()


def _near(steps: Sequence[Step]) -> set[int]:
    last = len(steps) - 1
    matter = {n for n, step in enumerate(steps) if step.faulty or not step.address} | {last}
    return {n for m in matter for n in range(m - _AROUND, m + _AROUND + 1) if 0 <= n <= last}
