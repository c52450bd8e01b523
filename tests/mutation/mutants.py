"""Mutants of a routine's instructions: deleted, exchanged with the next, another operation code, register or mask, an
offset or immediate that is 1 or 8 off.

The instruction tables of `verify` serve only to find the fields; what a mutant does is for the emulator to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import IntEnum

from tests.mutation.machine import Change, ObjectFile, Relocation, Section
from verify.semantics.decode import Instruction, decode, encode
from verify.semantics.disassemble import text

_NO_OPERATION = {2: "0700", 4: "47000000", 6: "c00400000000"}
_STEPS = (1, 8)
_RELATIVE_STEPS = (1, 4)  # halfwords
_SWAPS = {
    "LG": ("STG", "LLGF"), "STG": ("LG", "STY"), "LMG": ("STMG", "LMY"), "STMG": ("LMG", "STMY"),
    "LGR": ("LGFR", "LTGR"), "AGHI": ("AHI", "LGHI"), "XC": ("OC", "MVC"), "MVGHI": ("MVHI",), "LTG": ("LG", "LT"),
    "LOCGR": ("LOCR",), "LGRL": ("LARL",), "LARL": ("LGRL",), "LA": ("L", "ST"), "LAY": ("LG",), "SLLG": ("SRLG",),
    "RISBG": ("ROSBG",), "BRC": ("BRAS",), "BRCL": ("BRASL",), "BRASL": ("BRCL",), "BRAS": ("BRC",),
    "BASR": ("BCR",), "BCR": ("BASR",), "LGHI": ("LHI",), "LTGR": ("LGR",), "ICM": ("STCM",),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change of one instruction, in words."""

    section: int
    offset: int
    label: str
    changes: tuple[Change, ...]


class Depth(IntEnum):
    """How many mutants: deletions only, displacements and addends too, or all."""

    DELETIONS = 1
    OFFSETS = 2
    ALL = 3


def mutants(file: ObjectFile, places: Collection[tuple[int, int]], depth: Depth = Depth.ALL) -> Iterator[Mutant]:
    """The mutants of the instructions at these places (section, offset)."""
    for section, offset in sorted(places):
        data = file.sections[section].data
        insn = decode(data[offset : offset + 6])
        assert insn is not None, f"section {section}+{offset:#x} is no instruction"
        where = f"{file.sections[section].name}+{offset:#x}: {text(insn)}"
        fixups = [row for row in file.sections[section].relocations if offset <= row.offset < offset + insn.length]
        seen = {insn.raw}
        for label, raw in _changed(insn, bool(fixups), depth):
            if raw not in seen:
                seen.add(raw)
                yield Mutant(section, offset, f"{where} -> {label}", (Change(section, offset, raw),))
        if depth >= Depth.OFFSETS:
            for row in fixups:
                yield from _moved(section, offset, where, row)
        if depth is Depth.ALL and (section, offset + insn.length) in places and not fixups:
            yield from _exchanged(file.sections[section], section, offset, insn, where)


def _exchanged(code: Section, number: int, offset: int, insn: Instruction, where: str) -> Iterator[Mutant]:
    """The instruction and the next in the other order, where neither has a relative operand."""
    following = decode(code.data[offset + insn.length : offset + insn.length + 6])
    if following is None or insn.format.relative or following.format.relative:
        return
    change = Change(number, offset, following.raw + insn.raw)
    yield Mutant(number, offset, f"{where} -> after {text(following)}", (change,))


def _moved(section: int, offset: int, where: str, row: Relocation) -> Iterator[Mutant]:
    for step in (-8, 8):
        change = Change(section, row.offset, addend=row.addend + step)
        yield Mutant(section, offset, f"{where} -> {row.symbol} {step:+}", (change,))


def _changed(insn: Instruction, fixed: bool, depth: Depth) -> Iterator[tuple[str, bytes]]:
    yield "deleted", bytes.fromhex(_NO_OPERATION[insn.length])
    for name, value in insn.fields.items():
        if fixed and name == insn.format.relative:
            continue  # the linker overwrites it
        if depth < (Depth.OFFSETS if name[0] == "D" else Depth.ALL):
            continue
        for new in dict.fromkeys(_neighbours(insn, name, value)):
            if new == value:
                continue
            try:
                raw = encode(insn.spec, {**insn.fields, name: new})
            except ValueError:
                continue  # does not fit
            yield f"{name} {value} -> {new}", raw
    if depth is Depth.ALL:
        yield from _swapped(insn)


def _neighbours(insn: Instruction, name: str, value: int) -> Iterator[int]:
    if name == insn.format.relative:
        yield from (value + sign * step for step in _RELATIVE_STEPS for sign in (1, -1))
    elif name[0] in "RBX":
        yield from ((value + 1) % 16, (value - 1) % 16)
        if name[0] != "R":
            yield 0 if value else 15
    elif name[0] == "M":
        yield from (value ^ bit for bit in (1, 2, 4, 8, 15))
        yield from (0, 15)
    elif name[0] == "D":
        yield from (value - 8, value + 8)
    else:  # immediates, lengths, bit positions
        width = next(item.width for item in insn.format.fields if item.name == name)
        yield from (value + sign * step & (1 << width) - 1 for step in _STEPS for sign in (1, -1))


def _swapped(insn: Instruction) -> Iterator[tuple[str, bytes]]:
    """The same operand bytes under the operation code of another instruction of the same format."""
    for mnemonic in _SWAPS.get(insn.mnemonic, ()):
        raw = bytearray(insn.raw)
        other = bytes.fromhex(_OPCODES[mnemonic])
        if len(other) == 1:
            raw[0] = other[0]
        elif insn.length == 4 and insn.raw[0] in {0xB9, 0xB2}:
            raw[:2] = other
        elif insn.raw[0] in {0xA7, 0xC0, 0xC4}:
            raw[0], raw[1] = other[0], raw[1] & 0xF0 | other[1]
        elif insn.raw[0] == 0xE5:
            raw[:2] = other
        else:
            raw[0], raw[5] = other
        yield mnemonic.lower(), bytes(raw)


# First byte and what continues it; of the instructions that a swap makes.
_OPCODES = {
    "AHI": "a70a", "BASR": "0d", "BCR": "07", "BRAS": "a705", "BRASL": "c005", "BRC": "a704", "BRCL": "c004",
    "L": "58", "LARL": "c000", "LG": "e304", "LGFR": "b914", "LGHI": "a709", "LGR": "b904", "LGRL": "c408",
    "LHI": "a708", "LLGF": "e316", "LMG": "eb04", "LMY": "eb98", "LOCR": "b9f2", "LT": "e312", "LTGR": "b902",
    "MVC": "d2", "MVHI": "e54c", "OC": "d6", "ROSBG": "ec56", "SRLG": "eb0c", "ST": "50", "STCM": "be", "STG": "e324",
    "STMG": "eb24", "STMY": "eb90", "STY": "e350",
}  # fmt: skip
