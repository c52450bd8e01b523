"""What is told of one routine: decisions become findings, in the words and addresses of its object and contract."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from verify import patching
from verify.contracts import assumed, handlers
from verify.contracts.schema import Contract
from verify.machine.mode import MODE_31
from verify.machine.show import show
from verify.machine.state import entry_psw_mask
from verify.machine.term import Term
from verify.objfile.image import Image, Place, Symbol
from verify.objfile.lines import source_lines
from verify.properties import Property
from verify.properties.no_stale_read import dead_loads
from verify.prove.decide import Decision, Failure
from verify.report.report import Counterexample, Finding, RoutineReport
from verify.semantics.code import Code
from verify.verdict import Verdict
from verify.walk.path import Path, Stop

_NUMBERED = re.compile(r"#\d+")
_ENTRY_REGISTER = re.compile(r"old\.(r\d+)\b")
_LONGEST = 160


class Teller:
    """Turns decisions into findings with the words and addresses of one routine."""

    def __init__(self, file: str, symbol: Symbol, image: Image, contract: Contract, details: bool = False) -> None:
        self.details = details
        self.assumptions: tuple[Term, ...] = ()
        self.replay = True
        self.file, self.routine, self.symbol, self.image, self.contract = file, symbol.name, symbol, image, contract
        self.assumed = tuple(assumed.sentences(contract))
        self.passed_over: tuple[str, ...] = ()

    def trust(self, paths: Iterable[Path]) -> None:
        """Add to the assumptions what the paths took at its word."""
        self.assumed += tuple(sorted({sentence for path in paths for sentence in path.trusted}))

    def finding(
        self, prop: str | None, verdict: Verdict, message: str, at: Place,
        counterexample: Counterexample | None = None, **details: Any,
    ) -> Finding:  # fmt: skip
        """A finding about this routine, at a place of it."""
        return Finding(
            self.file, self.routine, self.contract.name, prop, verdict, message, self.address(at),
            self.assumed, counterexample=counterexample, **details,
        )  # fmt: skip

    def address(self, place: Place) -> str:
        """A place as reports write it: section+offset, or the virtual address of a linked image."""
        if not self.image.relocatable:
            return hex(place.offset)
        return f"{self.image.space_name(place.space)}+{place.offset:#x}"

    @cached_property
    def lines(self) -> Mapping[tuple[int, int], str]:
        """FILE:LINE by place, from the object's line numbers."""
        return source_lines(self.image.path)

    def source(self, place: Place) -> str | None:
        """FILE:LINE of an instruction, where the object has line numbers."""
        return self.lines.get((place.space, place.offset))

    def trouble(self, verdict: Verdict, message: str, at: Place) -> Finding:
        """A finding about the routine as a whole."""
        return self.finding(None, verdict, message, at)

    def stopped(self, path: Path) -> Finding:
        """The finding that a path was given up."""
        end = path.end
        assert isinstance(end, Stop)
        return self.finding(None, end.verdict, end.reason, end.at, path=path.describe())

    def decided(self, decision: Decision, entry: Place) -> Iterable[Finding]:
        """The findings that a decision comes to."""
        prop = decision.property
        if decision.verdict is Verdict.PROVED:
            yield self.finding(prop.name, Verdict.PROVED, prop.proved, entry)
            return
        if decision.inapplicable and not decision.failures:
            return  # a remark says so
        if decision.verdict is Verdict.VACUOUS and not decision.failures:
            yield self.finding(prop.name, Verdict.VACUOUS, "no path reaches what this property speaks of", entry)
            return
        for failure in decision.failures:
            yield self.failed(prop, failure)

    def failed(self, prop: Property, failure: Failure) -> Finding:
        """The finding on an obligation that does not hold."""
        one = failure.obligation
        sentence = prop.refuted.format(what=one.what, claim=one.claim)
        parts = [failure.note or sentence, *([one.reason] if one.reason and not failure.note else [])]
        expected, found = _shown(failure)
        shown = self.counterexample(failure)
        verdict = Verdict.REFUTED if shown is not None and shown.replayed else failure.verdict
        return self.finding(
            prop.name, verdict, _NUMBERED.sub("", ": ".join(parts)), one.at, shown,
            claim=_NUMBERED.sub("", one.claim), expected=expected, found=found, path=one.path.describe(),
            where=self.meanings(one.claim, expected, found),
        )  # fmt: skip

    def counterexample(self, failure: Failure) -> Counterexample | None:
        """What the solver found, on a machine; an instruction that is a witness itself needs none."""
        if not self.replay or failure.model is None or failure.verdict is not Verdict.UNCONFIRMED:
            return None
        from verify.explain import story  # which needs the emulator

        try:
            return story.tell(
                self.image,
                self.contract,
                self.assumptions,
                failure.obligation,
                failure.model,
                self.address,
                self.source,
            )
        except Exception as problem:  # the finding stands, unconfirmed, and says why
            return Counterexample(
                (), (), (), "", None, None, False, f"not replayed: {type(problem).__name__}: {problem}"
            )

    def meanings(self, *texts: str | None) -> str | None:
        """What the contract says of the registers at entry that these texts mention."""
        words = set(_ENTRY_REGISTER.findall(" ".join(text for text in texts if text)))
        known = [f"old.{name} is {text}" for name, text in self.contract.meaning.items() if name in words]
        return "; ".join(known) or None

    def pass_over(self, decisions: Iterable[Decision]) -> None:
        """Remark on the claims that say nothing of the chosen handler model: no verdict is given on them."""
        model = self.contract.handler
        self.passed_over = tuple(
            f"{decision.property.name}: no verdict on {one.claim!r}: handler {model.model} leaves "
            f"{', '.join(handlers.withheld(self.contract, one.when))} as it is"
            for decision in decisions if model is not None
            for one in decision.inapplicable
        )  # fmt: skip

    def absent(self) -> Iterable[str]:
        """Patch sites of the contract that this object does not have: their states were not proved."""
        for site in self.contract.patches:
            if not patching.places(self.image, site):
                yield f"no patch site {site.name} ({' or '.join(site.symbols)}) in this object"

    def report(self, findings: list[Finding], paths: Iterable[Path]) -> RoutineReport:
        """The report on the routine, with what its paths executed."""
        paths = tuple(paths)
        executed = {(place, path.code) for path in paths for place in (*path.places, *path.out_of_line)}
        spans = _spans({(place, code.fetch(place).length) for place, code in executed})
        remarks = [*dict.fromkeys(remark for path in paths for remark in dead_loads(path)), *self.absent(),
                   *self.passed_over, *self.contract.remarks]  # fmt: skip
        found = RoutineReport(
            self.file, self.routine, self.contract.name, "", tuple(findings),
            tuple(self.span(*span) for span in spans), tuple(self.span(*span) for span in self.missing(spans)),
            tuple(remarks),
        )  # fmt: skip
        return self.drawn(found, paths) if self.details else found

    def drawn(self, found: RoutineReport, paths: tuple[Path, ...]) -> RoutineReport:
        """The report with what is needed to draw the routine."""
        from verify.report import picture  # which needs networkx

        assert self.symbol.place is not None
        code, blocks = picture.graph(Code(self.image, settled=True), self.symbol.place, self.address)
        return replace(found, code=code, blocks=blocks, frame=picture.frame(self.contract, paths, self.address))

    def span(self, first: Place, length: int) -> str:
        """A range of bytes, as reports write it."""
        return f"{self.address(first)}..{first.offset + length:#x}"

    def missing(self, spans: list[tuple[Place, int]]) -> list[tuple[Place, int]]:
        """The bytes of the symbol's own size that no path executed."""
        start = self.symbol.place
        assert start is not None
        at, end = start.offset, start.offset + self.symbol.size
        gaps = []
        for place, length in spans:
            if place.space == start.space and place.offset < end and place.offset + length > at:
                if place.offset > at:
                    gaps.append((Place(start.space, at), place.offset - at))
                at = place.offset + length
        return [*gaps, (Place(start.space, at), end - at)] if at < end else gaps


