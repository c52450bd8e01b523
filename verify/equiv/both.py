"""A difference shown on the emulator: both routines from the same start state, answered alike.

Each side runs by itself, in its own object, with the numbers that the common names have. That is a counterexample where
both do what their paths say, no storage would have to hold two things at once, and the values differ on the machine.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from verify.contracts.schema import Contract
from verify.equiv.compare import Difference, Track
from verify.equiv.names import Names, timed
from verify.explain import cause as causes
from verify.explain import story
from verify.explain.counterexample import Counterexample, Step
from verify.explain.emulator import version
from verify.explain.minimise import smallest
from verify.explain.placed import Placed, Unplaced
from verify.explain.replay import Replay
from verify.explain.values import Values
from verify.machine.evaluate import Evaluation, unknowns
from verify.machine.term import FALSE, TRUE, Origin, Term, not_
from verify.objfile.image import Place
from verify.properties.base import Obligation


@dataclass(frozen=True)
class Words:
    """How one side's places are written: its file, its routine, addresses, and FILE:LINE."""

    file: str
    routine: str
    address: Callable[[Place], str]
    source: Callable[[Place], str | None]


class _Answers(Values):
    """Numbers for one side's unknowns, by the numbers of their common names."""

    def __init__(self, fixed: Mapping[Term, int], names: Names, shared: Evaluation, rng: random.Random) -> None:
        super().__init__(fixed, rng)
        self.names, self.shared = names, shared

    def __missing__(self, unknown: Term) -> int:
        self[unknown] = self.shared(self.names(unknown))
        return self[unknown]


def show(
    contract: Contract, premises: Sequence[Term], each: Difference, one: Track, other: Track, model: Mapping[Term, int],
    words: tuple[Words, Words],
) -> Counterexample:  # fmt: skip
    """The difference on a concrete machine; says why where it cannot be had."""
    conditions = [*premises, *one.conditions, *other.conditions, not_(each.goal)]
    try:
        placed = _placed(one, other, conditions)
        shared = _shared(conditions, model, placed, (one, other), each)
        if shared is None:
            return _not_shown("the addresses that the machine has do not fit")
        sides = [
            _Side(contract, each, track, spot, shared.value, value, at)
            for track, spot, value, at in (
                (one, placed[0], each.old, each.at_old), (other, placed[1], each.new, each.at_new)
            )
        ]  # fmt: skip
        troubles = [side.run() for side in sides]
        trouble = troubles[0] or troubles[1] or _clash(sides) or _same(each, sides)
    except Unplaced as problem:
        return _not_shown(str(problem))
    return _told(sides, shared, words, trouble)


def _not_shown(why: str) -> Counterexample:
    return Counterexample((), (), (), "", None, None, False, f"not replayed: {why}")


class _Side:
    """One routine on the machine."""

    def __init__(
        self, contract: Contract, each: Difference, track: Track, placed: Placed, shared: Evaluation,
        value: Term | None, at: Place,
    ) -> None:  # fmt: skip
        self.track, self.value, self.at, self.what = track, value, at, each.what
        self.replay = Replay(story.emulator(), placed, contract, track.path, {}, f"{each.what}")
        self.replay.value = Evaluation(_Answers(placed.fixed, track.names, shared, self.replay.rng))

    def run(self) -> str:
        """Run it; what the machine does otherwise than the path says."""
        found = self.replay.run()
        return f"{self.replay.placed.image.path.name}: {found[0]}" if found else ""

    def number(self) -> int | None:
        """The value on the machine, if there is one."""
        return None if self.value is None else self.replay.value(self.value)

    def cause(self) -> causes.Cause:
        """Where the value came from."""
        what = self.what.partition(" at the ")[0]
        goal = TRUE if self.value is not None else FALSE
        return causes.cause(self.replay, Obligation(self.what, goal, self.track.path, self.at, what, found=self.value))


# One environment ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shared:
    """Numbers for the common names: those that somebody chose, and all others drawn once for both sides."""

    chosen: Mapping[Term, int]
    value: Evaluation


def _placed(one: Track, other: Track, conditions: Sequence[Term]) -> tuple[Placed, Placed]:
    """Both objects at concrete addresses, with every symbol of other objects at the same one."""
    left, right = (Placed(track.path.code.image, track.path, conditions) for track in (one, other))
    left.share(right)
    return left, right


