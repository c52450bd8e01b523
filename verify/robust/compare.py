"""Numbers that stayed where a struct moved: the witnesses of layout-robust.

An instruction adds a number to a register: a displacement, or an immediate. Where register and sum are addresses on
the stack, the walk through the code as it is says what the number spans: from the stack pointer into the struct that
is handed out, or to what lies above it. In a moved layout that distance is another one. A number that spans such a
distance and is the same in the object assembled for the moved layout was written as a number.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from verify.contracts.layout import Struct
from verify.machine.state import State
from verify.machine.term import add
from verify.objfile.image import Image, Place
from verify.robust.variants import Variant
from verify.semantics.code import Code
from verify.semantics.decode import Instruction, decode

# Instructions that add I2 to a register of 64 bits, or of 32: the field that names it.
_SUMS = {
    False: {"AGHI": "R1", "AGFI": "R1", "ALGFI": "R1", "SLGFI": "R1", "AGHIK": "R3", "ALGHSIK": "R3"},
    True: {"AHI": "R1", "AFI": "R1", "ALFI": "R1", "SLFI": "R1", "AHIK": "R3", "ALHSIK": "R3"},
}
_UNSIGNED = frozenset({"ALGFI", "SLGFI", "ALFI", "SLFI"})
_SUBTRACTED = frozenset({"SLGFI", "SLFI"})
_STORAGE = re.compile(r"(D\d)\((?:(\w+),)?(B\d)\)")
_LONGEST = 6  # bytes of an instruction


@dataclass(frozen=True)
class Reach:
    """A number in an instruction and what it spans: `start` and `end` count bytes from r15 at entry.

    `field` is the instruction's field that holds the number, `text` the operand as people write it.
    """

    place: Place
    field: str
    number: int
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Seen:
    """What the walk through the unchanged code saw: numbers, and where the struct that is handed out begins."""

    reaches: frozenset[Reach] = frozenset()
    struct: int | None = None


class Watcher:
    """Looks at every instruction before it is executed, and keeps the numbers that span stack addresses."""

    def __init__(self) -> None:
        self.reaches: set[Reach] = set()

    def __call__(self, state: State, code: Code, place: Place) -> None:
        """Called by the walk for each instruction; what cannot be decoded ends the path there, not here."""
        insn = code.fetch(place)
        for field, number, start in _numbers(insn, state):
            if start is not None:
                self.reaches.add(Reach(place, field, number, _text(insn, field, number), start, start + number))

    def seen(self, structs: Iterable[int | None]) -> Seen:
        """What was seen, where all paths hand out the struct at the same place."""
        places = set(structs)
        return Seen(frozenset(self.reaches), places.pop() if len(places) == 1 else None)


def _numbers(insn: Instruction, state: State) -> Iterator[tuple[str, int, int | None]]:
    """Each number of an instruction: its field, its value, and the stack address that it is added to, if it is one."""
    for displacement, *registers in _storage(insn.spec.operands):
        terms = [state.gpr[insn.fields[name]] for name in registers if insn.fields[name]]
        if terms:
            address = terms[0] if len(terms) == 1 else add(*terms)
            yield displacement, insn.fields[displacement], state.mode.offset(address)
    register = _SUMS[state.mode.narrow].get(insn.mnemonic)
    if register is not None:
        yield "I2", number_in(insn, "I2"), state.mode.offset(state.gpr[insn.fields[register]])


@cache
def _storage(operands: str) -> tuple[tuple[str, ...], ...]:
    """The storage operands of a row: displacement, base, and the index where there is one."""
    found = _STORAGE.findall(operands)
    return tuple((d, base, *([first] if first.startswith("X") else [])) for d, first, base in found)


def number_in(insn: Instruction, field: str) -> int:
    """The number that a field adds, with its sign; displacements have theirs already."""
    raw = insn.fields[field]
    if field.startswith("D"):
        return raw
    width = next(item.width for item in insn.format.fields if item.name == field)
    value = raw if insn.mnemonic in _UNSIGNED else raw - ((raw >> (width - 1)) << width)
    return -value if insn.mnemonic in _SUBTRACTED else value


# In a moved layout ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Witness:
    """A number that stayed: where, and the sentence that says so."""

    reach: Reach
    sentence: str


def stayed(before: Image, after: Image, seen: Seen, struct: Struct, variant: Variant, name: str) -> Iterator[Witness]:
    """The numbers of the code `before` that are the same in the code `after` the move, where they had to change.

    `struct` is the one that is handed out, before it moved, and `name` what the contract calls it.
    """
    if seen.struct is None:
        return
    pairs: dict[int, Mapping[int, Instruction]] = {}
    for reach in sorted(seen.reaches, key=lambda one: (one.place, one.field)):
        right = _right(reach, seen.struct, variant)
        if reach.number in right:
            continue
        space = reach.place.space
        if space not in pairs:
            pairs[space] = _matched(_sweep(before, space), _sweep(after, space))
        found = pairs[space].get(reach.place.offset)
        if found is not None and number_in(found, reach.field) == reach.number:
            yield Witness(reach, _sentence(reach, right[0], seen.struct, struct, variant, name))


def _right(reach: Reach, at: int, variant: Variant) -> tuple[int, ...]:
    """What a number has to be in the moved layout; two are right for the beginning of the struct: its first field's.

    The end of the struct keeps its distance from r15 at entry, as what lies above it does; what lies below keeps its
    distance from the beginning.
    """
    start = at - variant.growth

    def moved(address: int) -> int:
        if address >= at + variant.size:
            return address
        return address - variant.growth if address < at else start + variant.offset(address - at)

    origin = start if reach.start == at else moved(reach.start)
    first = moved(reach.end) - origin
    return (first, start - origin) if reach.end == at else (first,)


def _sentence(reach: Reach, right: int, at: int, struct: Struct, variant: Variant, name: str) -> str:
    where = reach.end - at
    stays = f"{reach.text} stayed {reach.number}"
    if not 0 <= where < struct.size:
        grown = struct.size + variant.growth
        return f"{stays} although struct {struct.name} grew from {struct.size} to {grown} bytes: {right} would be right"
    now = variant.offset(where)
    inside = "" if (where, now) == (reach.number, right) else f" (in struct {struct.name} from {where} to {now})"
    return f"{stays} although {name}.{field_at(struct, where)} moved to {right}{inside}"


def field_at(struct: Struct, offset: int) -> str:
    """The field that a byte of a struct is in, as contracts write it."""
    for name, field in struct.fields.items():
        index, rest = divmod(offset - field.at, field.size)
        if 0 <= index < field.count:
            element = f"{name}[{index}]" if field.count > 1 else name
            return f"{element}+{rest}" if rest else element
    return f"offset {offset}"


def _sweep(image: Image, space: int) -> list[tuple[int, Instruction | None]]:
    """All of a section in the order of its addresses; None where there is no instruction."""
    found: list[tuple[int, Instruction | None]] = []
    at = min((place.offset for place in _places(image, space)), default=0)
    while raw := image.code(Place(space, at), _LONGEST):
        insn = decode(raw)
        found.append((at, insn))
        at += insn.length if insn else 2
    return found


def _places(image: Image, space: int) -> Iterable[Place]:
    return (one.place for one in image.symbols if one.place is not None and one.place.space == space)


def _matched(
    before: list[tuple[int, Instruction | None]], after: list[tuple[int, Instruction | None]]
) -> Mapping[int, Instruction]:
    """The instructions of one sweep by the offset of those in another that they correspond to."""
    names = [[insn.mnemonic if insn else "" for _, insn in side] for side in (before, after)]
    if names[0] == names[1]:
        pairs = list(zip(before, after, strict=True))
    else:
        same = difflib.SequenceMatcher(None, names[0], names[1], autojunk=False).get_matching_blocks()
        pairs = [(before[one.a + n], after[one.b + n]) for one in same for n in range(one.size)]
    return {at: other for (at, insn), (_, other) in pairs if insn is not None and other is not None}


def _text(insn: Instruction, field: str, number: int) -> str:
    """The operand as people write it: 136(%r15), or a number alone."""
    base = insn.fields.get(f"B{field[1:]}") if field.startswith("D") else None
    return str(number) if base is None else f"{number}(%r{base})"
