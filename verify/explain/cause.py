"""Where the right value was lost: the instruction, call or slot that a counterexample comes down to.

The words hold no numbers that depend on the start state, so that counterexamples of equal cause read alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from verify.explain.replay import Event, Replay
from verify.machine.term import FALSE, INDETERMINATE, Term
from verify.objfile.image import Place
from verify.properties.base import Obligation
from verify.semantics import disassemble

_REGISTER = re.compile(r"^([ar])(\d+)\b|^[fv](\d+)(, right half)?\b")
_ON_STACK = re.compile(r"mem\[old\.r15([+-]\d+)?\]")
_AT_CALL = re.compile(r" at the call of (\w+)$")
_MODES = {"the FPC": "fpc", "the PSW mask": "system mask", "the addressing mode": "system mask",
          "the program mask": "program mask", "the condition code": "cc"}  # fmt: skip


class Cause(NamedTuple):
    """The sentence, and the event on the path that it speaks of, if it is one."""

    text: str
    event: int | None = None


def cause(replay: Replay, one: Obligation) -> Cause:
    """What an obligation that fails comes down to."""
    stale = _unwritten(replay, one)
    if stale is not None:
        return stale
    if one.goal is FALSE and one.found is None:
        return _instruction(replay, one.at)
    events = _until(replay.events, one)
    register = _register(one.what)
    if register is not None:
        return _last(replay, events, one.what, lambda event: register in event.changed)
    if one.what == "pc":
        return _left(replay)
    slot = _slot(replay, one) or _read(replay, one)
    if slot is not None:
        first, size = slot
        covers = lambda event: any(at < first + size and first < at + n for at, n, _ in event.stores)  # noqa: E731
        plain = "mem[" in one.what or "." in one.what
        what = one.what if plain else f"{one.what} (the {size} bytes at {_named(first - replay.placed.r15)})"
        return _last(replay, events, what, covers)
    return _instruction(replay, one.at)


def _register(what: str) -> str | None:
    """The emulator's name of a register that a finding is about."""
    match = _REGISTER.match(what)
    if match:
        half = "right" if match[4] else "left"
        return f"{match[1]}{match[2]}" if match[1] else f"v{match[3]}.{half}"
    return next((name for words, name in _MODES.items() if what.startswith(words)), None)


def _until(events: Sequence[Event], one: Obligation) -> Sequence[Event]:
    """The events up to the call that the finding is about; all of them where it is about the exit."""
    match = _AT_CALL.search(one.what) or _AT_CALL.search(one.claim)
    place = one.at
    for number, event in enumerate(events):
        if event.callee and (match[1] == event.callee if match else number and events[number - 1].place == place):
            return events[:number]
    return events


def _last(replay: Replay, events: Sequence[Event], what: str, concerns: Callable[[Event], bool]) -> Cause:
    for number in reversed(range(len(events))):
        if concerns(events[number]):
            event = events[number]
            if event.callee:
                return Cause(f"{what} is what the call of {event.callee} left there", number)
            assert event.place is not None
            return Cause(f"{what} was last changed by {described(replay, event.place)}", number)
    return Cause(f"nothing on this path writes {what}")


def _left(replay: Replay) -> Cause:
    """How control left: the last instruction, and what the register that it goes by holds."""
    number = max(n for n, event in enumerate(replay.events) if event.place is not None)
    place = replay.events[number].place
    assert place is not None
    text = f"control leaves by {described(replay, place)}"
    insn = replay.path.code.fetch(place)
    name = f"r{insn.fields['R2']}" if insn.mnemonic in {"BCR", "BASR"} else None
    if name is None:
        return Cause(text, number)
    before = _last(replay, replay.events[:number], name, lambda event: name in event.changed)
    return Cause(f"{text}; {before.text}", before.event if before.event is not None else number)


def _slot(replay: Replay, one: Obligation) -> tuple[int, int] | None:
    """Address and size in bytes of the field or word that a finding is about."""
    handed, struct = replay.contract.handed, replay.path.history.struct
    if handed is not None and struct is not None and one.what.startswith(f"{handed.name}."):
        field = replay.contract.layout.structs[handed.type].field(one.what.removeprefix(f"{handed.name}."))
        return replay.value(struct) + field.at, field.size
    match = re.match(r"mem\[old\.r15 ?\+ ?(\d+)\]", one.what)
    return (replay.placed.r15 + int(match[1]), replay.placed.mode.word // 8) if match else None


def _read(replay: Replay, one: Obligation) -> tuple[int, int] | None:
    """Address and size of the stack word that the value found is the content of, if it is nothing else."""
    leaves = one.found.leaves() if one.found is not None else frozenset()
    for unknown in leaves if len(leaves) == 1 else ():
        match = _ON_STACK.search(str(unknown))
        if match:
            return replay.placed.r15 + int(match[1] or 0), unknown.width // 8
    return None


def _unwritten(replay: Replay, one: Obligation) -> Cause | None:
    """A read of what nothing wrote, or a use of what a call left, for findings that are about such values."""
    if not any(_twin(unknown) for unknown in one.goal.leaves()):
        return None
    found = [u for u in (one.found.leaves() if one.found else ()) if u.leaf and u.leaf.origin in INDETERMINATE]
    for load in replay.path.state.loads:
        if any(unknown in load.value.leaves() for unknown in found):
            offset = load.offset
            where = "storage" if offset is None else f"the storage at {_named(offset)}"
            place = replay.path.code.place(load.at)
            if place is not None:
                number = next((n for n, event in enumerate(replay.events) if event.place == place), None)
                return Cause(f"{described(replay, place)} reads {where}, which nothing wrote", number)
    for name, unknown in replay.effects:
        if unknown in found:
            number = next((n for n, event in enumerate(replay.events) if event.callee == name), None)
            return Cause(f"{one.what} depends on what the call of {name} left behind", number)
    return None


def _twin(unknown: Term) -> bool:
    return unknown.leaf is not None and unknown.leaf.name.endswith("'")


def _instruction(replay: Replay, place: Place) -> Cause:
    number = next((n for n, event in enumerate(replay.events) if event.place == place), None)
    return Cause(described(replay, place), number)


def described(replay: Replay, place: Place) -> str:
    """An instruction as people read it, and where it stands."""
    code = replay.path.code
    insn = code.fetch(place)
    target = None
    if insn.relative_offset is not None:
        target = code.describe(code.relative(place, insn)).replace("&", "")
    return f"`{disassemble.text(insn, target)}` at {code.image.label(place)}"


def _named(offset: int) -> str:
    return f"old.r15{offset:+d}" if offset else "old.r15"
