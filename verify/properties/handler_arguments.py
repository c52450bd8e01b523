"""handler-arguments: the right handler is called, when it must be, with what its C prototype expects."""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.expr import Undefined
from verify.contracts.schema import Call, Contract
from verify.machine.term import FALSE, Term, eq, not_, zero_extend
from verify.properties.base import Obligation, Property, Run, claims_at_exits, impossible
from verify.walk.path import CallMade, Path


def obligations(run: Run) -> Iterator[Obligation]:
    """Each declared call: made exactly when the contract says, to its target, with its arguments."""
    for path in run.exits():
        made = {call.spec.name: call for call in path.calls}
        for call in path.calls:
            if call.spec.named:
                yield from _made(run, path, call, call.spec)
        for spec in run.contract.calls:
            if spec.to is None:
                continue
            if spec.name in made:
                yield from _made(run, path, made[spec.name], spec)
            else:
                yield from _not_made(run, path, spec)
    yield from claims_at_exits("handler-arguments")(run)


def _made(run: Run, path: Path, call: CallMade, spec: Call) -> Iterator[Obligation]:
    moment, mode = run.at_call(path, call), call.state.mode
    if path.choice.excludes(spec.patch):
        yield impossible(
            f"{spec.name} is called only when {spec.patch} is switched on", spec.name, path, call.at,
            f"{spec.name} is called although {spec.patch} is off",
        )  # fmt: skip
    if spec.when is not None:
        claim = f"{spec.name} is called only when {spec.when.text}"
        try:
            yield Obligation(claim, moment.holds(spec.when), path, call.at, f"the call of {spec.name}")
        except Undefined as problem:
            yield impossible(claim, f"the call of {spec.name}", path, call.at, str(problem))
    if spec.to is not None:
        claim = f"the call goes to {spec.to.text}"
        try:
            goal = moment.for_some_read(spec.to, lambda to: eq(call.target, mode.address(to)))
            expected: Term | None = mode.address(moment.first(spec.to))
            yield Obligation(claim, goal, path, call.at, f"the target of {spec.name}", expected, call.target)
        except Undefined as problem:
            yield impossible(claim, f"the target of {spec.name}", path, call.at, f"{problem}: {call.target} is called")
    for register, wanted in spec.arguments.items():
        found, name = call.state.seen(register), f"r{register} at the call of {spec.name}"
        claim = f"r{register} == {wanted.text} at the call of {spec.name}"
        try:
            expected = moment.first(wanted)
            if expected.width == 0:  # a condition on the register, not its value
                claim, expected = f"{wanted.text} at the call of {spec.name}", None
            goal = moment.for_some_read(wanted, lambda value, f=found: _meets(f, value))  # type: ignore[misc]
            yield Obligation(claim, goal, path, call.at, name, expected, found)
        except Undefined as problem:
            yield impossible(claim, name, path, call.at, f"{problem}; found {found}")
    for required in spec.requires:
        claim, what = f"{required.text} at the call of {spec.name}", f"what {spec.name} finds"
        try:
            yield Obligation(claim, moment.holds(required), path, call.at, what)
        except Undefined as problem:
            yield impossible(claim, what, path, call.at, str(problem))


def _meets(found: Term, wanted: Term) -> Term:
    """An argument is a value, or (where the expression is a Bool) a condition on it."""
    return wanted if wanted.width == 0 else eq(found, zero_extend(wanted, max(wanted.width, found.width)))


def _not_made(run: Run, path: Path, spec: Call) -> Iterator[Obligation]:
    if not path.choice.requires(spec.patch):
        return
    claim = f"{spec.name} is called" + (f" when {spec.when.text}" if spec.when else "")
    moment, reason = run.at_exit(path), f"{spec.name} is not called on this path"
    goal = FALSE
    if spec.when is not None:
        try:
            # Not called: then for every read of the variables in it the condition is false.
            goal = not_(moment.may_hold(spec.when))
        except Undefined as problem:
            reason = f"{reason}, and {problem}"
    yield Obligation(claim, goal, path, path.end.at, f"the call of {spec.name}", reason=reason)


def _states(contract: Contract) -> bool:
    return any(not call.is_any for call in contract.calls)


PROPERTY = Property(
    name="handler-arguments",
    statement="the handler that the contract names is called when it must be, with r2.. as its C prototype expects",
    proved="the handlers are called with the right arguments",
    refuted="{what} is wrong",
    states=_states,
    obligations=obligations,
)
