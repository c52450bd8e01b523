"""One routine under one contract: walk, prove, tell."""

from __future__ import annotations

from collections.abc import Iterable

from verify import patching
from verify.contracts.expr import Expr, Undefined
from verify.contracts.schema import Contract
from verify.contracts.scope import History, Moment
from verify.errors import Undecided, Unsupported
from verify.machine.state import State, entry_state
from verify.machine.storage import Ranges
from verify.machine.term import Term
from verify.objfile.image import Image, Place, Symbol
from verify.properties import Property
from verify.properties.base import Run
from verify.prove import emptied
from verify.prove.decide import Decider
from verify.prove.smt import Solver, SolverLimit
from verify.report.report import RoutineReport
from verify.semantics.code import Code
from verify.telling import Teller
from verify.verdict import Verdict
from verify.walk.explore import explore
from verify.walk.path import Patched, Path, Stop
from verify.walk.under_way import Watch


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
        emptied.check(decider, Run(contract, code, paths))
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
