"""Two paths that one start state takes: what differs between what others see of them.

The events are compared in the order in which they happen: calls, and between them stores outside the stack; then the
exit. Where one routine has an event that the other has not, what comes after it is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from verify.equiv.names import Names, outside
from verify.equiv.view import Item, Viewer
from verify.machine.evaluate import unknowns
from verify.machine.state import Store
from verify.machine.term import FALSE, TRUE, Term, and_, eq, extract, not_, or_, plus, split
from verify.objfile.image import Place
from verify.walk.path import Path


@dataclass(frozen=True)
class Track:
    """A path of one side, its common names, its conditions under them, and what is seen of it."""

    path: Path
    names: Names
    viewer: Viewer
    conditions: tuple[Term, ...]


@dataclass(frozen=True)
class Difference:
    """Something that must be alike: `goal` under common names says when it is.

    `old`, `new` are the values under each side's own names. `perhaps`: that it differs decides nothing.
    """

    what: str
    goal: Term
    old: Term | None
    new: Term | None
    at_old: Place
    at_new: Place
    reason: str = ""
    perhaps: bool = False


Settle = Callable[[Term], Term]
"""What a condition comes to where both paths are taken: TRUE, FALSE, or itself."""


def differences(one: Track, other: Track, settle: Settle) -> Iterator[Difference]:
    """All that must be alike on two paths, in the order of events."""
    if any(_idle(track, settle) for track in (one, other)) and (_looks(one) or _looks(other)):
        reason = "of the stores on condition some do not happen, and reads are told apart by the stores before them"
        at_old, at_new = one.path.end.at, other.path.end.at
        yield Difference("what is read after a store", FALSE, None, None, at_old, at_new, reason, perhaps=True)
        return
    for number, (left, right) in enumerate(zip(one.path.calls, other.path.calls, strict=False)):
        stores = _stores(one, other, number, settle)
        yield from stores.found
        if not stores.as_many:
            return
        if left.spec.name != right.spec.name:
            reason = f"the old routine calls {left.spec.name}, the new one {right.spec.name}"
            yield Difference(f"call {number + 1}", FALSE, None, None, left.at, right.at, reason)
            return
        written = {*left.state.stack.bytes, *right.state.stack.bytes}
        olds, news = one.viewer.at_call(one.path, left, written), other.viewer.at_call(other.path, right, written)
        yield from _items(one, other, olds, news)
    number = min(len(one.path.calls), len(other.path.calls))
    stores = _stores(one, other, number, settle)
    yield from stores.found
    if not stores.as_many:
        return
    if len(one.path.calls) != len(other.path.calls):
        yield _more(one, other, number)
        return
    written = {*one.path.state.stack.bytes, *other.path.state.stack.bytes}
    tail = one.viewer.calls_on(one.path) or other.viewer.calls_on(other.path)
    olds, news = (track.viewer.at_exit(track.path, written, tail=tail) for track in (one, other))
    yield from _items(one, other, olds, news)


def _more(one: Track, other: Track, number: int) -> Difference:
    """One routine leaves where the other calls."""
    old, new = one.path, other.path
    if len(old.calls) > number:
        made = old.calls[number]
        reason = f"the old routine calls {made.spec.name}, the new one leaves"
        return Difference(f"call {number + 1}", FALSE, None, None, made.at, new.end.at, reason)
    made = new.calls[number]
    reason = f"the new routine calls {made.spec.name}, the old one leaves"
    return Difference(f"call {number + 1}", FALSE, None, None, old.end.at, made.at, reason)


def _items(one: Track, other: Track, olds: Iterator[Item], news: Iterator[Item]) -> Iterator[Difference]:
    left, right = {item.what: item for item in olds}, {item.what: item for item in news}
    ends = [next(iter(table.values())).at for table in (left, right)]
    for what in dict.fromkeys([*left, *right]):
        old, new = left.get(what), right.get(what)
        values = [None if item is None else item.value for item in (old, new)]
        places = [end if item is None else item.at for item, end in zip((old, new), ends, strict=True)]
        perhaps = any(item is not None and item.perhaps for item in (old, new))
        goal, reason = _goal(one, other, old, new)
        yield Difference(what, goal, values[0], values[1], places[0], places[1], reason, perhaps)


def _goal(one: Track, other: Track, old: Item | None, new: Item | None) -> tuple[Term, str]:
    values = [None if item is None else item.value for item in (old, new)]
    if values[0] is not None and values[1] is not None:
        left, right = one.names(values[0]), other.names(values[1])
        return (eq(left, right), "") if left.width == right.width else (FALSE, "they differ in width")
    if values == [None, None] and old is not None and new is not None:
        return TRUE, ""  # no such thing on either side
    reasons = [
        f"the {age} routine has none" + (f" ({item.reason})" if item is not None and item.reason else "")
        for age, item, value in zip(("old", "new"), (old, new), values, strict=True)
        if value is None
    ]
    return FALSE, "; ".join(reasons)


# Stores outside the stack ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Byte:
    """One byte of a store outside the stack, under common names."""

    store: Store
    address: Term
    value: Term
    guard: Term
    raw: Term


class _Stores(NamedTuple):
    """What must be alike of some stores, and whether both sides store as many bytes."""

    found: list[Difference]
    as_many: bool


def _idle(track: Track, settle: Settle) -> bool:
    """Whether a store outside the stack does not happen, though it is on the path."""
    return any(settle(track.names(store.guard)) is FALSE for store in outside(track.path.state.stores))


def _stores(one: Track, other: Track, call: int, settle: Settle) -> _Stores:
    """The bytes stored outside the stack before a call, or the exit."""
    left, right = _bytes(one, call, settle), _bytes(other, call, settle)
    plain = list(zip(left, right, strict=False))
    matched, apart = _matched(left, right)
    calls = max(len(one.path.calls), len(other.path.calls))
    where = f"before call {call + 1}" if call < calls else "before the exit"
    found = [each for old, new in matched for each in _stored(one, other, old, new, where)]
    if matched != plain and (not apart or _looks(one) or _looks(other)):
        reason = "reads may look between them" if apart else "they may go to the same storage"
        at_old, at_new = _at(one, left[0].store), _at(other, right[0].store)
        what = f"the order of the stores {where}"
        found.append(Difference(what, FALSE, None, None, at_old, at_new, reason, perhaps=True))
    if len(left) != len(right):
        found.append(_stores_more(one, other, left, right, where))
    return _Stores(found, len(left) == len(right))


def _stored(one: Track, other: Track, old: _Byte, new: _Byte, where: str) -> Iterator[Difference]:
    at_old, at_new = _at(one, old.store), _at(other, new.store)
    store = f"the store to {split(old.store.address)[0] or 'the lowcore'} {where}"
    address, guard = or_(not_(old.guard), eq(old.address, new.address)), eq(old.guard, new.guard)
    value = or_(not_(old.guard), eq(old.value, new.value))
    yield Difference(f"whether {store} happens", guard, old.store.guard, new.store.guard, at_old, at_new)
    yield Difference(f"the address of {store}", address, old.store.address, new.store.address, at_old, at_new)
    yield Difference(store, value, old.raw, new.raw, at_old, at_new)


def _stores_more(one: Track, other: Track, left: list[_Byte], right: list[_Byte], where: str) -> Difference:
    common = min(len(left), len(right))
    age = "old" if len(left) > len(right) else "new"
    at_old = _at(one, left[common].store) if age == "old" else one.path.end.at
    at_new = _at(other, right[common].store) if age == "new" else other.path.end.at
    reason = f"the {age} routine stores {abs(len(left) - len(right))} bytes more outside the stack"
    none = and_(*[not_(byte.guard) for byte in (left if age == "old" else right)[common:]])
    return Difference(f"what is stored {where}", none, None, None, at_old, at_new, reason)


def _bytes(track: Track, call: int, settle: Settle) -> list[_Byte]:
    """The bytes that a path stores outside the stack between two calls, in order."""
    calls, names = track.path.calls, track.names
    first = len(calls[call - 1].state.stores) if call else 0
    last = len(calls[call].state.stores) if call < len(calls) else len(track.path.state.stores)
    found = []
    for store in outside(track.path.state.stores[first:last]):
        width, guard = store.value.width, settle(names(store.guard))
        if guard is FALSE:
            continue
        for index in range(width // 8):
            raw = extract(store.value, width - 1 - 8 * index, width - 8 * (index + 1))
            found.append(_Byte(store, plus(names(store.address), index), names(raw), guard, raw))
    return found


def _matched(left: list[_Byte], right: list[_Byte]) -> tuple[list[tuple[_Byte, _Byte]], bool]:
    """Bytes of equal address in their order, and whether those that changed places are certainly apart.

    As they stand, where the addresses are not the same ones.
    """
    waiting, found, apart = list(right), [], True
    for old in left[: len(right)]:
        index = next((n for n, new in enumerate(waiting) if new.address is old.address), None)
        if index is None:
            return list(zip(left, right, strict=False)), True
        apart = apart and all(_apart(old.address, new.address) for new in waiting[:index])
        found.append((old, waiting.pop(index)))
    return found, apart


def _apart(one: Term, other: Term) -> bool:
    """Whether two bytes are certainly two: the same base and another distance."""
    (base, distance), (root, other_distance) = split(one), split(other)
    return base is root and distance != other_distance


def _looks(track: Track) -> bool:
    """Whether the path reads storage that its own stores may have changed."""
    state = track.path.state
    if any(load.offset is None for load in state.loads):
        return True
    states = [state, *(made.state for made in track.path.calls)]
    seen = [*state.conditions, state.pc, *(store.value for store in state.stores)]
    seen += [term for one in states for term in (*one.gpr, *one.vector)]
    seen += [value for one in states for value, _ in one.stack.bytes.values()]
    return any(one.leaf is not None and one.leaf.name.startswith("caller.mem[") for one in unknowns(seen))


def _at(track: Track, store: Store) -> Place:
    return track.path.code.place(store.at) or track.path.end.at