def _spans(pieces: Iterable[tuple[Place, int]]) -> list[tuple[Place, int]]:
    """Join neighbouring instructions into spans; those that took each other's place overlap."""
    spans: list[tuple[Place, int]] = []
    for place, length in sorted(pieces):
        last = spans[-1] if spans else None
        if last and last[0].space == place.space and last[0].offset + last[1] >= place.offset:
            spans[-1] = (last[0], max(last[1], place.offset + length - last[0].offset))
        else:
            spans.append((place, length))
    return spans


def _shown(failure: Failure) -> tuple[str | None, str | None]:
    """Expected and found: as terms, and their values in the counterexample."""
    one = failure.obligation
    texts = [None if value is None else in_words(value) for value in (one.expected, one.found)]
    plain = [None if text is None else _NUMBERED.sub("", text) for text in texts]
    if plain[0] != plain[1]:  # the numbers of unknowns matter only where nothing else tells two apart
        texts = plain
    expected, found = (
        _example(text, value, failure) for text, value in zip(texts, (one.expected, one.found), strict=True)
    )
    return expected, found


def plain(text: str) -> str:
    """A text without the numbers of unknowns."""
    return _NUMBERED.sub("", text)


def in_words(value: Term) -> str:
    """A term for people, cut where it is long."""
    if value is entry_psw_mask() or value is entry_psw_mask(MODE_31):
        return "old.psw.mask"
    text = show(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " .."


def _example(text: str | None, value: Term | None, failure: Failure) -> str | None:
    if text is None or value is None or value.is_const or failure.model is None:
        return text
    return f"{text}, for example {failure.model.value(value):#x}"