def _shared(
    conditions: Sequence[Term], model: Mapping[Term, int], placed: tuple[Placed, Placed], tracks: tuple[Track, Track],
    each: Difference,
) -> _Shared | None:  # fmt: skip
    """Numbers for all common names: small where the conditions leave it open, the same for both sides."""
    fixed: dict[Term, int] = {}
    pointers: list[Term] = []
    values = zip(tracks, (each.old, each.new), strict=True)
    shown = [track.names(value) for track, value in values if value is not None]
    for spot, track in zip(placed, tracks, strict=True):
        fixed |= {track.names(one): at for one, at in spot.fixed.items() if track.names(one).op == "leaf"}
        pointers += _pointers(track)
    for symbol in unknowns([*conditions, *shown]) - fixed.keys():
        for spot, track in zip(placed, tracks, strict=True):
            place = track.names.side.placed(symbol)
            if place is not None:
                fixed.setdefault(symbol, spot.address(place))
    chosen = smallest(conditions, model, fixed, pointers, shown)
    return None if chosen is None else _Shared(chosen, Evaluation(Values(chosen, random.Random(each.what))))


def _pointers(track: Track) -> Iterator[Term]:
    """The unknowns that addresses outside the stack start from, under common names."""
    state = track.path.state
    accesses = [(one.address, one.offset) for one in state.loads]
    accesses += [(one.address, one.offset) for one in state.stores]
    for address, offset in accesses:
        if offset is None:
            for one in track.names(address).leaves():
                if one.width == 64 and one.leaf and one.leaf.origin not in (Origin.SYMBOL, Origin.CODE):
                    yield one


def _clash(sides: Sequence[_Side]) -> str:
    """Storage that would have to hold two things at the same moment, as both sides see moments."""
    seen = [_bytes_read(side) for side in sides]
    for key in seen[0].keys() & seen[1].keys():
        if seen[0][key] != seen[1][key]:
            return f"the byte at {sides[0].replay.named(key[2])} would have to hold two values"
    return ""


def _bytes_read(side: _Side) -> dict[tuple[int, int, int, int], int]:
    """Every byte read outside stack and image: by calls and bytes stored before, address, and number of the read."""
    count: Counter[tuple[int, int, int]] = Counter()
    found = {}
    value = side.replay.value
    for load, calls, stored in timed(side.track.path):
        if any(one.leaf and one.leaf.origin is Origin.CODE for one in load.address.leaves()) or not value(load.guard):
            continue
        size = load.value.width // 8
        contents = value(load.value).to_bytes(size, "big")
        for index in range(size):
            key = (calls, stored, value(load.address) + index)
            count[key] += 1
            found[*key, count[key]] = contents[index]
    return found


def _same(each: Difference, sides: Sequence[_Side]) -> str:
    """What differs by its common name must differ on the machine."""
    numbers = [side.number() for side in sides]
    if each.goal is FALSE or None in numbers or numbers[0] != numbers[1]:
        return ""
    return f"{each.what} is the same on the machine"


# Telling --------------------------------------------------------------------------------------------------------------


def _told(sides: Sequence[_Side], shared: _Shared, words: tuple[Words, Words], trouble: str) -> Counterexample:
    found = [side.cause() for side in sides]
    numbers = [side.number() for side in sides]
    steps = [step for part in zip(sides, words, found, ("old", "new"), strict=True) for step in _steps(*part)]
    return Counterexample(
        start=tuple(_start(sides, shared)),
        effects=tuple(dict.fromkeys(effect for side in sides for effect in _effects(side, shared))),
        steps=tuple(steps),
        cause="; ".join(f"{age}: {one.text}" for age, one in zip(("old", "new"), found, strict=True)),
        expected=None if numbers[0] is None else sides[0].replay.named(numbers[0]),
        found=None if numbers[1] is None else sides[1].replay.named(numbers[1]),
        replayed=not trouble,
        emulator=f"not confirmed on {version()}: {trouble}" if trouble else f"both replayed on {version()}",
    )


def _start(sides: Sequence[_Side], shared: _Shared) -> Iterator[tuple[str, str]]:
    effects = {side.track.names(one) for side in sides for _, one in side.replay.effects}
    replay = sides[0].replay
    told: set[str] = set()
    yield "r15", hex(replay.value(replay.path.state.mode.r15))
    for unknown, number in shared.chosen.items():
        kind, name = unknown.leaf.origin if unknown.leaf else None, story.plain(unknown)
        if (
            kind in story.AT_ENTRY
            and number
            and unknown not in effects
            and unknown is not replay.path.state.mode.r15
            and name not in told
        ):
            told.add(name)
            yield name, replay.named(number) if unknown.width == 64 else hex(number)


def _effects(side: _Side, shared: _Shared) -> Iterator[tuple[str, str, str]]:
    for callee, unknown in side.replay.effects:
        common = side.track.names(unknown)
        if common in shared.chosen:
            yield callee, story.plain(common).replace(f" after {callee}", ""), hex(shared.chosen[common])


def _steps(side: _Side, words: Words, cause: causes.Cause, age: str) -> Iterator[Step]:
    """One side's steps; those of the old routine are places of another file."""
    yield Step("", age, f"{words.file}: {words.routine}")
    prefix = f"{words.file}:" if age == "old" else ""

    def address(place: Place) -> str:
        return prefix + words.address(place)

    yield from story.steps(side.replay, story.Names(side.replay), cause.event, address, words.source)
