"""A failed obligation to a counterexample: made small, run on the emulator, told step by step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

from verify.contracts.schema import Contract
from verify.contracts.slots import slots
from verify.explain import cause as causes
from verify.explain.counterexample import Counterexample, Step
from verify.explain.emulator import Emulator, version
from verify.explain.minimise import smallest
from verify.explain.placed import Placed, Unplaced
from verify.explain.replay import Event, Replay
from verify.machine.evaluate import Evaluation, unknowns
from verify.machine.rewrite import substitute
from verify.machine.term import Origin, Term, leaf, not_
from verify.objfile.image import Image, Place
from verify.properties.base import Obligation

_COUNTED = re.compile(r"#\d+")
_MOST_NOTES = 4
_LONGEST = len("0x80_0000_0000")
_PLACED = frozenset({Origin.SYMBOL, Origin.CODE})
AT_ENTRY = frozenset({Origin.ENTRY, Origin.STORAGE, Origin.LOAD, Origin.STALE})


@cache
def emulator() -> Emulator:
    """The machine that all replays of this process use."""
    return Emulator()


def tell(
    image: Image, contract: Contract, assumptions: Sequence[Term], one: Obligation, model: Mapping[Term, int],
    address: Callable[[Place], str], source: Callable[[Place], str | None],
) -> Counterexample | None:  # fmt: skip
    """The counterexample of an obligation that fails under a model; None where there is no machine to show it on."""
    conditions = [*assumptions, *one.path.state.conditions, *one.given, not_(one.goal)]
    try:
        placed = Placed(image, one.path, conditions)
        shown = [term for term in (one.expected, one.found) if term is not None]
        chosen = smallest(conditions, model, placed.fixed, _pointers(one), shown)
        if chosen is None:
            return None
        replay = Replay(emulator(), placed, contract, one.path, chosen, f"{one.claim} {one.what}")
        differences = replay.run()
        if not differences and _has_twins(one):
            differences = _poisoned(placed, contract, one, chosen)
    except Unplaced as problem:
        return Counterexample((), (), (), "", None, None, False, f"not replayed: {problem}")
    return _told(replay, one, chosen, differences, address, source)


def _pointers(one: Obligation) -> Iterator[Term]:
    """The unknowns that addresses outside the stack start from."""
    state = one.path.state
    for address in [*[a.address for a in state.loads], *[a.address for a in state.stores]]:
        if state.mode.offset(address) is None:
            word = state.mode.word
            yield from (u for u in address.leaves() if u.width == word and u.leaf and u.leaf.origin not in _PLACED)


# Stale reads ----------------------------------------------------------------------------------------------------------


def _has_twins(one: Obligation) -> bool:
    return any(u.leaf is not None and u.leaf.name.endswith("'") for u in one.goal.leaves())


def _poisoned(placed: Placed, contract: Contract, one: Obligation, chosen: Mapping[Term, int]) -> list[str]:
    """The same start with other poison in what nothing wrote: the value that must not depend on it is another one."""
    twins = {
        unknown: leaf(f"{unknown.leaf.name}'", unknown.width, unknown.leaf.origin)
        for unknown in unknowns([*one.path.state.conditions, *([one.found] if one.found else [])])
        if unknown.leaf is not None
    }
    other = {**chosen, **{unknown: chosen[twin] for unknown, twin in twins.items() if twin in chosen}}
    replay = Replay(emulator(), placed, contract, one.path, other, f"{one.claim} {one.what}")
    differences = replay.run()
    if one.what == "a branch":  # the other poison takes the other side
        return [] if differences and "the machine goes to" in differences[0] else ["the other poison goes the same way"]
    return differences


# Telling --------------------------------------------------------------------------------------------------------------


def _told(
    replay: Replay, one: Obligation, chosen: Mapping[Term, int], differences: list[str],
    address: Callable[[Place], str], source: Callable[[Place], str | None],
) -> Counterexample:  # fmt: skip
    held = all(replay.value(term) for term in one.given if not _twinned(term)) and (
        _has_twins(one) or not replay.value(one.goal)
    )
    if not differences and not held:
        differences = ["the claim holds on the machine"]
    why = causes.cause(replay, one)
    names = Names(replay)
    own = {unknown for _, unknown in replay.effects}
    return Counterexample(
        start=tuple(_start(chosen, own, replay)),
        effects=tuple(_effects(replay, chosen)),
        steps=tuple(steps(replay, names, why.event, address, source)),
        cause=why.text,
        expected=_number(replay, one.expected),
        found=_number(replay, one.found),
        replayed=not differences,
        emulator=f"replayed on {version()}" if not differences else f"not confirmed on {version()}: {differences[0]}",
    )


def _twinned(term: Term) -> bool:
    return any(u.leaf is not None and u.leaf.name.endswith("'") for u in term.leaves())


def _number(replay: Replay, term: Term | None) -> str | None:
    if term is None or _twinned(term):
        return None
    return replay.told(term.width, replay.value(term))


def _start(chosen: Mapping[Term, int], own: set[Term], replay: Replay) -> Iterator[tuple[str, str]]:
    yield "r15", hex(replay.placed.r15)
    for unknown, number in chosen.items():
        kind = unknown.leaf.origin if unknown.leaf else None
        if kind in AT_ENTRY and number and unknown not in own and unknown is not replay.placed.mode.r15:
            yield plain(unknown), replay.told(unknown.width, number)


def _effects(replay: Replay, chosen: Mapping[Term, int]) -> Iterator[tuple[str, str, str]]:
    told: set[Term] = set()
    for callee, unknown in replay.effects:
        if unknown in chosen and unknown not in told:
            told.add(unknown)
            yield callee, plain(unknown).replace(f" after {callee}", ""), hex(chosen[unknown])


def plain(unknown: Term) -> str:
    """The name of an unknown, for people."""
    return _COUNTED.sub("", str(unknown)).replace("&", "").removeprefix("old.").replace("old.r15", "r15")


class Names:
    """Names for stack addresses, by the contract's layout."""

    def __init__(self, replay: Replay) -> None:
        path, contract = replay.path, replay.contract
        frames = sorted({0, *(made.state.sp for made in path.calls if made.state.sp is not None)})
        struct = path.history.struct
        base = None if struct is None else path.state.mode.offset(struct)
        self._known = {
            (one.offset, one.size): one.name for one in slots(contract, frames, [] if base is None else [base])
        }
        self._replay = replay

    def __call__(self, at: int, size: int) -> str:
        name = self._known.get((at - self._replay.placed.r15, size))
        where = self._replay.named(at)
        return f"{name} ({where})" if name else f"mem{8 * size}[{where}]"


