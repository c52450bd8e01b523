"""A counterexample once more, on its own: found again, placed where a user program has storage, and recorded."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from verify import pipeline, routine
from verify.contracts.schema import Contract
from verify.errors import Undecided, UsageError, VerifyError
from verify.explain.minimise import smallest
from verify.explain.placed import ENTRY_R15, SECTIONS, Placed, Unplaced
from verify.explain.recorded import Recorded, Recorder
from verify.explain.values import Values
from verify.machine.evaluate import Evaluation
from verify.machine.state import OLD_R15
from verify.machine.term import Origin, Term, not_, offset_from
from verify.objfile.image import Image
from verify.properties import Property
from verify.properties.base import Obligation, Run
from verify.prove.decide import Decider, Failure
from verify.prove.smt import Solver, SolverLimit
from verify.semantics.code import Code
from verify.verdict import Verdict

_NEAR = ENTRY_R15 + 0x1000_0000  # sections near the stack, so that all storage is loaded with the harness
_ROOM = 0x4000  # around each pointer


@dataclass(frozen=True)
class Found:
    """A failed obligation of a routine, with the solver's model."""

    image: Image
    choice: pipeline.Choice
    property: Property
    failure: Failure
    assumptions: tuple[Term, ...]


class _Nearby(Placed):
    def _sections(self) -> dict[int, int]:
        bases = super()._sections()
        return {space: base - SECTIONS + _NEAR if base >= SECTIONS else base for space, base in bases.items()}


def failures(image: Image, options: pipeline.Options) -> Iterator[Found]:
    """The failed obligations that the solver has a start state for, in the order of `verify prove`."""
    for choice in pipeline.choose(image, options):
        yield from _failures(image, choice, options.properties())


def _failures(image: Image, choice: pipeline.Choice, properties: Iterable[Property]) -> Iterator[Found]:
    contract, entry, code = choice.contract, choice.symbol.place, Code(image)
    assert entry is not None
    try:
        decider = Decider(Solver(), routine.assumptions(contract, code, entry))
        run = Run(contract, code, tuple(routine.walk(image, contract, entry, decider)))
        for prop in properties:
            if prop.states(contract):
                for failure in decider.decide(prop, run).failures:
                    if failure.model is not None and failure.verdict is Verdict.UNCONFIRMED:
                        yield Found(image, choice, prop, failure, decider.assumptions)
    except SolverLimit as problem:
        raise Undecided(f"{choice.symbol.name}: the solver gave up: {problem}") from problem


def chosen(image: Image, options: pipeline.Options, number: int) -> Found:
    """The counterexample of this number, from 1. Raises UsageError where there are not so many."""
    count = 0
    for found in failures(image, options):
        count += 1
        if count == number:
            return found
    what = f"{image.path}: {options.symbol}" if options.symbol else str(image.path)
    which = f" against {', '.join(options.select)}" if options.select else ""
    raise UsageError(f"{what}: there {'is' if count == 1 else 'are'} {count or 'no'} counterexample{'s' * (count != 1)}{which}")


def replay(found: Found) -> Recorded:
    """Run it on the emulator. Raises Unplaced, and VerifyError where the emulator does not confirm it."""
    one, contract = found.failure.obligation, found.choice.contract
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
        raise VerifyError(f"the replay does not confirm it: {differences[0]}")
    return again


def _twins(one: Obligation) -> bool:
    """Whether the claim is about two starts, that differ in what nothing wrote."""
    return any(leaf.leaf is not None and leaf.leaf.name.endswith("'") for leaf in one.goal.leaves())


def _addresses(one: Obligation) -> Iterator[Term]:
    """The unknowns that are, or start, the address of storage, of a callee or of what the routine returns to."""
    state = one.path.state
    terms = [state.pc, *(made.target for made in one.path.calls)]
    terms += [a.address for a in (*state.loads, *state.stores) if offset_from(a.address, OLD_R15) is None]
    for term in terms:
        for unknown in sorted(term.leaves(), key=str):
            if unknown.width == 64 and unknown.leaf is not None and unknown.leaf.origin is not Origin.SYMBOL:
                yield unknown


def _mapped(
    conditions: Sequence[Term], values: Mapping[Term, int], placed: Placed, wanted: Iterable[Term]
) -> dict[Term, int]:
    """The same with addresses that a user program can have, where the conditions allow it."""
    found = dict(values)
    sections = [placed.bases[one.space] + one.start + len(one.data) for one in placed.image.sections if one.space in placed.bases]
    end = max([*sections, *placed.names])
    first = (end + 0x10_0000 & -0x1_0000) + 0x1000
    for number, unknown in enumerate(dict.fromkeys(wanted)):
        if unknown not in placed.fixed:
            trial = {**found, unknown: first + number * _ROOM}
            evaluate = Evaluation(Values({**trial, **placed.fixed}, random.Random(0)))
            if all(evaluate(condition) for condition in conditions if unknown in condition.leaves()):
                found = trial
    return found
