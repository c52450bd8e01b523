"""One routine under one contract: walk, prove, tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from verify import patching
from verify.contracts import handlers
from verify.contracts.expr import Expr, Undefined
from verify.contracts.schema import Contract
from verify.contracts.scope import History, Moment
from verify.contracts.sites import AT_ONCE
from verify.errors import Undecided, Unsupported
from verify.machine.mode import MODE_31, MODES
from verify.machine.show import show
from verify.machine.state import State, entry_psw_mask, entry_state
from verify.machine.storage import Ranges
from verify.machine.term import Term
from verify.objfile.image import Image, Place, Symbol
from verify.objfile.lines import source_lines
from verify.properties import Property
from verify.properties.base import Run
from verify.properties.no_stale_read import dead_loads
from verify.prove.decide import Decider, Decision, Failure
from verify.prove.smt import Solver, SolverLimit
from verify.report.report import Counterexample, Finding, RoutineReport
from verify.semantics.code import Code
from verify.verdict import Verdict
from verify.walk.explore import explore
from verify.walk.path import Patched, Path, Stop
from verify.walk.under_way import Watch

_NUMBERED = re.compile(r"#\d+")
_ENTRY_REGISTER = re.compile(r"old\.(r\d+)\b")
_LONGEST = 160
_BELOW_2_GIB = "the machine is and stays in the 31-bit addressing mode, and every symbol lies below 2 GiB"
_SWITCHES = "{} point into another stack, on which interrupts run from then on; nothing else writes to this one then"
_ASSUMED = {
    "symbols": "storage at a symbol plus a constant does not lie on the stack",
    "lowcore": "the lowcore (0 to {lowcore}) does not lie on the stack",
    "pointers": "pointers from the caller or from storage do not point into the routine's own frame or its save area",
}


def prove(
    file: str, image: Image, symbol: Symbol, contract: Contract, chosen: Iterable[Property], *,
    details: bool = False, replay: bool = True,
) -> RoutineReport:  # fmt: skip
    """Prove the chosen properties of one routine. Raises nothing on purpose: trouble is a finding.

    `details` asks for what a report needs to draw the routine: instructions, basic blocks and stack frame. Without
    `replay` no counterexample is run on the emulator, and all stay unconfirmed.
    """
    assert symbol.place is not None
    teller = Teller(file, symbol, image, contract, details)
    code = Code(image)
    solver = Solver()
    try:
        decider = Decider(solver, assumptions(contract, code, symbol.place))
        paths = tuple(walk(image, contract, symbol.place, decider))
        stops = _stops(paths, decider)
    except (Unsupported, Undecided, SolverLimit) as problem:
        verdict = Verdict.UNSUPPORTED if isinstance(problem, Unsupported) else Verdict.UNKNOWN
        reason = f"the solver gave up: {problem}" if isinstance(problem, SolverLimit) else str(problem)
        return teller.report([teller.trouble(verdict, reason, symbol.place)], ())
    teller.trust(paths)
    teller.assumptions, teller.replay = decider.assumptions, replay
    run = Run(contract, code, paths)
    stated = [prop for prop in chosen if prop.states(contract)]
    findings = [teller.stopped(path) for path in stops]
    try:
        decisions = [decider.decide(prop, run) for prop in stated]
    except Undecided as problem:
        return teller.report([*findings, teller.trouble(Verdict.UNKNOWN, str(problem), symbol.place)], paths)
    if not any(possible(decider, path) for path in run.exits()):
        if not stops:
            findings.append(teller.trouble(Verdict.VACUOUS, "no start state reaches an exit", symbol.place))
        return teller.report(findings, paths)
    for decision in decisions:
        if stops and decision.verdict is Verdict.PROVED:
            continue  # proved only for the paths that were not given up: no verdict
        findings += teller.decided(decision, symbol.place)
    teller.pass_over(decisions)
    if stated and not findings:
        model = contract.handler.model if contract.handler else "none"
        nothing = f"nothing of what was chosen is claimed of handler {model}"
        findings.append(teller.trouble(Verdict.VACUOUS, nothing, symbol.place))
    if not stated:
        findings.append(teller.trouble(Verdict.VACUOUS, "the contract states none of these properties", symbol.place))
    return teller.report(findings, paths)


def crashed(file: str, image: Image, symbol: Symbol, contract: Contract, what: str) -> RoutineReport:
    """The report on a routine whose proof ended with a crash or a hang: an `error`, and nothing was executed."""
    assert symbol.place is not None
    teller = Teller(file, symbol, image, contract)
    finding = teller.trouble(Verdict.ERROR, f"{file}: {symbol.name}: {what}", symbol.place)
    return teller.report([finding], ())


def walk(
    image: Image, contract: Contract, entry: Place, decider: Decider, watch: Watch | None = None
) -> Iterable[Path]:
    """All paths in all states of the code that the kernel patches."""

    def one(code: Code, choice: Patched) -> list[Path]:
        return list(explore(code, contract, entry, choice, decider.feasible, watch))

    return patching.every(image, contract, entry, one)


def assumptions(contract: Contract, code: Code, entry: Place) -> tuple[Term, ...]:
    """The contract's `assume` as terms."""
    state = entry_state(code.address(entry), Ranges(()), code.mode)
    moment = Moment(contract, code.symbol, state, History(entry=code.address(entry)))
    return tuple(_at_entry(expr, moment, state) for expr in contract.assume)


