"""A counterexample once more, on its own: found again, placed where a user program has storage, and recorded."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from verify.contracts.schema import Contract
from verify.errors import Undecided
from verify.explain.emulator import MODE_64
from verify.explain.minimise import smallest
from verify.explain.placed import ENTRY_R15, SECTIONS, Placed, Unplaced
from verify.explain.recorded import Recorded, Recorder
from verify.explain.values import Values
from verify.machine.evaluate import Evaluation
from verify.machine.state import OLD_R15, entry_system_mask
from verify.machine.term import Origin, Term, not_, offset_from
from verify.objfile.image import Image, Place, Symbol
from verify.properties import Property
from verify.properties.base import Obligation, Run
from verify.prove.decide import Decider, Failure
from verify.prove.smt import Solver, SolverLimit
from verify.semantics.code import Code
from verify.verdict import Verdict
from verify.walk.path import Path

_NEAR = ENTRY_R15 + 0x1000_0000  # sections near the stack, so that all storage is loaded with the harness
_ROOM = 0x4000  # around each pointer

Walk = Callable[[Image, Contract, Place, Decider], Iterable[Path]]
Assumed = Callable[[Contract, Code, Place], tuple[Term, ...]]


@dataclass(frozen=True)
class Found:
    """A failed obligation of a routine, with the solver's model."""

    image: Image
    symbol: Symbol
    contract: Contract
    property: Property
    failure: Failure
    assumptions: tuple[Term, ...]


class Unconfirmed(Exception):
    """The emulator does not do what the solver says; says what differs."""


class _Nearby(Placed):
    def _sections(self) -> dict[int, int]:
        bases = super()._sections()
        return {space: base - SECTIONS + _NEAR if base >= SECTIONS else base for space, base in bases.items()}

    def end(self) -> int:
        """An address above all sections and symbols."""
        return max(*self.names, *map(self._end, self.bases), 0)


def failures(
    image: Image, symbol: Symbol, contract: Contract, properties: Iterable[Property], walk: Walk, assumed: Assumed
) -> Iterator[Found]:
    """What the solver has a start state for, in the order of `verify prove`. Raises Unsupported and Undecided."""
    code, entry = Code(image), symbol.place
    assert entry is not None
    try:
        decider = Decider(Solver(), assumed(contract, code, entry))
        run = Run(contract, code, tuple(walk(image, contract, entry, decider)))
        for prop in properties:
            if prop.states(contract):
                for failure in decider.decide(prop, run).failures:
                    if failure.model is not None and failure.verdict is Verdict.UNCONFIRMED:
                        yield Found(image, symbol, contract, prop, failure, decider.assumptions)
    except SolverLimit as problem:
        raise Undecided(f"{symbol.name}: the solver gave up: {problem}") from problem


def replay(found: Found) -> Recorded:
    """Run it on the emulator. Raises Unplaced, and Unconfirmed."""
    one, contract = found.failure.obligation, found.contract
    if contract.bits != 64:
        raise Unplaced("31-bit code: no emulator of user programs takes it")
    assert found.failure.model is not None
    conditions = [*found.assumptions, *one.path.state.conditions, *one.given, not_(one.goal)]
    placed = _Nearby(found.image, one.path, conditions)
    values = smallest(conditions, found.failure.model, placed.fixed, ())
    if values is None:
        raise Unplaced("its conditions do not hold with storage where a user program can have it")
    values = _mapped(conditions, values, placed, list(_addresses(one)))
    again = Recorded(Recorder(), placed, contract, one.path, values, f"{one.claim} {one.what}")
    differences = again.run()
    if not differences and not _twins(one) and again.value(one.goal):
        differences = ["the claim holds on the machine"]
    if differences:
        raise Unconfirmed(differences[0])
    return again


def _twins(one: Obligation) -> bool:
    """Whether the claim is about two starts, that differ in what nothing wrote."""
    return any(leaf.leaf is not None and leaf.leaf.name.endswith("'") for leaf in one.goal.leaves())


def _addresses(one: Obligation) -> Iterator[Term]:
    """The unknowns that are, or start, the address of storage, of a callee or of what the routine returns to."""
    state = one.path.state
    terms = [state.pc, *(made.target for made in one.path.calls)]
    accessed = [*[one.address for one in state.loads], *[one.address for one in state.stores]]
    terms += [address for address in accessed if offset_from(address, OLD_R15) is None]
    for term in terms:
        for unknown in sorted(term.leaves(), key=str):
            if unknown.width == 64 and unknown.leaf is not None and unknown.leaf.origin is not Origin.SYMBOL:
                yield unknown


def _mapped(
    conditions: Sequence[Term], values: Mapping[Term, int], placed: _Nearby, wanted: Iterable[Term]
) -> dict[Term, int]:
    """The same with addresses and a system mask that a user program can have, where the conditions allow it."""
    found = dict(values)
    first = (placed.end() + 0x10_0000 & -0x1_0000) + 0x1000
    new = {unknown: first + number * _ROOM for number, unknown in enumerate(dict.fromkeys(wanted))}
    masks = dict.fromkeys(entry_system_mask().leaves(), MODE_64)
    for unknown, number in {**masks, **new}.items():
        if unknown not in placed.fixed:
            trial = {**found, unknown: number}
            evaluate = Evaluation(Values({**trial, **placed.fixed}, random.Random(0)))
            if all(evaluate(condition) for condition in conditions if unknown in condition.leaves()):
                found = trial
    return found
