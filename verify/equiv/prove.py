"""Two routines under one contract: walk both, judge all pairs of paths, tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from verify import routine, telling
from verify.contracts.schema import Contract
from verify.equiv import pairs
from verify.equiv.compare import Track
from verify.equiv.names import Interned, Names
from verify.equiv.sides import Side
from verify.equiv.view import Viewer, speaks_of_its_place
from verify.errors import Undecided, Unsupported
from verify.machine.term import Term
from verify.objfile.image import Image, Place, Symbol
from verify.properties import equivalent
from verify.properties.base import Run
from verify.prove import emptied
from verify.prove.decide import Decider
from verify.prove.smt import Solver, SolverLimit
from verify.report.report import Counterexample, Finding, RoutineReport
from verify.semantics.code import Code
from verify.verdict import Verdict
from verify.walk.path import Exit, Patched, Path, Stop

MOST_FINDINGS = 16
_RULE = equivalent.PROPERTY
_AGES = ("old", "new")
_WITH, _WITHOUT = "with ", "without "  # how a path tells the machine's features, see patching
_LITERALS = "sections that are not writable hold what the object says"
_WHOLE = "no patch site is half written when control comes there"
_SYMBOLS = "both objects mean the same by the name of a global symbol"


@dataclass(frozen=True)
class Subject:
    """One of the two routines: its file as it was named, its image, its symbol."""

    file: str
    image: Image
    symbol: Symbol

    @property
    def place(self) -> Place:
        """Where it begins."""
        assert self.symbol.place is not None
        return self.symbol.place


def prove(
    old: Subject, new: Subject, contract: Contract, *, strict: bool = False, details: bool = False, replay: bool = True
) -> RoutineReport:
    """Prove that two routines behave alike. Raises nothing on purpose: trouble is a finding.

    `strict` compares all general registers and the condition code, `details` and `replay` are as in `routine.prove`.
    """
    return _Comparison(old, new, contract, strict=strict, details=details, replay=replay).report()


def crashed(old: Subject, new: Subject, contract: Contract, what: str) -> RoutineReport:
    """The report on a pair whose comparison ended with a crash or a hang."""
    return routine.crashed(new.file, new.image, new.symbol, contract, f"beside {old.file}: {old.symbol.name}: {what}")


class _Comparison:
    def __init__(
        self, old: Subject, new: Subject, contract: Contract, *, strict: bool, details: bool, replay: bool
    ) -> None:
        self.subjects = (old, new)
        self.contract, self.replay = contract, replay
        alone, record = old.image is not new.image, speaks_of_its_place(contract)
        self.sides = [
            Side(f"{age} object", one.image, one.symbol, alone, record)
            for age, one in zip(_AGES, self.subjects, strict=True)
        ]
        self.tellers = [
            telling.Teller(one.file, one.symbol, one.image, contract, details and one is new) for one in self.subjects
        ]
        self.strict, self.interned = strict, Interned()
        self.paths: list[tuple[Path, ...]] = [(), ()]

    def report(self) -> RoutineReport:
        """All there is to say."""
        try:
            findings = self.findings()
        except (Unsupported, Undecided, SolverLimit) as problem:
            verdict = Verdict.UNSUPPORTED if isinstance(problem, Unsupported) else Verdict.UNKNOWN
            reason = f"the solver gave up: {problem}" if isinstance(problem, SolverLimit) else str(problem)
            findings = [self.trouble(verdict, reason)]
        drawn = [teller.report([], paths) for teller, paths in zip(self.tellers, self.paths, strict=True)]
        remarks = [f"{age} routine: {remark}" for age, one in zip(_AGES, drawn, strict=True) for remark in one.remarks]
        if drawn[0].unexecuted:
            remarks.append(f"old routine: not executed on any path: {', '.join(drawn[0].unexecuted)}")
        return replace(drawn[1], findings=tuple(findings), remarks=tuple(remarks))

    def trouble(self, verdict: Verdict, reason: str, at: Place | None = None) -> Finding:
        """A finding that is no difference; `at` is a place of the new routine."""
        return self.tellers[1].trouble(verdict, reason, self.subjects[1].place if at is None else at)

    def findings(self) -> list[Finding]:
        """What the comparison comes to. Raises Unsupported, Undecided and SolverLimit."""
        solver, deciders = Solver(), []
        for number, subject in enumerate(self.subjects):
            assumed = routine.assumptions(self.contract, Code(subject.image), subject.place)
            deciders.append(Decider(solver, assumed))
            self.paths[number] = tuple(routine.walk(subject.image, self.contract, subject.place, deciders[number]))
            self.tellers[number].trust(self.paths[number])
            emptied.check(deciders[number], Run(self.contract, Code(subject.image), self.paths[number]))
        told = [text for teller in self.tellers for text in teller.assumed]
        self.tellers[1].assumed = tuple(dict.fromkeys([*told, *([_SYMBOLS] if self.sides[0].alone else [])]))
        given_up = [finding for number in (0, 1) for finding in self.given_up(number, deciders[number])]
        judge = pairs.Judge(solver, deciders[0].assumptions)
        tracks = [[self.track(number, path) for path in self.paths[number]] for number in (0, 1)]
        if any(track.names.literal for side in tracks for track in side):
            self.tellers[1].assumed += (_LITERALS,)
        if any(path.choice.half for side in self.paths for path in side):
            self.tellers[1].assumed += (_WHOLE,)
        for olds, news in _states(*tracks):
            judge.judge(olds, news)
        return [*given_up, *self.judged(judge, complete=not given_up)]

    def track(self, number: int, path: Path) -> Track:
        """A path of one side, ready to be compared."""
        side = self.sides[number]
        names = Names(side, path, self.interned)
        viewer = Viewer(Run(self.contract, path.code, ()), strict=self.strict)
        return Track(path, names, viewer, tuple(names(condition) for condition in path.state.conditions))

    # What was given up

    def given_up(self, number: int, decider: Decider) -> Iterator[Finding]:
        """The paths of one side that have no end, or that a comparison has no meaning for."""
        age, subject, teller = _AGES[number], self.subjects[number], self.tellers[number]
        told = set()
        for path in self.paths[number]:
            end = path.end
            reason = end.reason if isinstance(end, Stop) else _refused(path)
            if reason and (reason, end.at) not in told and routine.possible(decider, path):
                told.add((reason, end.at))
                verdict = end.verdict if isinstance(end, Stop) else Verdict.UNSUPPORTED
                where = "" if number else f" [{subject.file} {teller.address(end.at)}]"
                yield self.trouble(verdict, f"{age} routine: {reason}{where}", end.at if number else None)

    # Verdicts

    def judged(self, judge: pairs.Judge, *, complete: bool) -> Iterator[Finding]:
        """The judgement as findings; `proved` only where nothing at all was left open."""
        found = judge.judgement
        yield from (self.finding(one, judge.assumptions) for one in found.found[:MOST_FINDINGS])
        if len(found.found) > MOST_FINDINGS:
            yield self.trouble(Verdict.UNKNOWN, f"{len(found.found) - MOST_FINDINGS} more differences are not told")
        for track, reason in found.undecided:
            yield self.trouble(Verdict.UNKNOWN, f"{reason} (old routine: {track.path.describe()})")
        if not found.pairs and complete and not found.undecided:
            yield self.trouble(Verdict.VACUOUS, "no start state takes both routines to an exit")
        elif complete and not found.found and not found.undecided:
            yield self.tellers[1].finding(_RULE.name, Verdict.PROVED, _RULE.proved, self.subjects[1].place)

    def finding(self, one: pairs.Disagreement, premises: Sequence[Term]) -> Finding:
        """One disagreement, shown on the machine where there is a start state for it."""
        each = one.difference
        shown = None if one.model is None or not self.replay else self.counterexample(one, premises)
        verdict = Verdict.REFUTED if shown is not None and shown.replayed else one.verdict
        message = ": ".join([_RULE.refuted.format(what=each.what), *filter(None, (each.reason, one.note))])
        values = ((one.one.names, each.old), (one.other.names, each.new))
        expected, found = (
            None if value is None else telling.plain(telling.in_words(names(value))) for names, value in values
        )
        return self.tellers[1].finding(
            _RULE.name, verdict, telling.plain(message), each.at_new, shown,
            claim=f"{each.what} is the same", expected=expected, found=found,
            path=f"old: {one.one.path.describe()}; new: {one.other.path.describe()}",
            where=self.tellers[1].meanings(expected, found),
        )  # fmt: skip

    def counterexample(self, one: pairs.Disagreement, premises: Sequence[Term]) -> Counterexample:
        """Both routines on the emulator."""
        from verify.equiv import both  # which needs the emulator

        assert one.model is not None
        old, new = (
            both.Words(subject.file, subject.symbol.name, teller.address, teller.source)
            for subject, teller in zip(self.subjects, self.tellers, strict=True)
        )
        try:
            return both.show(self.contract, premises, one.difference, one.one, one.other, one.model, (old, new))
        except Exception as problem:  # the finding stands, unconfirmed, and says why
            why = f"not replayed: {type(problem).__name__}: {problem}"
            return Counterexample((), (), (), "", None, None, False, why)


def _refused(path: Path) -> str:
    """Why a path that came to an end cannot be compared, if that is so."""
    for place in path.places:
        if path.code.fetch(place).mnemonic == "SVC":
            return f"what a supervisor call does is not compared: {path.code.image.label(place)}"
    return ""


def _states(olds: Sequence[Track], news: Sequence[Track]) -> Iterator[tuple[list[Track], list[Track]]]:
    """The paths of both sides that one state of the patch sites and of the machine's features allows together.

    A site or feature that one side never comes to makes no difference to it. A site that is written in part, as another
    CPU may find it for a moment, is not compared: its bytes are those of one object.
    """
    old, new = _by_choice(olds), _by_choice(news)
    both = _sites(olds) & _sites(news)
    for left, some in old.items():
        for right, others in new.items():
            alike = not (set(left.on) ^ set(right.on)) & both and _written(left, both) == _written(right, both)
            if alike and not _apart(left, right):
                yield some, others


def _by_choice(tracks: Sequence[Track]) -> dict[Patched, list[Track]]:
    found: dict[Patched, list[Track]] = {}
    for track in tracks:
        if isinstance(track.path.end, Exit) and not track.path.choice.half:
            found.setdefault(track.path.choice, []).append(track)
    return found


def _sites(tracks: Sequence[Track]) -> set[str]:
    return {name for track in tracks for name in (*track.path.choice.on, *track.path.choice.half)}


def _written(choice: Patched, sites: set[str]) -> set[str]:
    """What stands at the sites that may hold more than two things: see sitestates, which tells it so."""
    return {text for text in choice.texts if text.partition(" as ")[0] in sites}


def _apart(left: Patched, right: Patched) -> bool:
    """Whether one side is as on a machine with a feature, the other as on one without."""
    opposite = {text.replace(_WITH, _WITHOUT, 1) for text in left.texts if text.startswith(_WITH)}
    opposite |= {text.replace(_WITHOUT, _WITH, 1) for text in left.texts if text.startswith(_WITHOUT)}
    return not opposite.isdisjoint(right.texts)
