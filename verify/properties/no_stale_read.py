"""no-stale-read: nothing that was never written may matter.

A value that depends on unwritten storage, or on what a call left in a volatile register, matters if two different
contents of those give two different results: the obligation compares the value with a copy of itself in which every
indeterminate unknown is another one.
"""

from __future__ import annotations

from collections.abc import Iterator

from verify.contracts.registers import registers
from verify.machine.rewrite import substitute
from verify.machine.term import INDETERMINATE, Term, const, eq, ite, leaf
from verify.objfile.image import Place
from verify.properties.base import Obligation, Property, Run, anchor
from verify.walk.path import Path

Sink = tuple[str, Term, Place]


def obligations(run: Run) -> Iterator[Obligation]:
    """Exit registers, handler arguments, branches, stores outside the own frame, listed fields."""
    for path in run.exits():
        yield anchor(path, "nothing unwritten matters")
        conditions = path.state.conditions
        for index, condition in enumerate(conditions):
            # The other machine has come to the same branch: only what was decided before is given.
            yield from _independent(path, ("a branch", condition, path.end.at), conditions[:index])
        for sink in _sinks(run, path):
            yield from _independent(path, sink, conditions)


def _independent(path: Path, sink: Sink, conditions: list[Term]) -> Iterator[Obligation]:
    """A value is the same in a twin of this run in which whatever nothing defined has other contents."""
    what, value, at = sink
    unknowns = indeterminate(value)
    if not unknowns:
        return
    other = _poisoned([*unknowns, *[unknown for condition in conditions for unknown in indeterminate(condition)]])
    given = tuple(substitute(condition, other) for condition in conditions)
    names = ", ".join(sorted(str(unknown) for unknown in unknowns))
    yield Obligation(
        f"{what} does not depend on {names}", eq(value, substitute(value, other)), path, at, what, found=value,
        given=given, reason=f"{what} depends on {names}",
    )  # fmt: skip


def _sinks(run: Run, path: Path) -> Iterator[Sink]:
    end, state = path.end.at, path.state
    for _, number in registers(run.contract.stale or ()):
        yield f"r{number} at exit", state.seen(number), end
    yield "the exit's target", state.pc, end
    for made in path.calls:
        name = made.spec.name
        yield f"the target of {name}", made.target, made.at
        for register in made.spec.arguments:
            yield f"r{register} at the call of {name}", made.state.seen(register), made.at
    for store in state.stores:
        if store.offset is None or store.offset >= 0:
            at = path.code.place(store.at) or end
            label = path.code.image.label(at)
            yield f"whether the store at {label} takes place", store.guard, at
            yield f"the store at {label}", ite(store.guard, store.value, const(0, store.value.width)), at
    yield from _fields(run, path)


def _fields(run: Run, path: Path) -> Iterator[Sink]:
    handed = run.contract.handed
    if handed is None:
        return
    for made in path.calls:
        if made.struct is not None and made.before.struct is None:
            moment = run.at_call(path, made)
            if made.state.mode.offset(made.struct) is None:
                continue  # not on the stack at all, which regs-complete says
            for field, _ in handed.complete:
                yield f"{handed.name}.{field}", moment.field(field), made.at


def indeterminate(value: Term) -> list[Term]:
    """The unknowns in a term that nothing defined."""
    found = [u for u in value.leaves() if u.leaf is not None and u.leaf.origin in INDETERMINATE]
    return sorted(found, key=str)


def _poisoned(unknowns: list[Term]) -> dict[Term, Term]:
    twins = {}
    for unknown in unknowns:
        if unknown.leaf is not None:
            twins[unknown] = leaf(f"{unknown.leaf.name}'", unknown.width, unknown.leaf.origin)
    return twins


def dead_loads(path: Path) -> list[str]:
    """Loads of unwritten stack bytes, as remarks: harmless where no obligation above complains."""
    label = path.code.image.label
    found = []
    for load in path.state.loads:
        if load.offset is not None:
            at = path.code.place(load.at)
            found.append(f"dead load of unwritten storage at {label(at) if at else load.at}")
    return sorted(set(found))


PROPERTY = Property(
    name="no-stale-read",
    statement="no byte that was not written reaches an exit register, a handler argument, a branch, a store outside "
    "the own frame, or a listed field",
    proved="nothing that was never written matters",
    refuted="{what} depends on something that was never written",
    states=lambda contract: contract.stale is not None,
    obligations=obligations,
)
