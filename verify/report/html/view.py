"""A report as the page shows it: rows, ids and marks. Nothing is decided here that the report does not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from verify.properties import PROPERTIES
from verify.report import frame, graph
from verify.report.report import Block, FileReport, Finding, Line, Report, RoutineReport, Slot, Step
from verify.verdict import Verdict

WORST = (Verdict.ERROR, Verdict.REFUTED, Verdict.UNCONFIRMED, Verdict.UNSUPPORTED, Verdict.UNKNOWN, Verdict.VACUOUS,
         Verdict.PROVED)  # fmt: skip
SIGNS = {Verdict.PROVED: "✓", Verdict.REFUTED: "✗", Verdict.UNCONFIRMED: "≠", Verdict.VACUOUS: "∅",
         Verdict.UNKNOWN: "?", Verdict.UNSUPPORTED: "–", Verdict.ERROR: "!"}  # fmt: skip
TONES = {Verdict.PROVED: "good", Verdict.REFUTED: "bad", Verdict.UNCONFIRMED: "bad", Verdict.ERROR: "bad"}
MEANINGS = {
    Verdict.PROVED: "holds for every start state and handler that the contract admits, on every path",
    Verdict.REFUTED: "a start state breaks it and a replay showed it, or an instruction of the code is the witness",
    Verdict.UNCONFIRMED: "the solver has a counterexample that no replay reproduced",
    Verdict.VACUOUS: "no start state reaches the place that the claim speaks of, or the assumptions contradict",
    Verdict.UNKNOWN: "a limit was met, or something may alias that nothing rules out",
    Verdict.UNSUPPORTED: "an instruction or construct that the semantics do not cover",
    Verdict.ERROR: "bad input, or a crash while one routine was proved",
}
_FEW = 6  # routines that are all shown open


def tone(verdict: Verdict) -> str:
    """good, bad or open: the three colours of the page."""
    return TONES.get(verdict, "open")


@dataclass(frozen=True)
class Numbered:
    """A finding and its id."""

    id: str
    finding: Finding

    @property
    def open(self) -> bool:
        """Whether it is anything but proved."""
        return self.finding.verdict is not Verdict.PROVED


@dataclass(frozen=True)
class Row:
    """A line of the listing: the slots it stores to, and what is said about it."""

    number: int
    line: Line
    slots: tuple[tuple[int, Slot], ...]
    findings: tuple[Numbered, ...]
    faulty: bool


@dataclass(frozen=True)
class Section:
    """A basic block of the listing."""

    number: int
    block: Block
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class RoutineView:
    """Everything about one routine."""

    id: str
    report: RoutineReport
    findings: tuple[Numbered, ...]
    sections: tuple[Section, ...]
    numbers: dict[str, int]
    graph: str
    frame: str
    shown: str | None
    open: bool

    @property
    def proved(self) -> bool:
        """Whether nothing is left to look at."""
        return bool(self.findings) and not any(one.open for one in self.findings)

    def counts(self) -> tuple[tuple[Verdict, int], ...]:
        """How many findings have each verdict that occurs, the worst first."""
        found = Counter(one.finding.verdict for one in self.findings)
        return tuple((verdict, found[verdict]) for verdict in WORST if found[verdict])

    def cell(self, name: str) -> tuple[Numbered, ...]:
        """The findings about one property, the worst first."""
        found = [one for one in self.findings if one.finding.rule() == name]
        return tuple(sorted(found, key=lambda one: WORST.index(one.finding.verdict)))

    def assumptions(self) -> tuple[str, ...]:
        """What its verdicts rest on."""
        return tuple(dict.fromkeys(text for one in self.findings for text in one.finding.assumptions))


@dataclass(frozen=True)
class FileView:
    """One input."""

    report: FileReport
    troubles: tuple[Numbered, ...]
    routines: tuple[RoutineView, ...]


def files(report: Report) -> tuple[FileView, ...]:
    """All inputs, with ids that are numbered through the whole report."""
    few = sum(len(file.routines) for file in report.files) <= _FEW
    found: list[FileView] = []
    number = 0
    for index, file in enumerate(report.files):
        troubles = tuple(Numbered(f"e{index}-{n}", finding) for n, finding in enumerate(file.troubles))
        routines = tuple(_routine(n, one, few) for n, one in enumerate(file.routines, number))
        number += len(file.routines)
        found.append(FileView(file, troubles, routines))
    return tuple(found)


def _routine(number: int, routine: RoutineReport, few: bool) -> RoutineView:
    prefix = f"r{number}-"
    findings = tuple(Numbered(f"{prefix}f{n}", finding) for n, finding in enumerate(routine.findings))
    marks = _marks(prefix, routine, findings)
    title = f"{routine.routine} in {routine.file}"
    return RoutineView(
        f"r{number}",
        routine,
        findings,
        tuple(_sections(routine, findings, marks.faulty)),
        {line.address: n for n, line in enumerate(routine.code)},
        graph.render(routine.code, routine.blocks, routine.routine, marks, f"Control-flow graph of {title}"),
        frame.render(routine.frame, routine.code, prefix, f"Stack frame of {title}"),
        marks.paths[0][0] if marks.paths else None,
        few or any(one.open for one in findings),
    )


def _steps(finding: Finding) -> tuple[Step, ...]:
    return finding.counterexample.steps if finding.counterexample else ()


def _marks(prefix: str, routine: RoutineReport, findings: Sequence[Numbered]) -> graph.Marks:
    faulty = frozenset(step.address for one in findings for step in _steps(one.finding) if step.faulty)
    paths = [(one.id, [step.address for step in _steps(one.finding)]) for one in findings if _steps(one.finding)]
    blocks = {}
    for number, block in enumerate(routine.blocks):
        about = [one.finding for one in findings if one.open and _concerns(one.finding, block)]
        if about:
            worst = min((finding.verdict for finding in about), key=WORST.index)
            names = dict.fromkeys(finding.rule() for finding in about)
            blocks[number] = (tone(worst), f"{SIGNS[worst]} {worst}: {', '.join(names)}")
    return graph.Marks(prefix, bool(routine.code), blocks, faulty, paths)


def _concerns(finding: Finding, block: Block) -> bool:
    """Whether the finding speaks of the block: its own address, or the step at which the right value was lost."""
    places = [finding.address, *(step.address for step in _steps(finding) if step.faulty)]
    return any(place in block.addresses for place in places)


def _sections(routine: RoutineReport, findings: Sequence[Numbered], faulty: frozenset[str]) -> Iterator[Section]:
    lines = {line.address: (number, line) for number, line in enumerate(routine.code)}
    about: dict[str, list[Numbered]] = {}
    for one in findings:
        if one.open and one.finding.address is not None:
            about.setdefault(one.finding.address, []).append(one)
    written: dict[str, list[tuple[int, Slot]]] = {}
    for number, slot in enumerate(routine.frame):
        for writer in slot.writers:
            written.setdefault(writer, []).append((number, slot))
    for number, block in enumerate(routine.blocks):
        rows = [
            Row(*lines[at], tuple(written.get(at, ())), tuple(about.get(at, ())), at in faulty)
            for at in block.addresses
            if at in lines
        ]
        yield Section(number, block, tuple(rows))


def properties(report: Report) -> tuple[tuple[str, str], ...]:
    """The columns of the overview: every property that occurs, with its statement; `routine` for the whole."""
    occur = dict.fromkeys(finding.rule() for file in report.files for r in file.routines for finding in r.findings)
    known = {prop.name: prop.statement for prop in PROPERTIES}
    ordered = [name for name in known if name in occur] + [name for name in occur if name not in known]
    return tuple((name, known.get(name, "trouble with the routine as a whole")) for name in ordered)


def assumptions(routines: Iterable[RoutineView]) -> dict[str, tuple[RoutineView, ...]]:
    """Every assumption once, with the routines that rest on it."""
    users: dict[str, tuple[RoutineView, ...]] = {}
    for routine in routines:
        for text in routine.assumptions():
            users[text] = (*users.get(text, ()), routine)
    return users