def steps(
    replay: Replay, names: Names, faulty: int | None, address: Callable[[Place], str],
    source: Callable[[Place], str | None],
) -> Iterator[Step]:  # fmt: skip
    """What happened on a replay, step by step; `faulty` is the number of the event that lost the right value."""
    for number, event in enumerate(replay.events):
        place, notes, faulty_one = event.place, tuple(_notes(event, names, replay)), number == faulty
        if place is None:
            yield Step("", event.callee, f"{event.callee} runs", notes, None, faulty_one)
            continue
        text, _, _ = causes.described(replay, place).removeprefix("`").partition("` at ")
        yield Step(address(place), replay.placed.image.label(place), text, notes, source(place), faulty_one)


def _notes(event: Event, names: Names, replay: Replay) -> Iterable[str]:
    """What an instruction did: registers, then storage; a callee, only what is not volatile anyway."""
    if event.callee:
        return ()
    notes = [f"{name} = {_value(replay, new)}" for name, (_, new) in event.changed.items() if name != "cc"]
    notes += [f"{names(at, size)} = {_value(replay, value)}" for at, size, value in event.stores]
    return notes if len(notes) <= _MOST_NOTES else [*notes[:_MOST_NOTES], f"and {len(notes) - _MOST_NOTES} more"]


def _value(replay: Replay, number: int) -> str:
    """A value; one of many random digits is what nobody chose, and does not matter."""
    text = replay.named(number)
    return text if len(text) <= _LONGEST or not text.startswith("0x") else "any"


__all__ = ["Evaluation", "substitute", "tell"]
