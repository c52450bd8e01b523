"""What a property is: a statement, its sentences, and the obligations it draws from the paths of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from verify.contracts.expr import Expr, Undefined
from verify.contracts.schema import Claim, Contract
from verify.contracts.scope import Moment
from verify.machine.term import FALSE, TRUE, Term, and_, eq, not_, or_
from verify.objfile.image import Place
from verify.semantics.code import Code
from verify.walk.path import CallMade, Exit, Path


@dataclass(frozen=True)
class Run:
    """All paths of one routine under one contract, in every state of its patch sites."""

    contract: Contract
    code: Code
    paths: tuple[Path, ...]

    def exits(self) -> Iterator[Path]:
        """The paths that came to an end of the routine."""
        return (path for path in self.paths if isinstance(path.end, Exit))

    def calls(self) -> Iterator[tuple[Path, CallMade]]:
        """Every call on a path that came to an end (a path that was given up decides nothing)."""
        return ((path, made) for path in self.exits() for made in path.calls)

    def at_exit(self, path: Path) -> Moment:
        """The contract's view of the end of a path."""
        return Moment(self.contract, path.code.symbol, path.state, path.history)

    def at_call(self, path: Path, made: CallMade) -> Moment:
        """The contract's view of a call; the struct that this call hands out is already bound."""
        history = made.before
        if history.struct is None and made.struct is not None:
            history = replace(history, struct=made.struct)
        return Moment(self.contract, path.code.symbol, made.state, history)


@dataclass(frozen=True)
class Obligation:
    """One thing to prove: under the path's conditions (and `given`), `goal`.

    `claim` is a clause that reads after "that"; `what` names the register or slot. `antecedent` is what the claim
    speaks of: somewhere it must be possible, or the property is vacuous; `when` is how the contract writes it.
    """

    claim: str
    goal: Term
    path: Path
    at: Place
    what: str
    expected: Term | None = None
    found: Term | None = None
    antecedent: Term | None = None
    given: tuple[Term, ...] = ()
    reason: str = ""
    witness: bool = False
    when: Expr | None = None


@dataclass(frozen=True)
class Property:
    """A property: its name in reports, its statement, its sentences, and where its obligations come from."""

    name: str
    statement: str
    proved: str
    refuted: str
    states: Callable[[Contract], bool]
    obligations: Callable[[Run], Iterator[Obligation]]


def anchor(path: Path, claim: str) -> Obligation:
    """An obligation that holds of itself: it says that the property looked at this path, so it is not vacuous."""
    return Obligation(claim, TRUE, path, path.end.at, "")


def equation(
    claim: str, what: str, found: Term, expected: Term, path: Path, at: Place, antecedent: Term | None = None
) -> Obligation:
    """The obligation that a value is the expected one."""
    return Obligation(claim, eq(found, expected), path, at, what, expected, found, antecedent)


def impossible(
    claim: str, what: str, path: Path, at: Place, reason: str, *, given: tuple[Term, ...] = (), witness: bool = False
) -> Obligation:
    """An obligation that fails wherever the path can be taken and `given` holds."""
    return Obligation(claim, FALSE, path, at, what, given=given, reason=reason, witness=witness)


def is_early(run: Run, path: Path) -> bool:
    """Whether the path left before any call, in the way that the contract foresees."""
    return run.contract.early is not None and not path.calls


def claims_for(run: Run, path: Path, name: str) -> tuple[Claim, ...]:
    """The contract's claims for a property at the end of this path."""
    table = run.contract.early_claims if is_early(run, path) else run.contract.claims
    return table.get(name, ())


def claims_at_exits(name: str) -> Callable[[Run], Iterator[Obligation]]:
    """The obligations of a property that the contract states as expressions at the exits."""

    def obligations(run: Run) -> Iterator[Obligation]:
        for path in run.exits():
            claims = claims_for(run, path, name)
            if claims and is_early(run, path):
                yield from _left_early(run, path)
            for claim in claims:
                yield from claimed(run.at_exit(path), claim, path)

    return obligations


def _left_early(run: Run, path: Path) -> Iterator[Obligation]:
    """What is claimed of an early exit is worth something only where the contract lets the routine leave early."""
    early = run.contract.early
    assert early is not None
    claim = f"the routine leaves without a call only when {early.text}"
    try:
        yield Obligation(claim, run.at_exit(path).holds(early), path, path.end.at, "an exit without a call")
    except Undefined as problem:
        yield impossible(claim, "an exit without a call", path, path.end.at, str(problem))


def claimed(moment: Moment, claim: Claim, path: Path) -> Iterator[Obligation]:
    """One claim at one exit."""
    at, text = path.end.at, claim.that.text
    antecedent: Term | None = None
    given: Term | None = None
    try:
        if claim.when is not None:
            antecedent, given = moment.holds(claim.when), moment.may_hold(claim.when)
            text += f", whenever {claim.when.text}"
        goal = moment.holds(claim.that)
        if given is not None:
            goal = or_(not_(given), goal)
        found, expected, what = _sides(moment, claim.that)
        yield Obligation(text, goal, path, at, what, expected, found, antecedent, when=claim.when)
    except Undefined as problem:
        premise = () if given is None else (given,)
        yield Obligation(text, FALSE, path, at, claim.that.text, given=premise, reason=str(problem))


def _sides(moment: Moment, expr: Expr) -> tuple[Term | None, Term | None, str]:
    sides = expr.sides()
    if sides is None:
        return None, None, expr.text
    left, right = sides
    return moment.first(left), moment.first(right), left.text


def states_claims(name: str) -> Callable[[Contract], bool]:
    """Whether a contract states claims of this property."""
    return lambda contract: bool(contract.claims.get(name) or contract.early_claims.get(name))


def all_of(goals: list[Term]) -> Term:
    """Conjunction of a list."""
    return and_(*goals)
