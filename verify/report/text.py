"""Plain text for a terminal: a line a routine, a line a property, counterexamples in full."""

from __future__ import annotations

from collections.abc import Callable

from verify.report import account, story
from verify.report.report import Finding, Report, RoutineReport
from verify.verdict import Verdict

Paint = Callable[[str, Verdict], str]


def plain(text: str, _verdict: Verdict) -> str:
    """No colour."""
    return text


def render(report: Report, paint: Paint = plain, *, quiet: bool = False) -> str:
    """The report as text; `paint` colours a verdict, `quiet` leaves out what is proved."""
    lines: list[str] = []
    for file in report.files:
        for trouble in file.troubles:
            lines.append(f"{paint('error', Verdict.ERROR)}: {trouble.message}")
        for routine in file.routines:
            lines += _routine(routine, paint, quiet)
    lines += _assumptions(report, quiet)
    lines.append(_summary(report))
    lines += account.tolerance(report)
    if report.interrupted:
        lines.append(f"interrupted: nothing is known about {_count(report.interrupted, 'more ')}")
    return "\n".join(lines) + "\n"


def _routine(routine: RoutineReport, paint: Paint, quiet: bool) -> list[str]:
    shown = [f for f in routine.findings if not (quiet and f.verdict is Verdict.PROVED)]
    if quiet and not shown:
        return []
    lines = [f"{routine.file}: {routine.routine} under {routine.contract} ({routine.reason})"]
    for finding in shown:
        lines += _finding(finding, paint)
    lines += [f"    remark: {remark}" for remark in routine.remarks]
    if routine.unexecuted:
        lines.append(f"    not executed on any path: {', '.join(routine.unexecuted)}")
    lines.append("")
    return lines


def story_of(finding: Finding, paint: Paint = plain) -> str:
    """One finding with every step of its counterexample."""
    head = (
        f"{finding.file}: {finding.routine or ''} under {finding.contract or 'no contract'}  [{finding.fingerprint()}]"
    )
    return "\n".join([head, *_finding(finding, paint, full=True)]) + "\n"


def _finding(finding: Finding, paint: Paint, *, full: bool = False) -> list[str]:
    name = finding.property or "routine"
    told = "known: " if finding.known else ""
    head = f"  {paint(f'{finding.verdict!s:<11}', finding.verdict)}  {name:<18} {told}{finding.message}"
    if finding.verdict is Verdict.PROVED:
        return [head]
    lines = [head + (f" [{finding.address}]" if finding.address else "")]
    return lines + [
        f"      {key + ':' if key else '':<10} {value}" for key, value in details(finding, full=full) if value
    ]


def details(finding: Finding, *, full: bool = False) -> list[tuple[str, str | None]]:
    """What there is to say of a finding, as headings and texts; the cause first."""
    told = list(story.lines(finding, full=full))
    cause = [line for line in told if line[0] == "cause"]
    return [
        *cause,
        ("claim", finding.claim),
        ("expected", _with_number(finding.expected, finding, 0)),
        ("found", _with_number(finding.found, finding, 1)),
        ("where", finding.where),
        ("path", finding.path),
        *[line for line in told if line[0] != "cause"],
        ("quote", story.quote(finding)),
    ]


def _with_number(text: str | None, finding: Finding, which: int) -> str | None:
    number = story.numbers(finding.counterexample)[which]
    if text is None or number is None or number == text:
        return text or number
    return f"{text.partition(', for example')[0]}, here {number}"


def _assumptions(report: Report, quiet: bool) -> list[str]:
    """Every assumption once, with the number of routines that rest on it."""
    users: dict[str, set[tuple[str, str | None]]] = {}
    for finding in report.findings():
        if not (quiet and finding.verdict is Verdict.PROVED):
            for text in finding.assumptions:
                users.setdefault(text, set()).add((finding.file, finding.routine))
    if not users:
        return []
    lines = [f"  {text} ({_count(len(routines))})" for text, routines in users.items()]
    return ["These verdicts assume, beside what SOUNDNESS.md says of all:", *lines, ""]


def _count(number: int, which: str = "") -> str:
    return f"{number} {which}routine{'' if number == 1 else 's'}"


def _summary(report: Report) -> str:
    counts = [f"{number} {verdict}" for verdict, number in report.summary().items() if number]
    routines = sum(len(file.routines) for file in report.files)
    nothing = "nothing to prove" if report.shard is None else "the other parts of the run have them all"
    return f"{_count(routines)}: {', '.join(counts) or nothing}"
