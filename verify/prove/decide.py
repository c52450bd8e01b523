"""Obligations to findings: decide each, join what is one mistake, and never call an empty claim proved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from verify.contracts import handlers
from verify.machine.term import FALSE, TRUE, Term, and_, not_
from verify.objfile.image import Place
from verify.properties.base import Obligation, Property, Run
from verify.prove.smt import QUICK_RLIMIT, Model, Solver, SolverLimit
from verify.verdict import Verdict
from verify.walk.path import Path


@dataclass(frozen=True)
class Failure:
    """An obligation that does not hold, with the solver's counterexample if it has one."""

    obligation: Obligation
    verdict: Verdict
    model: Model | None
    note: str = ""


@dataclass(frozen=True)
class Decision:
    """What became of one property of one routine.

    `inapplicable` are claims that speak of what a handler of the chosen model never does; where there is no other
    claim, the verdict is `vacuous` and there is no failure.
    """

    property: Property
    verdict: Verdict
    failures: tuple[Failure, ...]
    at: Place | None
    checked: int
    inapplicable: tuple[Obligation, ...] = ()


_PATIENCE = 8  # undecided branches of a routine, after which no further one is asked about


class Decider:
    """Decides obligations under the contract's assumptions."""

    def __init__(self, solver: Solver, assumptions: tuple[Term, ...]) -> None:
        self.solver = solver
        self.assumptions = assumptions
        self._reach: dict[int, bool] = {}
        self._undecided = 0
        self._kept: list[Path] = []  # keeps the paths alive that `_reach` names by identity

    def reachable(self, path: Path) -> bool:
        """Whether some start state takes this path. Raises SolverLimit."""
        known = self._reach.get(id(path))
        if known is None:
            known = self.solver.satisfy([*self.assumptions, *path.state.conditions]) is not None
            self._reach[id(path)] = known
            self._kept.append(path)
        return known

    def feasible(self, conditions: list[Term]) -> bool:
        """Whether a branch inside a loop can be taken; what is not decided counts as possible."""
        if self._undecided >= _PATIENCE:
            return True
        try:
            return self.solver.satisfy([*self.assumptions, *conditions], QUICK_RLIMIT) is not None
        except SolverLimit:
            self._undecided += 1
            return True

    def decide(self, prop: Property, run: Run) -> Decision:
        """Decide one property over all paths of a run."""
        obligations = list(prop.obligations(run))
        live: list[Obligation] = []
        failures: list[Failure] = []
        for obligation in obligations:
            try:
                if self.reachable(obligation.path):
                    live.append(obligation)
            except SolverLimit as limit:
                failures.append(Failure(obligation, Verdict.UNKNOWN, None, f"path condition: {limit}"))
        failures += self._check(live)
        empty = self._vacuous(live)
        inapplicable = [one.obligation for one in empty if _beyond_model(run, one)]
        failures += [one for one in empty if one.obligation not in inapplicable]
        spoken = {one.claim for one in inapplicable}
        if not failures and all(one.claim in spoken for one in live):
            return Decision(prop, Verdict.VACUOUS, (), None, 0, tuple(inapplicable))
        return Decision(prop, _worst(failures), tuple(_join(failures)), None, len(live), tuple(inapplicable))

    def _check(self, obligations: list[Obligation]) -> list[Failure]:
        """One query a path where everything holds; then obligation by obligation, the shortest path first.

        What fails on one path for certain is not asked about on a longer one: `_join` tells it once, with this path.
        """
        groups: dict[tuple[int, tuple[Term, ...]], list[Obligation]] = defaultdict(list)
        failures: list[Failure] = []
        broken: set[tuple[str, str]] = set()
        for obligation in obligations:
            if obligation.goal is not TRUE:
                groups[id(obligation.path), obligation.given].append(obligation)
        for group in sorted(groups.values(), key=lambda group: len(group[0].path.places)):
            open_ = [one for one in group if (one.claim, one.what) not in broken]
            if open_ and not self._all_hold(open_):
                found = [failure for one in open_ if (failure := self._one(one))]
                broken |= {(one.obligation.claim, one.obligation.what) for one in found if one.model is not None}
                failures += found
        return failures

    def _premises(self, obligation: Obligation) -> list[Term]:
        return [*self.assumptions, *obligation.path.state.conditions, *obligation.given]

    def _all_hold(self, group: list[Obligation]) -> bool:
        if any(one.goal is FALSE for one in group):
            return False
        goal = not_(and_(*[one.goal for one in group]))
        try:
            return self.solver.satisfy([*self._premises(group[0]), goal]) is None
        except SolverLimit:
            return False

    def _one(self, obligation: Obligation) -> Failure | None:
        try:
            model = self.solver.satisfy([*self._premises(obligation), not_(obligation.goal)])
        except SolverLimit as limit:
            return Failure(obligation, Verdict.UNKNOWN, None, f"the solver gave up: {limit}")
        if model is None:
            return None
        verdict = Verdict.REFUTED if obligation.witness else Verdict.UNCONFIRMED
        return Failure(obligation, verdict, model)

    def _vacuous(self, obligations: list[Obligation]) -> list[Failure]:
        """A claim with a `when` must find some path on which that can be."""
        claims: dict[str, list[Obligation]] = defaultdict(list)
        for obligation in obligations:
            if obligation.antecedent is not None:
                claims[obligation.claim].append(obligation)
        failures = []
        for group in claims.values():
            try:
                possible = any(
                    self.solver.satisfy([*self._premises(one), one.antecedent or TRUE]) is not None for one in group
                )
            except SolverLimit as limit:
                failures.append(Failure(group[0], Verdict.UNKNOWN, None, f"the solver gave up: {limit}"))
                continue
            if not possible:
                failures.append(Failure(group[0], Verdict.VACUOUS, None, "what the claim speaks of never happens"))
        return failures


def _beyond_model(run: Run, failure: Failure) -> bool:
    """Whether a claim is empty because of the handler model: what it speaks of takes a field that this one leaves."""
    return failure.verdict is Verdict.VACUOUS and bool(handlers.withheld(run.contract, failure.obligation.when))


_SEVERITY = (Verdict.REFUTED, Verdict.UNCONFIRMED, Verdict.VACUOUS, Verdict.UNKNOWN, Verdict.PROVED)


def _worst(failures: Iterable[Failure]) -> Verdict:
    found = {failure.verdict for failure in failures} | {Verdict.PROVED}
    return next(verdict for verdict in _SEVERITY if verdict in found)


def _join(failures: list[Failure]) -> list[Failure]:
    """The same claim about the same thing on several paths is one mistake; the shortest path tells it."""
    first: dict[tuple[str, str, Verdict], Failure] = {}
    for failure in sorted(failures, key=lambda f: len(f.obligation.path.places)):
        first.setdefault((failure.obligation.claim, failure.obligation.what, failure.verdict), failure)
    return list(first.values())
