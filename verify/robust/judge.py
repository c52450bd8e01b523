"""From proofs in moved layouts to one verdict on layout-robust, with the numbers that stayed as its witnesses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from verify.contracts.schema import Contract
from verify.objfile.image import Image, Place, Symbol
from verify.objfile.lines import source_lines
from verify.properties.layout_robust import PROPERTY
from verify.report.report import Finding, Line, RoutineReport
from verify.robust.compare import Reach, Witness
from verify.robust.variants import Variant
from verify.robust.written import line
from verify.semantics import disassemble
from verify.semantics.code import Code
from verify.verdict import Verdict

_BROKEN = frozenset({Verdict.REFUTED, Verdict.UNCONFIRMED})


@dataclass(frozen=True)
class Outcome:
    """What became of one routine in one moved layout.

    `trouble` says why there is no report: the source was not assembled, the routine is gone, the proof crashed.
    """

    variant: Variant
    report: RoutineReport | None
    trouble: str | None
    witnesses: tuple[Witness, ...] = ()

    def failing(self) -> tuple[Finding, ...]:
        """What is not proved."""
        return tuple(one for one in self.report.findings if one.verdict is not Verdict.PROVED) if self.report else ()

    def broken(self) -> tuple[Finding, ...]:
        """What is refuted."""
        return tuple(one for one in self.failing() if one.verdict in _BROKEN)

    def open(self, plain: RoutineReport) -> str | None:
        """Why nothing is decided in this layout, if that is so; `plain` is the report in the layout as it is."""
        if self.report is None:
            return self.trouble
        for one in self.failing():
            return f"{one.rule()} {one.verdict}: {one.message}"
        lost = _properties(plain) - _properties(self.report)
        return f"nothing was decided about {', '.join(sorted(lost))}" if lost else None


def _properties(report: RoutineReport) -> set[str]:
    return {one.property for one in report.findings if one.verdict is Verdict.PROVED and one.property}


class Judge:
    """The verdict on one routine of a source, in words that name the lines of the source."""

    def __init__(self, file: Path, image: Image, symbol: Symbol, contract: Contract, texts: Sequence[Path]) -> None:
        """`image` is the object of the source as it is, `texts` the files that it was made of."""
        assert symbol.place is not None
        self.file, self.image, self.symbol, self.contract = str(file), image, symbol, contract
        self.entry, self.code, self.texts = symbol.place, Code(image), texts
        self.numbers: dict[str, Reach] = {}

    def report(self, plain: RoutineReport, outcomes: Sequence[Outcome], remarks: Iterable[str] = ()) -> RoutineReport:
        """The report on the routine: the verdict, and what was noticed beside it."""
        bad = [one for one in plain.findings if one.verdict is not Verdict.PROVED]
        if bad:
            findings = [*bad, self._undecided(plain)]
        else:
            findings = self._refuted(outcomes) or self._open(plain, outcomes) or [self._proved(outcomes, plain)]
        told = {one.address for one in findings}
        numbers = _witnesses(outcomes).values()
        self.numbers = {self._address(one.reach.place): one.reach for one in numbers}
        notes = [self._noted(one, bool(bad)) for one in numbers if self._address(one.reach.place) not in told]
        return RoutineReport(
            self.file, self.symbol.name, self.contract.name, plain.reason, tuple(findings), plain.executed,
            plain.unexecuted, (*remarks, *notes, *_tried(outcomes)), tuple(self._lines(findings)),
        )  # fmt: skip

    # Verdicts

    def _undecided(self, plain: RoutineReport) -> Finding:
        assumed = plain.findings[0].assumptions
        return self._finding(
            Verdict.UNKNOWN, "not decided: the routine is not proved in the layout as it is", self.entry, assumed
        )

    def _refuted(self, outcomes: Sequence[Outcome]) -> list[Finding]:
        """One finding for each number that stayed in a layout where the proof breaks; without one, the break itself."""
        broken = [one for one in outcomes if one.broken()]
        found = []
        for reach, witness in _witnesses(broken).items():
            where = [one for one in broken if any(other.reach == reach for other in one.witnesses)]
            first = where[0].broken()[0]
            claim = f"the routine is proved in the layout `{where[0].variant.name}`"
            message = f"{self._line(reach)}{witness.sentence}"
            finding = self._finding(Verdict.REFUTED, message, reach.place, first.assumptions)
            found.append(
                replace(
                    finding, claim=claim, found=f"{first.rule()}: {first.message}", where=f"`{self._text(reach.place)}`"
                )
            )
        return found or [self._break(one) for one in broken[:1]]

    def _break(self, one: Outcome) -> Finding:
        """What fails in a moved layout, where no number is to blame."""
        first = one.broken()[0]
        message = f"{first.rule()} fails in the layout `{one.variant.name}`, and no number stayed: {first.message}"
        finding = self._finding(first.verdict, message, self.entry, first.assumptions)
        return replace(
            finding, counterexample=first.counterexample, claim=first.claim, path=first.path, expected=first.expected,
            found=first.found,
        )  # fmt: skip

    def _open(self, plain: RoutineReport, outcomes: Sequence[Outcome]) -> list[Finding]:
        reasons = [(one, why) for one in outcomes if (why := one.open(plain)) is not None]
        if not reasons:
            return []
        one, why = reasons[0]
        message = f"not decided in {len(reasons)} of {len(outcomes)} moved layouts; `{one.variant.name}`: {why}"
        numbers = [f"{self._line(found.reach)}{found.sentence}" for found in one.witnesses]
        words = "; ".join([message, *numbers])
        return [self._finding(Verdict.UNKNOWN, words, self.entry, plain.findings[0].assumptions)]

    def _proved(self, outcomes: Sequence[Outcome], plain: RoutineReport) -> Finding:
        assumed = plain.findings[0].assumptions if plain.findings else ()
        return self._finding(Verdict.PROVED, f"{PROPERTY.proved} ({len(outcomes)} of them)", self.entry, assumed)

    def _finding(self, verdict: Verdict, message: str, at: Place, assumed: tuple[str, ...]) -> Finding:
        return Finding(
            self.file, self.symbol.name, self.contract.name, PROPERTY.name, verdict, message, self._address(at), assumed
        )

    # Words

    def _noted(self, witness: Witness, undecided: bool) -> str:
        return self._line(witness.reach) + witness.sentence + ("" if undecided else ", and no claim fails for it")

    def _line(self, reach: Reach) -> str:
        """Where a number stands, as the beginning of a sentence."""
        return f"{self._written(reach) or self.image.label(reach.place)}: "

    def _written(self, reach: Reach) -> str | None:
        place = reach.place
        recorded = source_lines(self.image.path).get((place.space, place.offset))
        return line(recorded, self.texts, self._text(place).partition(" ")[0], reach.text)

    def _address(self, place: Place) -> str:
        return f"{self.image.space_name(place.space)}+{place.offset:#x}"

    def _text(self, place: Place) -> str:
        insn = self.code.fetch(place)
        return disassemble.text(insn)

    def _lines(self, findings: Iterable[Finding]) -> Iterator[Line]:
        """The instructions that are witnesses, with their source lines, for reports that point at these."""
        for address in dict.fromkeys(one.address for one in findings if one.verdict in _BROKEN and one.address):
            reach = self.numbers.get(address)
            if reach is not None:
                insn = self.code.fetch(reach.place)
                source = (self._written(reach) or "").partition(" ")[0]
                yield Line(
                    address, self.image.label(reach.place), insn.raw.hex(), self._text(reach.place), source or None
                )


def _witnesses(outcomes: Iterable[Outcome]) -> dict[Reach, Witness]:
    """Each number that stayed once, in the order of the code, with what was said of it first."""
    found: dict[Reach, Witness] = {}
    for one in outcomes:
        for witness in one.witnesses:
            found.setdefault(witness.reach, witness)
    return dict(sorted(found.items(), key=lambda item: (item[0].place, item[0].field)))


def _tried(outcomes: Sequence[Outcome]) -> Iterator[str]:
    if outcomes:
        yield f"moved layouts: {'; '.join(one.variant.name for one in outcomes)}"