def _at_entry(expr: Expr, moment: Moment, _state: State) -> Term:
    try:
        return moment.holds(expr)
    except Undefined as problem:
        raise Undecided(f"assumption {expr.text!r}: {problem}") from problem


def possible(decider: Decider, path: Path) -> bool:
    """A path that was given up counts, unless it certainly cannot be taken."""
    try:
        return decider.reachable(path)
    except SolverLimit:
        return True


def _stops(paths: Iterable[Path], decider: Decider) -> list[Path]:
    """The paths that were given up, unless they cannot be taken: one for each reason and place, which costs a query."""
    found: dict[tuple[object, ...], Path] = {}
    for path in paths:
        if isinstance(end := path.end, Stop):
            key = (end.verdict, end.reason, end.at)
            if key not in found and possible(decider, path):
                found[key] = path
    return list(found.values())


class Teller:
    """Turns decisions into findings with the words and addresses of one routine."""

    def __init__(self, file: str, symbol: Symbol, image: Image, contract: Contract, details: bool = False) -> None:
        self.details = details
        self.assumptions: tuple[Term, ...] = ()
        self.replay = True
        self.file, self.routine, self.symbol, self.image, self.contract = file, symbol.name, symbol, image, contract
        self.assumed = tuple(_assumed(contract))
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
                   *self.passed_over]  # fmt: skip
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


def _assumed(contract: Contract) -> Iterable[str]:
    """The contract's own assumptions as sentences; the standing ones are in SOUNDNESS.md."""
    yield from (expr.text for expr in contract.assume)
    last = MODES[contract.bits].lowcore - 1
    yield from (_ASSUMED[kind].format(lowcore=last) for kind in contract.separate)
    if contract.regions:
        named = ", ".join(f"{one.name} ({one.size} bytes at {one.base.text})" for one in contract.regions)
        yield f"{named} do not overlap"
    if contract.switches:
        yield _SWITCHES.format(", ".join(expr.text for expr in contract.switches))
    if contract.bits == 31:
        yield _BELOW_2_GIB
    yield from (
        f"another CPU finds patch site {site.name} as it was or as it is written, and nothing between"
        for site in contract.patches
        if site.writing.way == AT_ONCE
    )
    yield from (f"the machine is one {'with' if has else 'without'} {name}" for name, has in contract.machine.items())
    yield from (f"the lowcore holds the code {raw.hex()} at {name}" for name, raw in contract.lowcore.items())
    if contract.calls:
        changed = ", ".join(contract.clobbers)
        yield f"a callee changes only {changed}, the condition code, its save area, what lies below r15 and storage " \
              "outside the stack, and returns"  # fmt: skip
    yield from handlers.sentences(contract)
    for call in contract.calls:
        if call.named:
            through = " and ".join(f"{struct} at r{register}" for register, struct in call.into.items())
            yield f"{call.name} ({', '.join(call.named)}) writes {through or 'nothing'} of the frames of the routine " \
                  "and its caller"  # fmt: skip
        yield from (f"{promise.text} when {call.name} returns" for promise in call.ensures)
        if call.is_any:
            yield "no callee writes over registers that the routine saved in its frame"
